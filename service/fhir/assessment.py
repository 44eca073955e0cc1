"""`RiskAssessment`: a prediction as FHIR R4 has it.

FHIR speaks of the risk of an outcome: death, in percent. So 100(1 - S) is the
probability, and the limits of survival change places.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from model.answer import Horizon
from service.chart.reading import Reading, Severity, Source
from service.fhir import extensions, systems, words
from service.fhir.elements import (
    CodeableConcept,
    Coding,
    Device,
    Extension,
    Reference,
    RiskAssessment,
    RiskPrediction,
)
from service.fhir.narrative import narrative
from service.fhir.periods import period
from service.fhir.references import followable, subject_of, type_of
from service.predictions import Prediction

SYNTHETIC_TAG: Coding = {
    "system": systems.TAG_SYSTEM,
    "code": "synthetic-model",
    "display": "Predicted by a model of synthetic data, not for clinical decisions",
}
ASSESSED: Coding = {
    "system": systems.ASSESSMENT_SYSTEM,
    "code": "mortality-after-hsct2",
    "display": "Mortality after a second allogeneic stem-cell transplant",
}
DEATH: Coding = {"system": systems.SNOMED_CT, "code": "419620001", "display": "Death"}

_ABSENT: Extension = {
    "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    "valueCode": "unknown",
}
_DEVICE = "hsct2-risk"


def risk_assessment(prediction: Prediction, reading: Reading) -> RiskAssessment:
    """Return the assessment of a patient whose chart was read."""
    issues = [issue for issue in reading.issues if issue.severity is not Severity.ERROR]
    remarks = list(words.remarks(prediction, issues))
    start = (reading.planned_at or prediction.created_at).date()
    model = f"{prediction.model.id}@{prediction.model.version}"
    assessment: RiskAssessment = {
        "resourceType": "RiskAssessment",
        "meta": {"profile": [systems.ASSESSMENT_PROFILE]},
        "language": "en",
        "text": narrative(prediction, reading.sources, remarks),
        "contained": [_device(prediction)],
        "identifier": [{"system": systems.URI, "value": f"urn:uuid:{prediction.prediction_id}"}],
        "status": "final",
        "method": {
            "coding": [{"system": systems.MODEL_SYSTEM, "code": model}],
            "text": f"Cox proportional hazards model {model}",
        },
        "code": {"coding": [ASSESSED], "text": ASSESSED["display"]},
        "subject": subject_of(reading.subject),
        "occurrenceDateTime": prediction.created_at.isoformat(timespec="milliseconds"),
        "performer": {"reference": f"#{_DEVICE}"},
        "prediction": [_risk(h, prediction, start) for h in prediction.survival.horizons],
        "note": [{"text": text} for text in remarks],
    }
    if prediction.model.synthetic:
        assessment["meta"]["tag"] = [SYNTHETIC_TAG]
    if reading.sources:
        assessment["basis"] = list(_basis(reading.sources))
    if condition := _condition(reading.sources):
        assessment["condition"] = condition
    warned = [issue for issue in issues if issue.severity is Severity.WARNING]
    if further := extensions.of_assessment(prediction, warned):
        assessment["extension"] = further
    return assessment


def _risk(horizon: Horizon, prediction: Prediction, start: date) -> RiskPrediction:
    level = prediction.survival.confidence_level
    category: CodeableConcept = {
        "coding": [{"system": systems.CATEGORY_SYSTEM, "code": prediction.risk.category}],
        "text": words.category(prediction.risk),
    }
    risk: RiskPrediction = {
        "outcome": {"coding": [DEATH], "text": "Death from any cause"},
        "qualitativeRisk": category,
        "whenPeriod": period(start, horizon.months),
        "rationale": words.rationale(horizon, level),
    }
    if horizon.probability is None:
        # Invariant ras-2 of R4, as FHIRPath has it, refuses a prediction without a probability.
        risk["probabilityRange"] = {"extension": [_ABSENT]}
    else:
        risk["probabilityDecimal"] = words.percent(1 - horizon.probability)
        if limits := extensions.interval(horizon, level):
            risk["extension"] = [limits]
    return risk


def _device(prediction: Prediction) -> Device:
    return {
        "resourceType": "Device",
        "id": _DEVICE,
        "status": "active",
        "deviceName": [{"name": "hsct2-risk", "type": "model-name"}],
        "version": [{"value": prediction.service_version}],
    }


def _basis(sources: Sequence[Source]) -> Iterator[Reference]:
    """Return each resource once, with every value that it gave; other values in words only."""
    by_reference: dict[str, list[str]] = {}
    for source in sources:
        reference = followable(source.reference)
        if reference is None:
            yield {"display": words.source(source)}
        else:
            by_reference.setdefault(reference, []).append(words.source(source))
    for reference, values in by_reference.items():
        yield {"reference": reference, "display": "; ".join(values)}


def _condition(sources: Sequence[Source]) -> Reference | None:
    """Return the leukaemia that the assessment is for, where the chart has it as a Condition."""
    for source in sources:
        reference = followable(source.reference)
        if source.covariate == "disease" and reference and type_of(reference) == "Condition":
            return {"reference": reference}
    return None
