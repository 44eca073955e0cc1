"""``POST /v1/predictions``."""

import re
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AfterValidator, ValidationError
from pydantic_core import PydanticCustomError
from starlette.types import Scope

from service.access import Caller, CallerDependency
from service.audit.errors import DuplicateRecordError
from service.audit.records import Idempotency
from service.audit.store import Store
from service.body import parse_object, read_json
from service.idempotency import HEADER, REPLAYED_HEADER, Answers, first_request
from service.keys import Scope as KeyScope
from service.limits import LIMITED
from service.predictions import Prediction, PredictionQuery, PredictionRequest
from service.predictor import Asked, Predictor
from service.problems import (
    AUDIT_UNAVAILABLE,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    FORBIDDEN,
    IDEMPOTENCY_KEY_REUSED,
    INVALID_JSON,
    INVALID_PATIENT,
    INVALID_REQUEST,
    UNAUTHENTICATED,
    UNKNOWN_MODEL,
    UNKNOWN_PREDICTION,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemError,
    documented,
    invalid_patient,
)
from service.routes.models import resolve
from service.stored import StoredAnswer, stored_answer

PATH = "/v1/predictions"
router = APIRouter(tags=["predictions"])

_UUID_LENGTH = 36
_SUFFIX = re.compile(r"(-([1-9][0-9]{0,11}|end))?", re.ASCII)
_DESCRIBED_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-([1-9][0-9]{0,11}|end))?$"
_KNOWN = list(PredictionRequest.model_fields)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Patient"}}},
    }
}


@router.post(
    PATH,
    operation_id="predict_survival",
    summary="Predict the survival of one patient",
    response_model=Prediction,
    openapi_extra=_BODY,
    responses=documented(
        INVALID_JSON,
        UNAUTHENTICATED,
        FORBIDDEN,
        UNKNOWN_MODEL,
        BODY_TOO_SLOW,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INVALID_PATIENT,
        INVALID_REQUEST,
        IDEMPOTENCY_KEY_REUSED,
        AUDIT_UNAVAILABLE,
        *LIMITED,
    ),
)
async def predict_survival(
    request: Request,
    caller: CallerDependency,
    query: Annotated[PredictionQuery, Query()],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=200,
            description="A retry with the same key gets the first answer.",
        ),
    ] = None,
) -> Response:
    """Return predicted survival with its interval, the risk category and what drives it.

    Only `ecog` is required. A covariate that is not sent is unknown: it is expected
    from the known ones, listed in `imputed`, and widens the interval.
    """
    content = await read_json(request, request.app.state.settings.max_body_bytes)
    return response_of(await reply(request.scope, content, caller, query, idempotency_key))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call is answered: the JSON of a prediction, made now or before."""

    body: str
    is_replayed: bool = False


async def reply(
    scope: Scope,
    content: bytes,
    caller: Caller,
    query: PredictionQuery,
    idempotency_key: str | None,
) -> Reply:
    """Predict for the patient in a body, for a caller who was admitted."""
    state = scope["app"].state
    patient = PredictionRequest.of_json(content)
    submitted = parse_object(content) if patient is None else {}
    asked = first_request(caller.id, idempotency_key, scope["query_string"] + b"\n" + content)
    answers: Answers = state.answers
    first = await answers.find(asked) if asked else None
    if first is not None:
        return Reply(first, is_replayed=True)
    artifact = resolve(state.registry, query.model)
    try:
        patient = patient or PredictionRequest.model_validate(submitted)
    except ValidationError as error:
        raise invalid_patient(error, _KNOWN, list(submitted)) from None
    predictor: Predictor = state.predictor
    key = Idempotency(asked.key, asked.digest) if asked else None
    request_id = scope["state"]["request_id"]
    try:
        answered = await predictor.predict(
            artifact, patient, query, Asked(caller.id, request_id, "v1", key)
        )
    except DuplicateRecordError:
        # A retry overtook its first request: both get the answer that was stored.
        first = await answers.find(asked)
        if first is None:
            raise
        return Reply(first, is_replayed=True)
    answers.hold(asked, answered.body)
    return Reply(answered.body)


def response_of(made: Reply) -> Response:
    """Return what is sent of a reply."""
    headers = {REPLAYED_HEADER: "true"} if made.is_replayed else None
    return Response(made.body, headers=headers, media_type="application/json")


def _stored_id(text: str) -> str:
    """Return an id as it is stored: a UUID, in a batch with `-` and the row or `end` after it."""
    batch_id, suffix = text[:_UUID_LENGTH], text[_UUID_LENGTH:]
    try:
        prediction_id = UUID(batch_id)
    except ValueError:
        prediction_id = None
    if prediction_id is None or not _SUFFIX.fullmatch(suffix):
        raise PydanticCustomError("uuid_parsing", "Input should be the id of an answer")
    return f"{prediction_id}{suffix}"


StoredId = Annotated[
    str,
    AfterValidator(_stored_id),
    Path(
        description="`prediction_id` of the answer; of a batch, its id or that of a row.",
        json_schema_extra={"pattern": _DESCRIBED_ID},
    ),
]


@router.get(
    "/v1/predictions/{prediction_id}",
    operation_id="get_prediction",
    summary="Read what was asked and answered",
    responses=documented(
        UNAUTHENTICATED,
        FORBIDDEN,
        UNKNOWN_PREDICTION,
        INVALID_REQUEST,
        AUDIT_UNAVAILABLE,
        *LIMITED,
    ),
)
async def get_prediction(
    request: Request,
    caller: CallerDependency,
    prediction_id: StoredId,
) -> StoredAnswer:
    """Return a stored prediction to the caller who asked for it, or to scope `audit`."""
    store: Store | None = request.app.state.store
    if store is None:
        raise ProblemError(UNKNOWN_PREDICTION, "This service stores no predictions.")
    stored = await store.get(prediction_id)
    may_read = stored is not None and (
        stored.caller == caller.id or KeyScope.AUDIT in caller.scopes
    )
    if stored is None or not may_read:
        raise ProblemError(UNKNOWN_PREDICTION, "There is none of this id for this caller.")
    return stored_answer(stored)
