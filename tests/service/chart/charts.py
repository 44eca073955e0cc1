"""Charts as an EHR would send them, piece by piece."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from service.chart import Reading, collect, read_chart
from service.chart.codes import CHART_CODES, ICD_10_CM, LOINC, UCUM

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
YESTERDAY = "2026-11-21T08:00:00Z"
BASE = "https://ehr.example/fhir"

Json = dict[str, Any]


def coded(system: str, *codes: str) -> Json:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def quantity(value: Any, unit: str | None, system: str | None = UCUM) -> Json:
    written: Json = {"value": value}
    if unit is not None:
        written |= {"code": unit, "unit": unit} if system else {"unit": unit}
    return written | ({"system": system} if system else {})


def observation(code: Json | str, when: str | None = YESTERDAY, **elements: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": coded(LOINC, code) if isinstance(code, str) else code,
        "subject": {"reference": "Patient/p1"},
        **({"effectiveDateTime": when} if when else {}),
        **elements,
    }


def measured(code: str, value: Any, unit: str | None, **elements: Any) -> Json:
    return observation(code, valueQuantity=quantity(value, unit), **elements)


def ecog(grade: Any = 1, when: str | None = YESTERDAY, **elements: Any) -> Json:
    return observation("89247-1", when, valueInteger=grade, **elements)


def own(code: str, **elements: Any) -> Json:
    return observation(coded(CHART_CODES, code), **elements)


def patient(**elements: Any) -> Json:
    return {"resourceType": "Patient", "id": "p1", "birthDate": "1968-11-22", **elements}


def condition(code: str = "C92.00", system: str = ICD_10_CM, **elements: Any) -> Json:
    return {
        "resourceType": "Condition",
        "id": "leukaemia",
        "clinicalStatus": status("condition-clinical", elements.pop("clinical", "active")),
        "verificationStatus": status("condition-ver-status", elements.pop("verified", "confirmed")),
        "code": coded(system, code),
        "subject": {"reference": "Patient/p1"},
        **elements,
    }


def status(name: str, code: str) -> Json:
    return coded(f"http://terminology.hl7.org/CodeSystem/{name}", code)


def transplant(code: str = "38240", when: str | None = "2025-03-01", **elements: Any) -> Json:
    return {
        "resourceType": "Procedure",
        "status": "completed",
        "code": coded(elements.pop("system", "http://www.ama-assn.org/go/cpt"), code),
        "subject": {"reference": "Patient/p1"},
        **({"performedDateTime": when} if when else {}),
        **elements,
    }


def order(code: str = "38240", **elements: Any) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": coded(elements.pop("system", "http://www.ama-assn.org/go/cpt"), code),
        "subject": {"reference": "Patient/p1"},
        **elements,
    }


def bundle(*resources: Any, **elements: Any) -> Json:
    entries = [{"fullUrl": _full_url(resource), "resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **elements}


def _full_url(resource: Any) -> str | None:
    if isinstance(resource, Mapping) and "id" in resource:
        return f"{BASE}/{resource['resourceType']}/{resource['id']}"
    return None


def applicable(*resources: Any) -> Json:
    """A Bundle of a patient whom the model is for, with ECOG 1, and of what is given."""
    return bundle(patient(), condition(), transplant(), ecog(), *resources)


def reading(resource: Mapping[str, Any]) -> Reading:
    return read_chart(collect(resource), now=NOW)


def value_of(resource: Mapping[str, Any], covariate: str) -> Any:
    read = reading(resource)
    assert read.patient is not None
    return getattr(read.patient, covariate)


def issues_of(resource: Mapping[str, Any], covariate: str | None) -> set[str]:
    return {found.code for found in reading(resource).issues if found.covariate == covariate}
