"""``/fhir``: the operation `$hsct2-risk`, and the definitions that it rests on."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from starlette.background import BackgroundTask

from service import body
from service.access import CallerDependency
from service.chart import units
from service.fhir import batch
from service.fhir.code_systems import code_systems
from service.fhir.conformance import OPERATION, capability_statement
from service.fhir.definitions import Definition
from service.fhir.elements import MEDIA_TYPE
from service.fhir.negotiation import ACCEPTED, answered_as, check_version
from service.fhir.operation import assess, question_of
from service.fhir.structures import STRUCTURES
from service.limits import LIMITED
from service.predictions import PredictionQuery
from service.predictor import Asked
from service.problems import (
    AUDIT_UNAVAILABLE,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    FORBIDDEN,
    INVALID_CHART,
    INVALID_JSON,
    INVALID_REQUEST,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    OVERLOADED,
    UNAUTHENTICATED,
    UNKNOWN_MODEL,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemError,
    documented,
)

router = APIRouter(tags=["fhir"])

_RESOURCE = {"schema": {"$ref": "#/components/schemas/Resource"}}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": dict.fromkeys(ACCEPTED, _RESOURCE)},
}
_OPEN: dict[str, list[str]] = {"security": []}

DefinitionId = Annotated[
    str, Path(max_length=64, description="`id` of the definition.", examples=["hsct2-risk"])
]


def _parameter(name: str, field: str, *, repeated: bool = False) -> dict[str, Any]:
    """Describe an option of the query as `PredictionQuery` has it."""
    schema = dict(PredictionQuery.model_json_schema()["properties"][field])
    description = schema.pop("description")
    schema.pop("title", None)
    if "anyOf" in schema:
        schema = {**schema.pop("anyOf")[0], **{k: v for k, v in schema.items() if k != "default"}}
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        **({"explode": True} if repeated else {}),
    }


_ASKED: dict[str, Any] = {
    "requestBody": {"required": True, "content": dict.fromkeys(ACCEPTED, _RESOURCE)},
    "parameters": [
        _parameter("model", "model"),
        _parameter("horizonMonths", "horizon_months", repeated=True),
        _parameter("confidenceLevel", "confidence_level"),
    ],
}


@router.post(
    "/fhir/$hsct2-risk",
    operation_id="assess_risk",
    summary="Assess a patient's risk from the chart",
    response_class=Response,
    openapi_extra=_ASKED,
    responses={
        **_ANSWER,
        **documented(
            INVALID_JSON,
            UNAUTHENTICATED,
            FORBIDDEN,
            UNKNOWN_MODEL,
            NOT_ACCEPTABLE,
            BODY_TOO_SLOW,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
            INVALID_CHART,
            AUDIT_UNAVAILABLE,
            *LIMITED,
            as_outcomes=True,
        ),
    },
)
async def assess_risk(request: Request, caller: CallerDependency) -> Response:
    """Read one patient's chart (FHIR R4) and return a RiskAssessment.

    The body is a Bundle of one patient's resources, Parameters that hold them, or one
    resource. A Bundle of type batch holds one patient's chart in each entry, and is
    answered by a batch-response.
    """
    state = request.app.state
    media_type = answered_as(request)
    check_version(request)
    resource, _ = await body.read_object(request, state.settings.max_chart_bytes, body.CHART)
    asked = Asked(caller.id, request.state.request_id, "fhir")
    query = request.query_params.multi_items()
    now = datetime.now(UTC)
    # Reading a large chart takes time; others are served meanwhile.
    if batch.is_batch(resource):
        questions = await asyncio.to_thread(
            batch.questions_of, resource, query, state.registry, now
        )
        answer: Mapping[str, Any] = await batch.answer(questions, state.predictor, asked)
    else:
        question = await asyncio.to_thread(question_of, resource, query, state.registry, now)
        [answer] = await assess([question], state.predictor, asked)
    return _response(answer, media_type)


def _response(resource: Mapping[str, Any], media_type: str = MEDIA_TYPE) -> Response:
    content = json.dumps(resource, ensure_ascii=False, allow_nan=False)
    return Response(content, media_type=media_type, headers={"Vary": "Accept"})


@router.get(
    "/fhir/metadata",
    operation_id="get_capability_statement",
    summary="Read what the FHIR interface offers",
    response_class=Response,
    openapi_extra=_OPEN,
    responses={**_ANSWER, **documented(NOT_ACCEPTABLE, OVERLOADED, as_outcomes=True)},
)
async def get_capability_statement(request: Request) -> Response:
    """Return the CapabilityStatement."""
    media_type = answered_as(request)
    response = _response(capability_statement(request.app.state.settings), media_type)
    response.background = BackgroundTask(units.load)  # whoever asks this will send a chart
    return response


_OF_ONE: dict[int | str, dict[str, Any]] = {
    **_ANSWER,
    **documented(NOT_FOUND, NOT_ACCEPTABLE, INVALID_REQUEST, OVERLOADED, as_outcomes=True),
}


def _definition(request: Request, known: Mapping[str, Definition], name: str) -> Response:
    media_type = answered_as(request)
    if name not in known:
        raise ProblemError(NOT_FOUND, f"There are: {', '.join(known)}.")
    return _response(known[name], media_type)


@router.get(
    "/fhir/OperationDefinition/{definition_id}",
    operation_id="get_operation_definition",
    summary="Read the definition of the operation",
    response_class=Response,
    openapi_extra=_OPEN,
    responses=_OF_ONE,
)
async def get_operation_definition(request: Request, definition_id: DefinitionId) -> Response:
    """Return the OperationDefinition `hsct2-risk`."""
    return _definition(request, {"hsct2-risk": OPERATION}, definition_id)


@router.get(
    "/fhir/StructureDefinition/{definition_id}",
    operation_id="get_structure_definition",
    summary="Read the definition of an extension or profile",
    response_class=Response,
    openapi_extra=_OPEN,
    responses=_OF_ONE,
)
async def get_structure_definition(request: Request, definition_id: DefinitionId) -> Response:
    """Return a StructureDefinition: the profile of our assessments, or one of its extensions."""
    return _definition(request, STRUCTURES, definition_id)


@router.get(
    "/fhir/CodeSystem/{definition_id}",
    operation_id="get_code_system",
    summary="Read a system of our codes",
    response_class=Response,
    openapi_extra=_OPEN,
    responses=_OF_ONE,
)
async def get_code_system(request: Request, definition_id: DefinitionId) -> Response:
    """Return a CodeSystem of ours."""
    return _definition(request, code_systems(request.app.state.registry), definition_id)
