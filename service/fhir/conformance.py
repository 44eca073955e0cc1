"""What the service can do, as FHIR says it: CapabilityStatement and OperationDefinition."""

from typing import Any

from pydantic import JsonValue

from service.fhir import systems
from service.fhir.definitions import PUBLISHED, Definition, head
from service.fhir.elements import MEDIA_TYPE
from service.settings import Settings
from service.version import SERVICE_VERSION


def _parameter(name: str, use: str, least: int, most: str, kind: str, text: str) -> JsonValue:
    return {
        "name": name,
        "use": use,
        "min": least,
        "max": most,
        "documentation": text,
        "type": kind,
    }


OPERATION: Definition = {
    **head(
        "OperationDefinition",
        "hsct2-risk",
        "Assess the risk of death after a second stem-cell transplant",
        "Reads one patient's chart and answers the risk of death within each horizon, with its"
        " interval, the risk category and what it rests on. A chart of a patient to whom the model"
        " does not apply, or whose ECOG performance status is not known, is refused with an"
        " OperationOutcome. A Bundle of type batch holds the chart of one patient in each entry"
        " and is answered by a batch-response, entry by entry. Beside a single resource the"
        " other parameters can stand in the query of the address.",
    ),
    "kind": "operation",
    "affectsState": False,
    "code": "hsct2-risk",
    "system": True,
    "type": False,
    "instance": False,
    "parameter": [
        _parameter(
            "resource",
            "in",
            1,
            "*",
            "Resource",
            "The chart: a Bundle of one patient's resources, or these resources themselves. Sent"
            " alone, it needs no Parameters around it.",
        ),
        _parameter("model", "in", 0, "1", "string", "id or id@version; default the service's."),
        _parameter(
            "horizonMonths",
            "in",
            0,
            "50",
            "decimal",
            "Time within which the risk is wanted, months; default 6, 12 and 24. Whole months are"
            " calendar months; a part of a month is that part of 365.25/12 days, to the nearest"
            " day.",
        ),
        _parameter(
            "confidenceLevel",
            "in",
            0,
            "1",
            "decimal",
            "Confidence level of all intervals, 0.5 to 0.999; default 0.95.",
        ),
        _parameter(
            "return",
            "out",
            1,
            "1",
            "RiskAssessment",
            f"The assessment, of profile {systems.ASSESSMENT_PROFILE}. A Bundle of type batch is"
            " answered by a Bundle of these.",
        ),
    ],
}


def capability_statement(settings: Settings) -> Definition:
    """Return what this installation offers to FHIR callers."""
    implementation: dict[str, JsonValue] = {
        "description": "Survival after a second allogeneic stem-cell transplant, one patient at a"
        " time and with its uncertainty"
    }
    if settings.public_url:
        implementation["url"] = f"{settings.public_url}/fhir"
    reads: list[JsonValue] = [
        {"type": kind, "interaction": [{"code": "read"}]}
        for kind in ("CodeSystem", "OperationDefinition", "StructureDefinition")
    ]
    return {
        "resourceType": "CapabilityStatement",
        "id": "hsct2-risk",
        "name": "Hsct2Risk",
        "title": "hsct2-risk",
        "status": "active",
        "date": PUBLISHED,
        "publisher": "hsct2-risk",
        "kind": "instance",
        "software": {"name": "hsct2-risk", "version": SERVICE_VERSION},
        "implementation": implementation,
        "fhirVersion": "4.0.1",
        "format": ["json", MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                "security": _security(settings),
                "resource": reads,
                "operation": [{"name": "hsct2-risk", "definition": systems.OPERATION}],
            }
        ],
    }


def _security(settings: Settings) -> dict[str, Any]:
    """Return how a caller of the operation is known; the definitions are open to all."""
    security: dict[str, Any] = {"cors": bool(settings.cors_origins)}
    if settings.auth == "jwt":
        system = "http://terminology.hl7.org/CodeSystem/restful-security-service"
        security["service"] = [{"coding": [{"system": system, "code": "SMART-on-FHIR"}]}]
    how = {
        "none": "Only this machine is answered; nobody is asked who they are.",
        "api-key": "Send a key that has scope predict as X-API-Key.",
        "jwt": "Send a token as Authorization: Bearer, with scope system/RiskAssessment.c"
        " (SMART Backend Services), system/RiskAssessment.write (SMART 1) or predict.",
    }
    security["description"] = how[settings.auth]
    return security
