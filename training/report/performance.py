"""How well the model predicts: internal validation, calibration, decisions, other cohorts."""

from collections.abc import Iterator

from model.analysis import CalibrationCurve, InternalValidation, NetBenefit, Performance
from model.manifest import CohortProvenance, Manifest, Recalibration
from training.report.blocks import Block, Paragraph, Section, Subheading, Table, plot
from training.report.numbers import (
    NONE,
    decimal,
    decimal_limits,
    number_of,
    percent,
    percent_with_limits,
)
from training.report.plots import Label, calibration_plot, decision_plot

_THRESHOLDS_IN_TABLE = 12


def validation_section(manifest: Manifest, validation: InternalValidation | None) -> Section:
    """Return internal validation with calibration and decision curve, and other cohorts."""
    return Section(
        "validation",
        "Validation",
        (
            *_circular(manifest),
            *_internal(validation),
            *_other_cohorts(manifest),
        ),
    )


def _circular(manifest: Manifest) -> Iterator[Block]:
    if manifest.synthetic:
        yield Paragraph(
            "Circular by construction: the cohort was made to give the published figures. What"
            " follows shows that the machinery works; it validates nothing.",
            strong=True,
        )


def _internal(validation: InternalValidation | None) -> Iterator[Block]:
    yield Subheading("Internal validation")
    if validation is None:
        yield Paragraph("The model was not validated internally: no resample was drawn.")
        return
    failed = (
        "none failed" if not validation.failed else f"{validation.failed} failed and are left out"
    )
    yield Paragraph(
        "Harrell's bootstrap: in each resample the whole procedure is repeated, the choice of the"
        " penalty included, and judged on the resample and on the cohort. The mean difference is"
        f" the optimism. {number_of(validation.resamples, 'resample')}, {failed};"
        f" seed {validation.seed}. Intervals: bootstrap, shifted by the optimism."
    )
    yield Table(
        "Performance",
        ("Measure", "Months", "Apparent", "Optimism", "Corrected", "95 % interval"),
        tuple(_performance(of) for of in validation.performance),
    )
    if validation.calibration:
        yield from _calibration(validation.calibration)
    if validation.decision:
        yield from _decision(validation.decision)


def _performance(of: Performance) -> tuple[str, ...]:
    return (
        of.measure[:1].upper() + of.measure[1:],
        NONE if of.horizon_months is None else f"{of.horizon_months:g}",
        decimal(of.apparent),
        decimal(of.optimism),
        decimal(of.corrected),
        decimal_limits(of.lower, of.upper),
    )


def _calibration(curves: list[CalibrationCurve]) -> Iterator[Block]:
    yield Subheading("Calibration")
    yield plot(
        calibration_plot(
            Label(
                "calibration",
                "Observed against predicted survival",
                " ".join(_described(curve) for curve in curves),
            ),
            curves,
        ),
        "Observed against predicted survival. Squares: groups of patients with 95 % intervals."
        " Line and band: smooth curve. On the dotted diagonal, predictions are right on average.",
    )
    yield Table(
        "Calibration by group",
        ("Months", "Patients", "Predicted", "Observed (95 % interval)"),
        tuple(
            (
                f"{curve.horizon_months:g}",
                str(group.patients),
                percent(group.predicted),
                percent_with_limits(group.observed, group.lower, group.upper),
            )
            for curve in curves
            for group in curve.groups
        ),
        folded=True,
    )


def _described(curve: CalibrationCurve) -> str:
    groups = [
        f"predicted {percent(group.predicted)}, observed {percent(group.observed)}"
        for group in curve.groups
    ]
    return f"At {curve.horizon_months:g} months: {'; '.join(groups) or 'no groups'}."


def _decision(benefit: NetBenefit) -> Iterator[Block]:
    months = f"{benefit.horizon_months:g} months"
    useful = [
        threshold
        for threshold, model, everybody in zip(
            benefit.thresholds, benefit.model_corrected, benefit.everybody, strict=True
        )
        if model > max(everybody, 0.0)
    ]
    found = (
        f"Corrected for optimism, the model does better than both at {len(useful)} of"
        f" {len(benefit.thresholds)} thresholds, between {percent(min(useful))} and"
        f" {percent(max(useful))}."
        if useful
        else "Corrected for optimism, the model does better than both at no threshold."
    )
    yield Subheading(f"Decision curve at {months}")
    yield Paragraph(
        "The decision: to treat a patient as high risk when the predicted risk of death by"
        f" {months} exceeds a threshold. Net benefit weighs deaths rightly called high risk against"
        " survivors wrongly called so, by the odds of the threshold; survival in the high group is"
        " by Kaplan–Meier. The model is compared with calling everybody, or nobody, high risk."
    )
    yield Paragraph(found)
    yield plot(
        decision_plot(Label("decision", f"Net benefit at {months}, by threshold", found), benefit),
        f"Net benefit by threshold of the predicted risk of death by {months}.",
    )
    every = max(1, len(benefit.thresholds) // _THRESHOLDS_IN_TABLE)
    yield Table(
        "Net benefit",
        ("Threshold", "Model, corrected", "Model, apparent", "Everybody high risk"),
        tuple(
            (percent(threshold), decimal(corrected), decimal(model), decimal(everybody))
            for threshold, corrected, model, everybody in [
                *zip(
                    benefit.thresholds,
                    benefit.model_corrected,
                    benefit.model,
                    benefit.everybody,
                    strict=True,
                )
            ][::every]
        ),
        folded=True,
    )


def _other_cohorts(manifest: Manifest) -> Iterator[Block]:
    yield Subheading("On other cohorts")
    if manifest.recalibration:
        yield _recalibrated(manifest.recalibration)
    if not manifest.validations:
        yield Paragraph("No validation on another cohort is recorded.")
        return
    yield Table(
        "Validation on other cohorts, with 95 % intervals",
        (
            "Cohort",
            "Patients",
            "Deaths",
            "Harrell's C",
            "Calibration slope",
            "Observed/expected deaths, by months",
        ),
        tuple(
            (
                _cohort(of.cohort),
                str(of.cohort.patients),
                str(of.cohort.deaths),
                str(of.concordance),
                str(of.calibration_slope),
                "; ".join(map(str, of.observed_expected)) or NONE,
            )
            for of in manifest.validations
        ),
    )


def _recalibrated(of: Recalibration) -> Paragraph:
    return Paragraph(
        f"This version was recalibrated from version {of.from_version} to {_cohort(of.cohort)}:"
        f" log hazard ratios times {decimal(of.slope)}, baseline hazard times"
        f" {decimal(of.baseline_scale)}. On that cohort its calibration is circular."
    )


def _cohort(cohort: CohortProvenance) -> str:
    return f"{cohort.name} ({cohort.institution})" + (", synthetic" if cohort.synthetic else "")
