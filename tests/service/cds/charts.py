"""Charts of leukaemia patients after a transplant, as a CDS client would send them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from service.cds.services import MEASURED, ORDERS, PARTS
from service.chart.codes import (
    CHART_CODES,
    CLINICAL_STATUS,
    CPT,
    ICD_10_CM,
    LOINC,
    UCUM,
    VERIFICATION_STATUS,
)

PATIENT_ID = "canary-patient-1"
VALUES: Mapping[str, tuple[str, float, str]] = {
    "hemoglobin_g_dl": ("718-7", 89, "g/L"),
    "lymphocytes_10e9_l": ("731-0", 0.8, "10*9/L"),
    "ldh_u_l": ("2532-0", 260, "U/L"),
    "ferritin_ng_ml": ("2276-4", 1150, "ng/mL"),
    "bmi_kg_m2": ("39156-5", 24.5, "kg/m2"),
}
"""Code, value and unit of what is measured, by key of the part."""


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def about(patient: str) -> dict[str, Any]:
    return {"reference": f"Patient/{patient}"}


def patient(patient_id: str = PATIENT_ID, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": patient_id, "birthDate": "1985-03-04", **more}


def leukaemia(patient_id: str = PATIENT_ID, code: str = "C92.02") -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"leukaemia-{uuid4().hex[:8]}",
        "subject": about(patient_id),
        "clinicalStatus": concept(CLINICAL_STATUS, "active"),
        "verificationStatus": concept(VERIFICATION_STATUS, "confirmed"),
        "code": concept(ICD_10_CM, code),
    }


def transplant(patient_id: str = PATIENT_ID, code: str = "38240") -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": f"transplant-{uuid4().hex[:8]}",
        "subject": about(patient_id),
        "status": "completed",
        "code": concept(CPT, code),
        "performedDateTime": days_ago(500),
    }


def order(
    order_id: str = "order-1", code: str = "second-allogeneic-transplant", in_days: int = 30
) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": order_id,
        "status": "draft",
        "intent": "proposal",
        "subject": about(PATIENT_ID),
        "code": concept(CHART_CODES, code),
        "occurrenceDateTime": days_ago(-in_days)[:10],
    }


def observation(
    code: str,
    value: float | None = None,
    unit: str | None = None,
    *,
    patient_id: str = PATIENT_ID,
    days: float = 2,
    **more: Any,
) -> dict[str, Any]:
    quantity = {"value": value} | (
        {"unit": unit, "system": UCUM, "code": unit} if unit is not None else {}
    )
    return {
        "resourceType": "Observation",
        "id": f"o-{uuid4().hex[:12]}",
        "status": "final",
        "code": concept(LOINC, code),
        "subject": about(patient_id),
        "effectiveDateTime": days_ago(days),
        **({} if value is None else {"valueQuantity": quantity}),
        **more,
    }


def ecog(grade: int = 2, **more: Any) -> dict[str, Any]:
    return observation("89247-1", valueInteger=grade, **more)


def measured(patient_id: str = PATIENT_ID, **more: Any) -> dict[str, dict[str, Any]]:
    return {
        key: observation(*values, patient_id=patient_id, **more) for key, values in VALUES.items()
    }


def bundle(*resources: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}


def prefetch(**changes: Any) -> dict[str, Any]:
    """Return the prefetch of a patient to whom the model applies; what is not there is null."""
    found: dict[str, Any] = dict.fromkeys(PARTS)
    found |= {
        "patient": patient(),
        "conditions": bundle(leukaemia()),
        "procedures": bundle(transplant()),
        "ecog": bundle(ecog()),
        **{key: bundle(one) for key, one in measured().items()},
    }
    return found | changes


def patient_view(given: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a call when a chart is opened, with the whole prefetch unless another is given."""
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/canary-user", "patientId": PATIENT_ID},
        "prefetch": prefetch() if given is None else given,
        **changes,
    }


def order_select(
    drafts: Sequence[Mapping[str, Any]],
    selections: Sequence[str],
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a call when orders are selected."""
    found = prefetch() if given is None else given
    return {
        "hook": "order-select",
        "hookInstance": str(uuid4()),
        "context": {
            "userId": "Practitioner/canary-user",
            "patientId": PATIENT_ID,
            "selections": list(selections),
            "draftOrders": bundle(*drafts),
        },
        "prefetch": {key: value for key, value in found.items() if key != ORDERS},
    }


def without_measures(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a prefetch of which only what shows whether the model applies is left."""
    return {key: value for key, value in given.items() if key not in MEASURED}
