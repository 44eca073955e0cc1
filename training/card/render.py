"""The model card as Markdown, rendered from the record and nothing else."""

from collections.abc import Iterator

from model.answer import Interval, ObservedHorizon
from model.card import CardPerformance, ModelCard, ReportingAnswer, RiskCategory, Uses
from model.kaplan_meier import Estimate
from training.card.facts import write_p
from training.card.markdown import bullets, escape, heading, paragraph, table
from training.card.tables import specification, worked_example

_STATUS = {"answered": "", "not_applicable": "Not applicable. ", "not_recorded": "Not recorded. "}


def render_markdown(card: ModelCard) -> str:
    """Return the card as Markdown; the same card gives the same text."""
    return "\n".join(_lines(card)).rstrip("\n") + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield from heading(1, card.title)
    yield f"`{card.id}` version {card.version}"
    yield ""
    if card.notice:
        yield f"**{escape(card.notice)}**"
        yield ""
    yield from paragraph(card.summary)
    yield from _uses(card.uses)
    yield from _cohort(card)
    yield from _performance(card.performance)
    yield from _risk_categories(card)
    yield from _ecog(card)
    yield from heading(2, "Limits")
    yield from bullets(card.limits)
    if card.findings:
        yield from heading(3, "Findings of this fit")
        yield from bullets(f"{finding.code}: {finding.message}" for finding in card.findings)
    yield from heading(2, "Specification")
    yield from specification(card.specification)
    yield from heading(2, "Worked example")
    yield from worked_example(card.worked_example, card.specification)
    yield from _tripod(card.tripod_ai)
    yield from heading(2, "CHAI applied model card")
    for section in card.applied_model_card:
        yield from heading(3, section.heading)
        for entry in section.entries:
            yield f"- **{escape(entry.heading)}**: {escape(entry.text)}"
        yield ""


def _uses(uses: Uses) -> Iterator[str]:
    yield from heading(2, "Intended use")
    yield from paragraph(uses.intended_use)
    yield from paragraph(uses.workflow)
    yield from paragraph(uses.how_to_use)
    yield from heading(3, "Target population")
    yield from paragraph(uses.target_population)
    yield from heading(3, "Users")
    yield from bullets(uses.users)
    yield from heading(3, "Out of scope")
    yield from bullets(uses.out_of_scope)


def _cohort(card: ModelCard) -> Iterator[str]:
    cohort = card.cohort
    yield from heading(2, "Cohort and provenance")
    yield from paragraph(f"{cohort.name} ({cohort.institution})")
    yield from bullets(card.cohort_description)
    yield from table(
        ("what", "value"),
        [
            ("SHA-256 of the rows", f"`{cohort.sha256}`"),
            ("seed", str(card.seed)),
            *(
                (escape(name), escape(version))
                for name, version in sorted(card.library_versions.items())
            ),
        ],
    )


def _performance(performance: CardPerformance) -> Iterator[str]:
    yield from heading(2, "Performance")
    yield from paragraph(performance.statement)
    if performance.measures:
        yield from paragraph(
            f"{performance.resamples} bootstrap resamples, {performance.failed_resamples} failed;"
            " limits at 95 %."
        )
        yield from table(
            ("measure", "months", "apparent", "optimism", "corrected", "95 % interval"),
            (
                (
                    escape(m.measure),
                    "–" if m.horizon_months is None else f"{m.horizon_months:g}",
                    f"{m.apparent:.3f}",
                    f"{m.optimism:.3f}",
                    f"{m.corrected:.3f}",
                    f"{m.lower:.3f} to {m.upper:.3f}",
                )
                for m in performance.measures
            ),
        )
    else:
        yield from paragraph("No measure is recorded for this version.")
    if performance.external:
        yield from heading(3, "On other cohorts")
        yield from table(
            ("cohort", "patients", "deaths", "concordance", "calibration slope", "O/E"),
            (
                (
                    escape(f"{v.cohort.name} ({v.cohort.institution})"),
                    str(v.cohort.patients),
                    str(v.cohort.deaths),
                    str(v.concordance),
                    str(v.calibration_slope),
                    "; ".join(map(str, v.observed_expected)),
                )
                for v in performance.external
            ),
        )


def _risk_categories(card: ModelCard) -> Iterator[str]:
    months = [h.months for h in card.risk_categories[0].observed.horizons]
    yield from heading(2, "Risk categories")
    yield from paragraph(
        "ECOG alone decides the category. Observed is Kaplan-Meier survival in the training cohort,"
        " with 95 % limits and, after the semicolon, the number at risk."
    )
    yield from table(
        (
            *("category", "ECOG", "patients", "deaths"),
            *(f"observed at {at:g} months" for at in months),
            *("median, months", "hazard ratio observed"),
        ),
        (_risk_category(category) for category in card.risk_categories),
    )
    yield from table(
        ("ECOG grade", "patients", "deaths", "predictions"),
        (
            (
                str(g.ecog),
                str(g.patients),
                str(g.deaths),
                "extrapolated" if g.extrapolated else "supported",
            )
            for g in card.ecog_grades
        ),
    )


def _risk_category(category: RiskCategory) -> Iterator[str]:
    observed, contrast = category.observed, category.observed.contrast
    yield escape(category.category)
    spans = category.lowest_ecog < category.highest_ecog
    yield f"{category.lowest_ecog}–{category.highest_ecog}" if spans else f"{category.lowest_ecog}"
    yield str(observed.patients)
    yield str(observed.deaths)
    yield from (_observed(horizon) for horizon in observed.horizons)
    yield _limits(observed.median_months, "{:.1f}")
    yield (
        "–"
        if contrast is None
        else f"{contrast.hazard_ratio:.2f} ({contrast.lower:.2f} to {contrast.upper:.2f}),"
        f" log-rank {escape(write_p(contrast.p_value))}"
    )


def _observed(horizon: ObservedHorizon) -> str:
    if horizon.probability is None:
        return "–"
    percent = (
        None if value is None else 100 * value
        for value in (horizon.probability, horizon.lower, horizon.upper)
    )
    return f"{_limits(Estimate(*percent), '{:.0f} %')}; {horizon.at_risk}"


def _limits(interval: Interval | Estimate, form: str) -> str:
    estimate, lower, upper = (
        "–" if value is None else form.format(value)
        for value in (interval.estimate, interval.lower, interval.upper)
    )
    return estimate if lower == upper == "–" else f"{estimate} ({lower} to {upper})"


def _ecog(card: ModelCard) -> Iterator[str]:
    yield from heading(2, "ECOG: published, reproduced, served")
    yield from table(
        ("source", "hazard ratio per point", "95 % interval"),
        (
            (escape(e.source), f"{e.hazard_ratio:.3f}", f"{e.lower:.3f} to {e.upper:.3f}")
            for e in card.ecog_effects
        ),
    )
    yield from bullets(card.ecog_explanation)


def _tripod(items: list[ReportingAnswer]) -> Iterator[str]:
    yield from heading(2, "TRIPOD+AI")
    yield from table(
        ("item", "part", "topic", "answer"),
        (
            (
                item.number,
                escape(item.section),
                escape(item.topic),
                f"{_STATUS[item.status]}{escape(item.answer)}",
            )
            for item in items
        ),
    )
