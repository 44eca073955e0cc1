"""``POST /v1/predictions/batch``."""

import importlib
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send
from uuid_utils import uuid7

from service.access import CallerDependency
from service.batch.forms import Form, form_accepted, form_of
from service.batch.inbox import Inbox
from service.batch.query import BatchQuery
from service.batch.run import BatchAsked
from service.batch.stream import BatchStream, Reader
from service.batch.writing import AnswerWriter, CsvWriter, JsonWriter, NdjsonWriter
from service.limits import LIMITED
from service.predictor import Predictor
from service.problems import (
    AUDIT_UNAVAILABLE,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    FORBIDDEN,
    INVALID_COLUMNS,
    INVALID_REQUEST,
    NOT_ACCEPTABLE,
    OVERLOADED,
    UNAUTHENTICATED,
    UNKNOWN_MODEL,
    UNREADABLE_BATCH,
    UNSUPPORTED_BATCH_TYPE,
    ProblemError,
    documented,
)
from service.routes.concrete import ConcreteRoute
from service.routes.models import resolve
from service.settings import Settings

router = APIRouter(tags=["predictions"], route_class=ConcreteRoute)

_BINARY = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_TEXT = {"schema": {"type": "string"}}
_PATIENTS = {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Patient"}}}
_PATIENT = {"schema": {"$ref": "#/components/schemas/Patient"}}
_ROW = {"$ref": "#/components/schemas/BatchRow"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Patients: a JSON array, one JSON object a line, CSV with a header, an"
        " Arrow stream without compression, or a Parquet file. Columns are the fields of"
        " `Patient`; those that are absent are unknown. In Arrow and Parquet null and NaN are"
        " unknown; in CSV an empty cell is.",
        "content": {
            Form.JSON: _PATIENTS,
            Form.NDJSON: _PATIENT,
            Form.CSV: _TEXT,
            Form.ARROW: _BINARY,
            Form.PARQUET: _BINARY,
        },
    }
}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A narrow row for each patient, in their order, and a summary at the end,"
        " in the form that was sent or that `Accept` asks for. An answer without the summary was"
        " cut off; one whose summary is not `complete` ends early, for the reason that it gives."
        " In NDJSON the last line is an object whose one key is `summary`."
        " In tables (CSV, Arrow, Parquet) `row` is null in the last record and `summary` holds"
        " the summary as JSON; `error` holds JSON too.",
        "content": {
            Form.JSON: {"schema": {"$ref": "#/components/schemas/BatchAnswer"}},
            Form.NDJSON: {"schema": _ROW},
            Form.CSV: _TEXT,
            Form.ARROW: _BINARY,
            Form.PARQUET: _BINARY,
        },
    }
}


class _Answer(Response):
    """The head of an answer, after which the stream sends the rest."""

    def __init__(self, stream: BatchStream, form: Form, places: Any) -> None:
        super().__init__(media_type=form.value)
        del self.headers["content-length"]
        self._stream = stream
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(head)
            await self._stream(scope, receive, send)
        finally:
            self._places.release()


@router.post(
    "/v1/predictions/batch",
    operation_id="predict_survival_batch",
    summary="Predict the survival of many patients",
    response_class=Response,
    openapi_extra=_BODY,
    responses=_ANSWER
    | documented(
        UNREADABLE_BATCH,
        UNAUTHENTICATED,
        FORBIDDEN,
        UNKNOWN_MODEL,
        NOT_ACCEPTABLE,
        BODY_TOO_SLOW,
        BODY_TOO_LARGE,
        UNSUPPORTED_BATCH_TYPE,
        INVALID_COLUMNS,
        INVALID_REQUEST,
        AUDIT_UNAVAILABLE,
        *LIMITED,
    ),
)
async def predict_survival_batch(
    request: Request, caller: CallerDependency, query: Annotated[BatchQuery, Query()]
) -> Response:
    """Return category and survival with its interval for each patient, while they are sent.

    A bad row gets its own error and sinks nothing. The id of a row's prediction is the batch's
    id, a hyphen and the number of the row. A client should read while it sends.
    """
    state = request.app.state
    form = form_of(request.headers.get("content-type", ""))
    if form is None:
        accepted = ", ".join(Form)
        raise ProblemError(UNSUPPORTED_BATCH_TYPE, f"Send patients as one of {accepted}.")
    answered = form_accepted(",".join(request.headers.getlist("accept")), form)
    if answered is None:
        raise ProblemError(NOT_ACCEPTABLE, f"Accept one of {', '.join(Form)}.")
    artifact = resolve(request.app.state.registry, query.model)
    predictor: Predictor = state.predictor
    batch_id = UUID(int=uuid7().int)
    asked = BatchAsked(caller.id, request.state.request_id, form.value)
    batch = predictor.batch(batch_id, artifact, query, asked)
    if state.batches.locked():
        raise ProblemError(
            OVERLOADED,
            "The service answers as many batches at once as it may; try again.",
            headers={"Retry-After": "1"},
        )
    async with _Place(state.batches) as place:
        inbox = Inbox(request.receive, most_bytes(state.settings, form))
        writer = _writer(answered, batch_id, query.horizons_months)
        stream = BatchStream(inbox, _reader(form), batch, writer)
        await stream.begin()
        return place.kept_by(_Answer(stream, answered, state.batches))


def most_bytes(settings: Settings, form: Form) -> int:
    """Return how large a body of a form may be."""
    return {
        Form.JSON: settings.max_json_batch_bytes,
        Form.NDJSON: settings.max_ndjson_batch_bytes,
        Form.CSV: settings.max_csv_batch_bytes,
        Form.ARROW: settings.max_arrow_batch_bytes,
        Form.PARQUET: settings.max_parquet_batch_bytes,
    }[form]


class _Place:
    """One of the places for batches, free again unless an answer keeps it."""

    def __init__(self, places: Any) -> None:
        self._places = places
        self._kept = False

    async def __aenter__(self) -> "_Place":
        await self._places.acquire()
        return self

    def kept_by(self, answer: _Answer) -> _Answer:
        """Leave it to the answer to free the place."""
        self._kept = True
        return answer

    async def __aexit__(self, *_: object) -> None:
        if not self._kept:
            self._places.release()


def _reader(form: Form) -> Reader:
    """Return a form's reader; pyarrow takes memory, so it is loaded when it is first needed."""
    place, kind = {
        Form.JSON: ("json_rows", "JsonArrayReader"),
        Form.NDJSON: ("json_rows", "NdjsonReader"),
        Form.CSV: ("csv_rows", "CsvReader"),
        Form.ARROW: ("arrow_stream", "ArrowReader"),
        Form.PARQUET: ("parquet_file", "ParquetReader"),
    }[form]
    reader: Reader = getattr(importlib.import_module(f"service.batch.{place}"), kind)()
    return reader


def _writer(form: Form, batch_id: UUID, horizons_months: Sequence[float]) -> AnswerWriter:
    if form is Form.NDJSON:
        return NdjsonWriter()
    if form is Form.JSON:
        return JsonWriter()
    if form is Form.CSV:
        return CsvWriter(batch_id, horizons_months)
    columnar = importlib.import_module("service.batch.writing_columns")
    kind = columnar.ArrowWriter if form is Form.ARROW else columnar.ParquetWriter
    writer: AnswerWriter = kind(batch_id, horizons_months)
    return writer
