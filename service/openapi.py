"""The OpenAPI description: what FastAPI derives, made fit for generated clients."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from model.card import ModelCard
from service.batch.answer import BatchAnswer
from service.cds.requests import FeedbackMessage, OrderSelectCall, PatientViewCall
from service.fhir.elements import OperationOutcome
from service.predictions import PredictionRequest
from service.problems import Problem
from service.version import SERVICE_VERSION

_DESCRIPTION = """\
Survival after a second allogeneic stem-cell transplant (HSCT2) in relapsed acute
leukaemia, for one patient at a time and with its uncertainty.

The shipped models are trained on a synthetic cohort: a demonstration of the method,
not for clinical decisions. Errors are `application/problem+json` (RFC 9457); they
list all field errors at once and never repeat a submitted value. Under `/fhir` and
`/cds-services` they are OperationOutcomes.
"""

_TAGS = [
    {"name": "predictions", "description": "Survival of one patient, or of many."},
    {"name": "fhir", "description": "The same from a chart in FHIR R4, as a RiskAssessment."},
    {"name": "models", "description": "What is served, and what it is worth."},
    {"name": "cds", "description": "Cards for clinicians in the EHR: CDS Hooks 2.0."},
    {"name": "service", "description": "Health and description of the service."},
]


def describe(app: FastAPI) -> None:
    """Give the app its description, made once when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _build(app: FastAPI) -> dict[str, Any]:
    described = get_openapi(
        title=app.title,
        version=SERVICE_VERSION,
        summary="Prognosis after a second stem-cell transplant, with its uncertainty",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=_TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/", "description": "the service that hands out this file"}],
    )
    # Bodies that the routes read themselves, and the body of every error.
    _, extra = models_json_schema(
        [
            (PredictionRequest, "validation"),
            (Problem, "serialization"),
            (ModelCard, "serialization"),
            (PatientViewCall, "validation"),
            (OrderSelectCall, "validation"),
            (FeedbackMessage, "validation"),
            (BatchAnswer, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas = described["components"]["schemas"]
    schemas |= extra["$defs"]
    schemas |= _of_fhir()
    schemas["Patient"] = schemas.pop(PredictionRequest.__name__)
    _rename(described, PredictionRequest.__name__, "Patient")
    for operation in (o for path in described["paths"].values() for o in path.values()):
        for parameter in operation.get("parameters", ()):
            _never_null(parameter["schema"])
    for request in ("Patient", "PatientViewCall", "OrderSelectCall"):
        schemas |= _named_options(schemas[request])
    for schema in schemas.values():
        _any_value(schema)
        _listed_null(schema)
    _say_double(described)
    described["components"]["schemas"] = dict(sorted(schemas.items()))
    return described


def _of_fhir() -> dict[str, Any]:
    """Return schemas for what FHIR defines: a resource is described there, errors here too."""
    outcome = TypeAdapter(OperationOutcome).json_schema(ref_template="#/components/schemas/{model}")
    named: dict[str, Any] = outcome.pop("$defs")
    resource = {
        "title": "Resource",
        "description": "A resource of FHIR R4, http://hl7.org/fhir/R4.",
        "type": "object",
        "properties": {"resourceType": {"type": "string", "title": "Resourcetype"}},
        "required": ["resourceType"],
        "additionalProperties": True,
    }
    return {**named, "OperationOutcome": outcome, "Resource": resource}


def _rename(node: Any, old: str, new: str) -> None:
    """Let every reference to a schema lead to its new name."""
    if isinstance(node, dict):
        if node.get("$ref") == f"#/components/schemas/{old}":
            node["$ref"] = f"#/components/schemas/{new}"
        for value in node.values():
            _rename(value, old, new)
    elif isinstance(node, list):
        for value in node:
            _rename(value, old, new)


def _any_value(schema: dict[str, Any]) -> None:
    """Let a field that is a number, a word or a boolean be any value.

    Of an `anyOf` of these Java's clients read 2 as true, and R's cannot read anything.
    """
    for field in schema.get("properties", {}).values():
        kinds = {option.get("type") for option in field.get("anyOf", ())} - {"null"}
        if len(kinds) > 1 and kinds <= {"number", "integer", "boolean", "string"}:
            del field["anyOf"]
            said = "a number, a word or a boolean, as the covariate's values are"
            field["description"] = "; ".join(filter(None, [said, field.get("description")]))


def _listed_null(schema: dict[str, Any]) -> None:
    """Describe further values as `type: [number, "null"]`: clients name no type of that."""
    further = schema.get("additionalProperties")
    if isinstance(further, dict) and {"type": "null"} in further.get("anyOf", ()):
        further["type"] = [option["type"] for option in further.pop("anyOf")]


def _say_double(node: Any) -> None:
    """Give every number its format: without one, Java's clients get decimals of any size."""
    if isinstance(node, dict):
        if node.get("type") in ("number", ["number", "null"]):
            node["format"] = "double"
        for value in node.values():
            _say_double(value)
    elif isinstance(node, list):
        for value in node:
            _say_double(value)


def _never_null(schema: dict[str, Any]) -> None:
    """Describe a parameter as what it is when sent; it can be absent, but not null."""
    if {"type": "null"} in schema.get("anyOf", ()):
        (value,) = (option for option in schema.pop("anyOf") if option != {"type": "null"})
        schema |= value


def _named_options(schema: dict[str, Any]) -> dict[str, Any]:
    """Take choices and objects out of a schema's optional fields, so that clients name them."""
    named: dict[str, Any] = {}
    for field in schema["properties"].values():
        for position, option in enumerate(field.get("anyOf", ())):
            if "enum" in option or "additionalProperties" in option:
                named[field["title"]] = {"title": field["title"], **option}
                ref = {"$ref": f"#/components/schemas/{field['title']}"}
                field["anyOf"][position] = ref
    return named
