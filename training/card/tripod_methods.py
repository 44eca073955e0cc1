"""TRIPOD+AI items 5 to 19: data, methods and openness."""

from collections.abc import Iterator

from model.card import ReportingStatus
from model.patient import COVARIATES, Covariate, Transform
from training.card.facts import Answer, Facts

_FORMS = {
    Transform.IDENTITY: "untransformed",
    Transform.LOG: "by their logarithm",
    Transform.SHIFTED_LOG: "by the logarithm of the value plus half the smallest positive one",
}


def methods(facts: Facts) -> Iterator[Answer]:
    """Answer the items 5a to 19."""
    yield from _data(facts)
    yield from _outcome()
    yield from _covariates(facts)
    yield from _sample(facts)
    yield from _analysis(facts)
    yield from _evaluation(facts)
    yield from _openness(facts)


def _of_the_cohort(number: str, facts: Facts, if_synthetic: str, what: str) -> Answer:
    status: ReportingStatus = "not_applicable" if facts.synthetic else "not_recorded"
    return number, status, facts.of_the_cohort(if_synthetic, what)


def _data(facts: Facts) -> Iterator[Answer]:
    cohort = facts.cohort
    origin = (
        "generated rows that represent nobody, made because the study's patient data are not public"
        if facts.synthetic
        else "patients' records, as its owner declares; whom they represent is not recorded"
    )
    yield "5a", "answered", f"One cohort, {cohort.name} ({cohort.institution}): {origin}."
    end = cohort.end_of_follow_up
    yield (
        "5b",
        "answered" if end else "not_recorded",
        f"End of follow-up {end}; dates of accrual are not recorded."
        if end
        else "Neither dates of accrual nor the end of follow-up are declared.",
    )
    yield _of_the_cohort("6a", facts, "No centre: the rows were generated.", "setting and centres")
    yield _of_the_cohort(
        "6b", facts, "No patient was selected: the rows were generated.", "criteria of eligibility"
    )
    treatments = [
        COVARIATES[name].label
        for name in (
            "conditioning",
            "post_transplant_cyclophosphamide",
            "cd34_dose_10e6_per_kg",
        )
        if name in facts.manifest.covariates
    ]
    yield (
        "6c",
        "answered",
        f"Covariates that are treatments: {'; '.join(treatments)}. Their coefficients are"
        " associations. Other treatments are not in the data."
        if treatments
        else "Treatments do not enter this model.",
    )
    yield (
        "7",
        "answered",
        (
            "Every cell is checked for type and plausible range, and a file with an error is"
            " refused as a whole, for all patients alike. Rows are put into an order of their"
            " own, so that the order of the file plays no part."
        ),
    )


def _outcome() -> Iterator[Answer]:
    yield (
        "8a",
        "answered",
        (
            "Death from any cause, in months from HSCT2; patients alive are censored at last"
            " follow-up. It is predicted at any horizon up to t*. It matters to patients, and is"
            " the same for all groups."
        ),
    )
    yield "8b", "not_applicable", "Death needs no judgement."
    yield "8c", "not_applicable", "Death from any cause leaves nothing to blind."


def _covariates(facts: Facts) -> Iterator[Answer]:
    unused = [c.label for name, c in COVARIATES.items() if name not in facts.manifest.covariates]
    left = f" Not in this model: {'; '.join(unused)}." if unused else ""
    yield (
        "9a",
        "answered",
        (
            "The candidates are the twelve covariates that the published study screened. None was"
            f" selected by its p in this cohort.{left}"
        ),
    )
    defined = "; ".join(_defined(COVARIATES[name]) for name in facts.manifest.covariates)
    late = ""
    if facts.measured_late:
        late = f" May be known only after follow-up began: {'; '.join(facts.measured_late)}."
    yield (
        "9b",
        "answered",
        f"{defined}. Meant as known before HSCT2.{late} Blinding is not recorded.",
    )
    yield _of_the_cohort(
        "9c",
        facts,
        "Nobody judged ECOG: the rows were generated.",
        "who graded ECOG, which is a judgement",
    )


def _defined(covariate: Covariate) -> str:
    details = covariate.unit or ", ".join(covariate.choices)
    return f"{covariate.label} ({details})" if details else covariate.label


def _sample(facts: Facts) -> Iterator[Answer]:
    yield (
        "10",
        "answered",
        f"No calculation was made: the cohort is as large as it is. {facts.size}. Few deaths are"
        " why the intervals are wide"
        + (" and why all effects but that of ECOG are shrunk." if facts.penalty > 0 else "."),
    )
    yield "11", "answered", facts.missing


def _analysis(facts: Facts) -> Iterator[Answer]:
    yield (
        "12a",
        "answered",
        f"All rows were used for development; none was set aside. {_inner(facts)}",
    )
    yield "12b", "answered", _forms(facts)
    yield "12c", "answered", f"{facts.model_type}. {_tuning(facts)} {_inner(facts)}"
    yield (
        "12d",
        "not_applicable",
        "The cohort's file names no centres, so there are no clusters to compare.",
    )
    yield "12e", "answered", _measures(facts)


def _inner(facts: Facts) -> str:
    validation = facts.analysis.validation
    if validation is None:
        return "No internal validation is recorded."
    return (
        f"Internal validation by {validation.resamples} bootstrap resamples with the whole"
        f" procedure in each (seed {validation.seed})."
    )


def _forms(facts: Facts) -> str:
    covariates = [COVARIATES[name] for name in facts.manifest.covariates]
    parts = []
    for transform, how in _FORMS.items():
        labels = [c.label for c in covariates if c.transform is transform and not c.is_binary]
        if labels:
            parts.append(f"{', '.join(labels)} ({how})")
    binary = [c.label for c in covariates if c.is_binary]
    if binary:
        parts.append(f"{', '.join(binary)} (as 0 or 1)")
    return (
        f"Linear in the log hazard: {'; '.join(parts)}. All are centred and divided by the"
        " cohort's standard deviation. No interactions."
    )


def _tuning(facts: Facts) -> str:
    if facts.penalty == 0:
        return "Nothing was tuned."
    path = facts.analysis.penalty_path
    if path is None:
        return "How the strength of the penalty came about is not recorded here."
    return (
        f"The strength has the highest cross-validated partial likelihood of {len(path.strengths)}"
        f" tried, seed {facts.manifest.seed}."
    )


def _measures(facts: Facts) -> str:
    names = list(dict.fromkeys(m.measure for m in facts.measures))
    if not names:
        return "No measure of performance is recorded for this version."
    return (
        f"{', '.join(names)}; each apparent, its optimism, and corrected, with limits. Curves are"
        " in the report."
    )


def _evaluation(facts: Facts) -> Iterator[Answer]:
    external = facts.manifest.validations
    absent = "No evaluation on another cohort is recorded."
    names = ", ".join(v.cohort.name for v in external)
    yield (
        ("12f", "answered", facts.recalibration)
        if facts.recalibration
        else (
            "12f",
            "not_applicable",
            "This version's coefficients were fitted to its cohort, not updated."
            if external
            else f"{absent} So nothing was updated.",
        )
    )
    yield (
        ("12g", "answered", "By this artifact itself, with the code that serves it.")
        if external
        else ("12g", "not_applicable", absent)
    )
    yield "13", "not_applicable", "Times to death are modelled, not classes; nothing is resampled."
    yield (
        "14",
        "answered",
        (
            "Nothing was done. Sex, origin and social position are neither covariates nor read"
            " from a cohort, so groups cannot be compared."
        ),
    )
    bands = "; ".join(
        f"{b.name} is ECOG {b.lowest}" + (f" to {b.highest}" if b.highest > b.lowest else "")
        for b in facts.model.risk_bands.bands
    )
    yield (
        "15",
        "answered",
        (
            "Probabilities of survival with limits, and a category from ECOG alone, chosen"
            f" beforehand as what so few patients can tell apart, not by a search for cut-offs:"
            f" {bands}."
        ),
    )
    yield (
        (
            "16",
            "not_recorded",
            f"Evaluated on {names}; how they differ in setting is not recorded.",
        )
        if external
        else ("16", "not_applicable", absent)
    )


def _openness(facts: Facts) -> Iterator[Answer]:
    yield _of_the_cohort(
        "17", facts, "No patient took part, so no approval or consent was needed.", "approval"
    )
    yield "18a", "not_recorded", "Neither a source of funding nor a funder's role is declared."
    yield "18b", "not_recorded", "Interests are declared nowhere in the artifact."
    yield "18c", "answered", "No protocol is recorded; the analysis is what the code does."
    yield "18d", "answered", "No registration is recorded."
    yield (
        "18e",
        "answered",
        f"The rows, SHA-256 {facts.cohort.sha256}, "
        + (
            "are nobody's records and need no protection."
            if facts.synthetic
            else "stay with their owner; the artifact holds aggregates only."
        ),
    )
    yield "18f", "answered", "The code is open source (Apache-2.0) and trains this model again."
    yield "19", "answered", "No involvement is recorded."
