"""Charts of one patient, as an EHR sends them: what tests vary is a parameter."""

import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

LOINC = "http://loinc.org"
OWN = "https://hsct2-risk.example/fhir/CodeSystem/hsct2-risk-chart"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"
STATUS = "http://terminology.hl7.org/CodeSystem/condition-"
UCUM = "http://unitsofmeasure.org"

Resource = dict[str, Any]


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def patient(patient_id: str = "p1", **elements: Any) -> Resource:
    return {"resourceType": "Patient", "id": patient_id, "birthDate": "1985-03-17", **elements}


def observation(
    name: str, code: str, patient_id: str = "p1", system: str = LOINC, days: int = 2, **value: Any
) -> Resource:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": concept(system, code),
        "subject": {"reference": f"Patient/{patient_id}"},
        "effectiveDateTime": days_ago(days),
        **value,
    }


def quantity(number: float, unit: str) -> Resource:
    return {"valueQuantity": {"value": number, "unit": unit, "system": UCUM, "code": unit}}


def ecog(grade: int, patient_id: str = "p1", **elements: Any) -> Resource:
    return observation("ecog", "89247-1", patient_id, valueInteger=grade, **elements)


def leukaemia(patient_id: str = "p1", code: str = "C92.02") -> Resource:
    return {
        "resourceType": "Condition",
        "id": "leukaemia",
        "clinicalStatus": concept(f"{STATUS}clinical", "active"),
        "verificationStatus": concept(f"{STATUS}ver-status", "confirmed"),
        "code": concept(ICD_10_CM, code),
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def transplant(patient_id: str = "p1", code: str = "38240") -> Resource:
    return {
        "resourceType": "Procedure",
        "id": "transplant",
        "status": "completed",
        "code": concept(CPT, code),
        "subject": {"reference": f"Patient/{patient_id}"},
        "performedDateTime": days_ago(500),
    }


def order(planned: date, patient_id: str = "p1") -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": "order",
        "status": "active",
        "intent": "order",
        "code": concept(OWN, "second-allogeneic-transplant"),
        "subject": {"reference": f"Patient/{patient_id}"},
        "occurrenceDateTime": planned.isoformat(),
    }


def measured(patient_id: str = "p1") -> list[Resource]:
    """Return an Observation of each covariate that is measured."""
    return [
        observation("bmi", "39156-5", patient_id, **quantity(24.5, "kg/m2")),
        observation("hb", "718-7", patient_id, **quantity(91, "g/L")),
        observation("lymphocytes", "731-0", patient_id, **quantity(0.8, "10*9/L")),
        observation("ldh", "14804-9", patient_id, **quantity(260, "U/L")),
        observation("ferritin", "2276-4", patient_id, **quantity(1150, "ng/mL")),
        observation("chimerism", "donor-chimerism", patient_id, OWN, **quantity(81.5, "%")),
    ]


def of_one(patient_id: str = "p1", grade: int = 1) -> list[Resource]:
    """Return the resources of a patient to whom the model applies."""
    return [
        patient(patient_id),
        ecog(grade, patient_id),
        leukaemia(patient_id),
        transplant(patient_id),
    ]


def bundle(*resources: Resource, base: str | None = None) -> Resource:
    """Return a Bundle; with the `base` of a server, every entry has its absolute address."""
    entries = []
    for resource in copy.deepcopy(resources):
        entry: Resource = {"resource": resource}
        if base is not None:
            entry = {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", **entry}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def parameters(chart: Resource, *options: Resource) -> Resource:
    """Return Parameters with a chart and options."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": chart}, *options],
    }


def batch(*charts: Resource, url: str = "$hsct2-risk") -> Resource:
    """Return a batch with one chart an entry."""
    request = {"method": "POST", "url": url}
    entries = [{"resource": chart, "request": request} for chart in charts]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}
