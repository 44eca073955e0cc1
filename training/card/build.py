"""The model card: what the model is, what it was made from, what it must not be used for."""

from collections.abc import Iterator

from model.analysis import Analysis
from model.card import (
    CARD_VERSION,
    CardPerformance,
    EcogGrade,
    ModelCard,
    RiskCategory,
    Uses,
    WorkedExample,
)
from model.manifest import Manifest
from model.prediction import DEFAULT_HORIZONS_MONTHS, PrognosticModel, observed_in
from training.card.applied import applied_sections
from training.card.facts import Facts, write_p
from training.card.specification import CONFIDENCE_LEVEL, specify, work_out
from training.card.tripod import tripod_items


def build_card(manifest: Manifest, model: PrognosticModel, analysis: Analysis) -> ModelCard:
    """Gather everything that a card says, as plain values.

    The same arguments give the same card: it holds no time of its making. The digests
    of the manifest do not enter it, since the card is one of the files they are of.
    """
    facts = Facts(manifest, model, analysis)
    specification = specify(model)
    example = work_out(specification)
    uses = _uses(facts)
    limits = list(_limits(facts, example))
    return ModelCard(
        card_version=CARD_VERSION,
        id=manifest.id,
        version=manifest.version,
        title=manifest.title,
        notice=manifest.notice,
        summary=_summary(facts),
        uses=uses,
        cohort=manifest.cohort,
        cohort_description=list(_cohort(facts)),
        performance=_performance(facts),
        risk_categories=_risk_categories(model),
        ecog_grades=_ecog_grades(model),
        ecog_effects=manifest.ecog_effects,
        ecog_explanation=list(_ecog_explanation(facts)),
        limits=limits,
        findings=manifest.findings,
        specification=specification,
        worked_example=example,
        tripod_ai=list(tripod_items(facts, uses)),
        applied_model_card=list(applied_sections(facts, uses, limits)),
        seed=manifest.seed,
        library_versions=manifest.library_versions,
    )


def _summary(facts: Facts) -> str:
    covariates = (
        "ECOG performance status alone"
        if facts.is_ecog_alone
        else f"ECOG performance status and {len(facts.labels) - 1} other covariates"
    )
    return (
        "Predicts overall survival after a second allogeneic stem-cell transplant (HSCT2) from"
        f" {covariates}, as a curve with its interval, and names a risk category that ECOG alone"
        f" decides. {facts.model_type}; {facts.size}."
    )


def _uses(facts: Facts) -> Uses:
    send = (
        "Send ECOG; this model uses nothing else."
        if facts.is_ecog_alone
        else "Send ECOG and whatever else is known; leave unknown values out, never guess them."
    )
    return Uses(
        intended_use=(
            "An estimate of overall survival, with its uncertainty, for an adult with acute"
            " leukaemia who relapsed after a first allogeneic stem-cell transplant and for whom a"
            " second one is discussed. It informs the conversation between physician and patient;"
            " it does not decide whether to transplant."
        ),
        workflow=(
            "Asked while HSCT2 is planned, once performance status and the recent laboratory values"
            " are known. The answer is read beside the chart, by somebody who knows the patient,"
            " and asked again when the values change."
        ),
        users=[
            "transplant physicians and haematologists who advise the patient",
            "programs that put the answer before those physicians, with its notice and interval",
            "statisticians who judge the model or validate it on their own cohort",
        ],
        how_to_use=(
            f"{send} Read survival at a horizon together with its limits, the warnings and the"
            " category's observed survival. A wide interval means that little is known, not that"
            " the risk is moderate."
        ),
        target_population=(
            "Adults with acute myeloid or lymphoblastic leukaemia in relapse after a first"
            " allogeneic transplant, ECOG 0 to 4, considered for a second allogeneic transplant."
        ),
        out_of_scope=[
            "other diseases, first transplants, autologous transplants, donor lymphocyte infusions",
            "children: the cohort does not speak for them",
            "choosing between treatments, donors or doses: an association is not an effect",
            "refusing a transplant by rule, allocating resources, or comparing centres",
            "relapse, graft-versus-host disease or cause of death: all deaths count alike",
            "patients after HSCT2 who have already survived some months: the clock starts at HSCT2",
        ],
    )


def _cohort(facts: Facts) -> Iterator[str]:
    cohort = facts.cohort
    if facts.synthetic:
        yield (
            "Synthetic: no row is a patient. The rows were generated, and what is learned from"
            " them says nothing about real patients."
        )
    else:
        yield "Declared by its owner to be real patients; the project has not seen their records."
    end = cohort.end_of_follow_up or "not declared"
    yield f"{facts.size[0].upper()}{facts.size[1:]}. End of follow-up: {end}."
    yield from facts.outcomes
    yield facts.missing


def _performance(facts: Facts) -> CardPerformance:
    validation = facts.analysis.validation
    return CardPerformance(
        statement=facts.validity,
        circular=facts.synthetic,
        resamples=None if validation is None else validation.resamples,
        failed_resamples=None if validation is None else validation.failed,
        measures=facts.measures,
        external=facts.manifest.validations,
    )


def _risk_categories(model: PrognosticModel) -> list[RiskCategory]:
    return [
        RiskCategory(
            category=band.name,
            lowest_ecog=band.lowest,
            highest_ecog=band.highest,
            observed=observed_in(model, band, DEFAULT_HORIZONS_MONTHS, CONFIDENCE_LEVEL),
        )
        for band in model.risk_bands.bands
    ]


def _ecog_grades(model: PrognosticModel) -> list[EcogGrade]:
    bands = model.risk_bands
    return [
        EcogGrade(
            ecog=grade,
            patients=patients,
            deaths=deaths,
            extrapolated=bands.is_extrapolated(grade),
        )
        for grade, (patients, deaths) in enumerate(
            zip(bands.patients_by_grade, bands.deaths_by_grade, strict=True)
        )
    ]


def _ecog_explanation(facts: Facts) -> Iterator[str]:
    if any(effect.source.startswith("published") for effect in facts.manifest.ecog_effects):
        yield (
            "The published ratio comes from patients whose data the project does not hold. The"
            " synthetic cohort was made so that the same analysis gives the same ratio: that the"
            " two agree is by construction and confirms nothing."
        )
    if facts.is_ecog_alone:
        yield (
            "The served ratio is that of a model with ECOG alone. It is not adjusted: what goes"
            " along with a worse performance status is part of it, and leaving out covariates that"
            " matter pulls a Cox hazard ratio towards 1."
        )
    elif facts.penalty > 0:
        yield (
            "An unpenalised model has more coefficients than its deaths support and predicts new"
            " patients worse. The served model shrinks every effect but that of ECOG, so less of"
            " ECOG's association is taken over by the other covariates, and the ratio moves."
        )
    else:
        yield "The served model is not penalised: its ratio is adjusted for all its covariates."
    shape = facts.analysis.ecog_shape
    if shape is not None:
        yield f"Per point, banded or monotone: {shape.conclusion}"


def _limits(facts: Facts, example: WorkedExample) -> Iterator[str]:
    yield (
        f"Nothing is predicted beyond {facts.model.cox.last_months:g} months, the last time with at"
        " least 5 patients at risk."
    )
    yield (
        f"Wide intervals: {facts.size}. In the worked example survival at"
        f" {example.horizon_months:g} months is {_percent(example.survival)} and its 95 % interval"
        f" {_percent(example.lower)} to {_percent(example.upper)}."
    )
    yield from _limits_of_design(facts)
    yield (
        "Not causal: a hazard ratio says who dies earlier in this cohort, not what would happen if"
        " the covariate were changed."
    )
    yield (
        "The interval speaks of the coefficients, the baseline and the unknown values of this"
        " model; it does not speak of a model that is wrong, nor of another centre's patients."
    )
    yield from _limits_of_hazards(facts)
    if facts.synthetic:
        yield facts.validity


def _limits_of_design(facts: Facts) -> Iterator[str]:
    if facts.measured_late:
        yield (
            f"Immortal-time bias: {'; '.join(facts.measured_late)}: these may be known only after"
            " follow-up began, of patients who lived to have them measured or given."
        )
    yield (
        "Time origin: the clock starts at HSCT2. A prediction asked for while it is planned is"
        " for a patient who reaches it in the state described; those who die or worsen while"
        " waiting are not in the cohort."
    )
    if facts.is_ecog_alone:
        yield (
            "The interval is that of the average patient with this ECOG grade, not of one patient:"
            " in simulations with 72 patients the 95 % interval held the patient's own survival at"
            " 12 months in 95 % of cases where ECOG was all that mattered, and in 61 % and 37 %"
            " where the other covariates had weak and moderate effects."
        )
        return
    if facts.penalty > 0:
        yield (
            "A ridge penalty biases all effects but that of ECOG towards none: patients who are"
            " extreme in them are predicted too close to the average."
        )
    yield (
        "Unknown values are expected from the known ones by a normal distribution of the"
        " transformed covariates, which is only roughly right; ECOG is never imputed."
    )


def _limits_of_hazards(facts: Facts) -> Iterator[str]:
    text = (
        "One set of coefficients serves all times (proportional hazards), and each transformed"
        " covariate acts linearly on the log hazard."
    )
    assumptions = facts.analysis.assumptions
    tests = assumptions.proportional_hazards if assumptions else []
    of_all = [t for t in tests if t.transform == "km" and t.term.lower() == "global"]
    if of_all:
        text += f" Score test of all terms together: {write_p(of_all[0].p_value)}."
    yield text
    scarce = [g for g in _ecog_grades(facts.model) if g.extrapolated]
    if scarce:
        yield (
            f"ECOG {', '.join(str(g.ecog) for g in scarce)}: fewer than 5 patients or 3 deaths in"
            " the cohort, so predictions there are extrapolated along the line through the others."
        )


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %"
