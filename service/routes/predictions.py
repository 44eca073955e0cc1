"""``POST /v1/predictions``."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import ValidationError
from uuid_utils import uuid7

from service.access import CallerDependency
from service.body import read_object
from service.idempotency import HEADER, REPLAYED_HEADER, Answers
from service.predictions import Prediction, PredictionQuery, PredictionRequest, answer
from service.problems import (
    BODY_TOO_LARGE,
    FORBIDDEN,
    IDEMPOTENCY_KEY_REUSED,
    INVALID_JSON,
    INVALID_PATIENT,
    INVALID_REQUEST,
    UNAUTHENTICATED,
    UNKNOWN_MODEL,
    UNSUPPORTED_MEDIA_TYPE,
    documented,
    invalid_patient,
)
from service.routes.models import resolve
from service.version import SERVICE_VERSION

router = APIRouter(tags=["predictions"])

_KNOWN = list(PredictionRequest.model_fields)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Patient"}}},
    }
}


@router.post(
    "/v1/predictions",
    operation_id="predict_survival",
    summary="Predict the survival of one patient",
    response_model=Prediction,
    openapi_extra=_BODY,
    responses=documented(
        INVALID_JSON,
        UNAUTHENTICATED,
        FORBIDDEN,
        UNKNOWN_MODEL,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INVALID_PATIENT,
        INVALID_REQUEST,
        IDEMPOTENCY_KEY_REUSED,
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
    answers: Answers = request.app.state.answers
    submitted, content = await read_object(request, request.app.state.settings.max_body_bytes)
    asked = request.scope["query_string"] + b"\n" + content
    first = answers.first(caller.id, idempotency_key, asked)
    if first is not None:
        return Response(first, headers={REPLAYED_HEADER: "true"}, media_type="application/json")
    artifact = resolve(request, query.model)
    try:
        patient = PredictionRequest.model_validate(submitted)
    except ValidationError as error:
        raise invalid_patient(error, _KNOWN, list(submitted)) from None
    prediction = answer(
        artifact,
        patient,
        query,
        prediction_id=UUID(int=uuid7().int),
        created_at=datetime.now(UTC),
        service_version=SERVICE_VERSION,
    )
    body = prediction.model_dump_json().encode()
    answers.keep(caller.id, idempotency_key, asked, body)
    return Response(body, media_type="application/json")
