"""What was observed in the cohort: survival over all patients and by risk category."""

from collections.abc import Iterator

from model.analysis import StudyAnalysis
from model.kaplan_meier import KaplanMeier
from model.manifest import Manifest
from model.prediction import DEFAULT_HORIZONS_MONTHS, PrognosticModel
from training.report.blocks import Block, Paragraph, Section, Subheading, Table, plot
from training.report.numbers import (
    listed,
    months_with_limits,
    p_equals,
    percent_with_limits,
    ratio,
    ratio_limits,
)
from training.report.plots import Group, Label, kaplan_meier_plot, risk_table_months

_LEVEL = 0.95


def observed_section(
    manifest: Manifest, model: PrognosticModel, study: StudyAnalysis | None
) -> Section:
    """Return Kaplan-Meier curves with numbers at risk, medians and follow-up."""
    blocks = [*_cohort(manifest, model), *_medians(study), *_bands(model, study)]
    return Section("survival", "Observed survival", tuple(blocks))


def _cohort(manifest: Manifest, model: PrognosticModel) -> Iterator[Block]:
    everybody = Group("All patients", model.cox.observed)
    yield plot(
        kaplan_meier_plot(
            Label(
                "cohort-survival",
                "Observed survival of the cohort",
                _described([everybody]),
            ),
            [everybody],
            model.cox.last_months,
        ),
        f"Kaplan–Meier survival of all {manifest.cohort.patients} patients with pointwise 95 %"
        " log-log intervals. Strokes: end of follow-up of a living patient.",
    )
    yield _table("Observed survival of the cohort", [everybody])


def _medians(study: StudyAnalysis | None) -> Iterator[Block]:
    if study is None:
        return
    rows = (
        ("Median survival, log-log interval", study.median_survival_log_log),
        (
            "Median survival, the study's interval (normal approximation)",
            study.median_survival_study,
        ),
        ("Median follow-up, reverse Kaplan–Meier", study.median_follow_up),
    )
    yield Table(
        "Medians, months (95 % interval)",
        ("", "Months"),
        tuple((name, months_with_limits(of.estimate, of.lower, of.upper)) for name, of in rows),
    )
    yield Paragraph(
        "The two intervals of the median come from the same curve. The normal approximation is"
        " what the study printed; the log-log interval keeps its level better in small cohorts."
    )


def _bands(model: PrognosticModel, study: StudyAnalysis | None) -> Iterator[Block]:
    groups = [Group(band.name, band.observed) for band in model.risk_bands.bands if band.observed]
    yield Subheading("By risk category")
    yield plot(
        kaplan_meier_plot(
            Label("band-survival", "Observed survival by risk category", _described(groups)),
            groups,
            model.cox.last_months,
        ),
        "Kaplan–Meier survival by risk category with pointwise 95 % log-log intervals.",
    )
    yield _table("Observed survival by risk category", groups)
    if study is not None and study.log_rank_p is not None:
        yield Paragraph(f"Log-rank test between the categories: {p_equals(study.log_rank_p)}.")
    for band in model.risk_bands.bands:
        if band.contrast:
            yield Paragraph(
                f"Category {band.name} against {model.risk_bands.bands[0].name}: hazard ratio"
                f" {ratio(band.contrast.hazard_ratio)} (95 % interval"
                f" {ratio_limits(band.contrast.lower, band.contrast.upper)}),"
                f" log-rank {p_equals(band.contrast.p_value)}."
            )


def _described(groups: list[Group]) -> str:
    return " ".join(
        f"{group.name}: "
        + listed(
            [
                f"{_survival(group.observed, months)} alive at {months:g} months"
                for months in DEFAULT_HORIZONS_MONTHS
                if group.observed.at(months, _LEVEL)
            ]
            or ["followed for less than any horizon"]
        )
        + "."
        for group in groups
    )


def _survival(observed: KaplanMeier, months: float) -> str:
    at = observed.at(months, _LEVEL)
    return percent_with_limits(at.estimate, at.lower, at.upper) if at else "not followed"


def _table(caption: str, groups: list[Group]) -> Table:
    end = max(float(group.observed.months[-1]) for group in groups)
    times = sorted({*risk_table_months(end), *(h for h in DEFAULT_HORIZONS_MONTHS if h <= end)})
    return Table(
        caption,
        (
            "Months",
            *(title for g in groups for title in (f"{g.name}: at risk", f"{g.name}: survival")),
        ),
        tuple(
            (
                f"{month:g}",
                *(
                    cell
                    for group in groups
                    for cell in (
                        str(group.observed.at_risk_at(month)),
                        _survival(group.observed, month),
                    )
                ),
            )
            for month in times
        ),
        folded=True,
    )
