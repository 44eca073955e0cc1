"""The first page: what the model says, for whom, and what it cannot do."""

from collections.abc import Iterator
from dataclasses import dataclass

from model.answer import Horizon, PatientPrediction
from model.manifest import Manifest
from model.patient import COVARIATES, Patient, Value
from model.prediction import DEFAULT_HORIZONS_MONTHS, PrognosticModel, observed_in, predict
from model.risk import RiskBand
from training.report.blocks import Block, Bullets, Paragraph, Section, Subheading, Table, plot
from training.report.numbers import (
    listed,
    months_with_limits,
    name_of,
    number_of,
    percent_with_limits,
    ratio,
    ratio_limits,
    short_name_of,
    value_of,
)
from training.report.plots import Label, NamedCurve, predicted_plot

CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class _Example:
    name: str
    prediction: PatientPrediction


def summary_section(manifest: Manifest, model: PrognosticModel) -> Section:
    """Return the summary for a clinician."""
    return Section(
        "summary",
        "Summary for a clinician",
        (*_purpose(manifest), *_categories(model), *_examples(model), *_not_for(manifest, model)),
    )


def _purpose(manifest: Manifest) -> Iterator[Block]:
    cohort = manifest.cohort
    others = [name_of(name) for name in manifest.covariates if name != "ecog"]
    yield Paragraph(
        "The model predicts overall survival after a second allogeneic stem-cell transplant"
        " (HSCT2) for acute leukaemia that relapsed after a first one. For each patient it gives"
        " the probability of being alive at each month, with a 95 % interval, and a risk category."
    )
    if others:
        yield Paragraph(
            "ECOG performance status is required. "
            + (f"{others[0]} is" if len(others) == 1 else f"{len(others)} further values are")
            + " used where known. An unknown value widens the interval; it is never taken as"
            " normal."
        )
    else:
        yield Paragraph("It uses ECOG performance status and nothing else.")
    origin = "a synthetic cohort, in which no row is a patient" if cohort.synthetic else cohort.name
    yield Paragraph(
        f"It was trained on {origin}: {number_of(cohort.patients, 'patient')},"
        f" {number_of(cohort.deaths, 'death')}."
    )


def _categories(model: PrognosticModel) -> Iterator[Block]:
    yield Subheading("Risk categories")
    yield Paragraph(
        "ECOG alone decides the category. The survival beside it is what was observed in the"
        " training cohort, with 95 % intervals; it is not a prediction."
    )
    yield Table(
        "Risk categories and their observed survival",
        (
            "Category",
            "ECOG",
            "Patients",
            "Deaths",
            *(f"Alive at {months:g} months" for months in DEFAULT_HORIZONS_MONTHS),
            "Median survival, months",
            "Hazard ratio, observed",
        ),
        tuple(_category(model, band) for band in model.risk_bands.bands),
    )


def _category(model: PrognosticModel, band: RiskBand) -> tuple[str, ...]:
    observed = observed_in(model, band, DEFAULT_HORIZONS_MONTHS, CONFIDENCE_LEVEL)
    contrast, median = observed.contrast, observed.median_months
    grades = f"{band.lowest}–{band.highest}" if band.lowest < band.highest else f"{band.lowest}"
    reference = "reference" if band is model.risk_bands.bands[0] else "not estimable"
    return (
        band.name,
        grades,
        str(band.patients),
        str(band.deaths),
        *(percent_with_limits(h.probability, h.lower, h.upper) for h in observed.horizons),
        months_with_limits(median.estimate, median.lower, median.upper),
        f"{ratio(contrast.hazard_ratio)} ({ratio_limits(contrast.lower, contrast.upper)})"
        if contrast
        else reference,
    )


def _examples(model: PrognosticModel) -> Iterator[Block]:
    known, unknown = _predictions(model)
    yield Subheading("Example predictions")
    typical = _typical_values(model)
    named = [f"{short_name_of(name)}: {value_of(name, value)}" for name, value in typical.items()]
    yield Paragraph(
        "Nobody in the cohort: examples made for this page, one from each category."
        + (f" Apart from ECOG they have typical values ({'; '.join(named)})." if named else "")
    )
    yield plot(
        predicted_plot(
            Label(
                "example",
                "Predicted survival of example patients",
                " ".join(_sentence(example) for example in known),
            ),
            [
                NamedCurve(example.name, example.prediction.survival.curve)
                for example in known
                if example.prediction.survival.curve
            ],
            DEFAULT_HORIZONS_MONTHS,
        ),
        "Predicted survival with pointwise 95 % intervals. Dotted: the default horizons.",
    )
    yield Table(
        "Example predictions, with 95 % intervals",
        (
            "Patient",
            *(f"Alive at {months:g} months" for months in DEFAULT_HORIZONS_MONTHS),
            "Median survival, months",
        ),
        tuple(_example_row(example) for example in (*known, *unknown)),
    )
    withheld = [h for h in known[0].prediction.survival.horizons if h.reason]
    if withheld:
        at = listed([f"{horizon.months:g}" for horizon in withheld])
        yield Paragraph(f"Nothing is predicted at {at} months: {withheld[0].reason}.")


def _predictions(model: PrognosticModel) -> tuple[list[_Example], list[_Example]]:
    """Return one fully known example a band, and the worst of them with only ECOG known."""
    grades = [_commonest_grade(model, band) for band in model.risk_bands.bands]
    typical = _typical_values(model)
    known = [
        _Example(
            f"ECOG {grade}", predict(model, Patient.model_validate({"ecog": grade, **typical}))
        )
        for grade in grades
    ]
    unknown = [
        _Example(f"ECOG {grade}, nothing else known", predict(model, Patient(ecog=grade)))
        for grade in grades[-1:]
        if typical
    ]
    return known, unknown


def _commonest_grade(model: PrognosticModel, band: RiskBand) -> int:
    if band is model.risk_bands.bands[0]:
        return model.risk_bands.ecog_reference
    counts = model.risk_bands.patients_by_grade
    return max(range(band.lowest, band.highest + 1), key=lambda grade: counts[grade])


def _typical_values(model: PrognosticModel) -> dict[str, Value]:
    """Return the reference value of every covariate but ECOG."""
    design = model.cox.design
    return {
        name: COVARIATES[name].from_number(float(reference))
        for name, reference in zip(design.names, design.reference, strict=True)
        if name != "ecog"
    }


def _sentence(example: _Example) -> str:
    shown = [
        f"{_horizon(horizon)} at {horizon.months:g} months"
        for horizon in example.prediction.survival.horizons
        if horizon.probability is not None
    ]
    return f"{example.name}: {listed(shown) if shown else 'nothing is predicted'}."


def _horizon(horizon: Horizon) -> str:
    if horizon.probability is None:
        return "withheld"
    return percent_with_limits(horizon.probability, horizon.lower, horizon.upper)


def _example_row(example: _Example) -> tuple[str, ...]:
    survival = example.prediction.survival
    median = survival.median_months
    return (
        example.name,
        *(_horizon(horizon) for horizon in survival.horizons),
        months_with_limits(median.estimate, median.lower, median.upper),
    )


def _not_for(manifest: Manifest, model: PrognosticModel) -> Iterator[Block]:
    yield Subheading("What it cannot do")
    if manifest.notice:
        yield Paragraph(manifest.notice, strong=True)
    beyond = f"{model.cox.last_months:g} months"
    yield Bullets(
        (
            (
                "It does not decide whether to transplant, and does not compare treatments: an"
                " association in a cohort is not the effect of changing a value."
            ),
            "It is not for a first or an autologous transplant, another disease, or a child.",
            (
                f"It says nothing beyond {beyond}, the last time at which at least 5 patients of"
                " the cohort were still followed."
            ),
            (
                "It does not know what it was not given: donor, genetics, time since the first"
                " transplant and much else that matters."
            ),
            *(_average_patient() if manifest.covariates == ["ecog"] else ()),
        )
    )


def _average_patient() -> Iterator[str]:
    yield (
        "Its interval is for the average patient with this ECOG grade, not for the one in front"
        " of you, who may differ from the average by far more."
    )
