"""Everything that can go wrong over HTTP: types, status codes and bodies (RFC 9457).

A problem never repeats what was submitted.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from service.audit.errors import StoreUnavailableError
from service.chart.reading import Issue, Severity
from service.fhir.elements import MEDIA_TYPE as FHIR_MEDIA_TYPE
from service.fhir.elements import OperationOutcome
from service.fhir.outcome import operation_outcome
from service.fhir.refusals import RefusedError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:hsct2-risk:problem:"

_MESSAGES = {"missing": "Field required", "uuid_parsing": "Input should be a UUID"}
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem; its name is the stable part of `type`."""

    name: str
    status: int
    title: str


INVALID_JSON = ProblemType("invalid-json", 400, "The body is not valid JSON")
UNREADABLE_BATCH = ProblemType("unreadable-batch", 400, "The body is not of its content type")
UNAUTHENTICATED = ProblemType("unauthenticated", 401, "No valid credentials were sent")
FORBIDDEN = ProblemType("forbidden", 403, "The credentials do not allow this call")
NOT_FOUND = ProblemType("not-found", 404, "There is nothing at this address")
UNKNOWN_PREDICTION = ProblemType("unknown-prediction", 404, "No such prediction is stored")
UNKNOWN_MODEL = ProblemType("unknown-model", 404, "No such model is served")
NO_FEEDBACK = ProblemType("no-feedback", 404, "Feedback is not stored")
METHOD_NOT_ALLOWED = ProblemType("method-not-allowed", 405, "The address has no such method")
NOT_ACCEPTABLE = ProblemType("not-acceptable", 406, "The answer has no such form")
BODY_TOO_SLOW = ProblemType("body-too-slow", 408, "The body did not arrive in time")
RELOAD_REFUSED = ProblemType("reload-refused", 409, "The models cannot be replaced")
CHART_INCOMPLETE = ProblemType("chart-incomplete", 412, "The chart cannot be determined")
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The body is too large")
UNSUPPORTED_MEDIA_TYPE = ProblemType("unsupported-media-type", 415, "The body must be JSON")
UNSUPPORTED_BATCH_TYPE = ProblemType(
    "unsupported-batch-type", 415, "A batch cannot have this content type"
)
MISDIRECTED = ProblemType("misdirected-request", 421, "The service does not answer to this host")
INVALID_PATIENT = ProblemType("invalid-patient", 422, "The patient is not valid")
INVALID_CHART = ProblemType("invalid-chart", 422, "The chart cannot be assessed")
INVALID_COLUMNS = ProblemType("invalid-columns", 422, "The columns are not those of patients")
INVALID_REQUEST = ProblemType("invalid-request", 422, "The request is not valid")
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused", 422, "The idempotency key was used for another request"
)
RATE_LIMITED = ProblemType("rate-limited", 429, "The caller has made too many calls")
INTERNAL = ProblemType("internal-error", 500, "The service failed")
AUDIT_UNAVAILABLE = ProblemType(
    "audit-unavailable", 503, "The prediction cannot be stored, so it is not answered"
)
OVERLOADED = ProblemType("overloaded", 503, "The service has too much to do")
NOT_READY = ProblemType("not-ready", 503, "The service is not ready")
CREDENTIALS_UNCHECKED = ProblemType(
    "credentials-unchecked", 503, "The credentials cannot be checked now"
)

PROBLEM_TYPES = tuple(value for value in list(globals().values()) if type(value) is ProblemType)


class FieldProblem(BaseModel):
    """One thing wrong with one field."""

    model_config = ConfigDict(frozen=True)

    field: str | None = Field(description="the field, or null where it cannot be named")
    code: str = Field(description="a stable name of what is wrong")
    message: str


class Problem(BaseModel):
    """A problem, as RFC 9457 defines it, with all field errors at once."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblem]


class ProblemError(Exception):
    """Raised to answer with a problem."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def problem_response(
    request_id: str,
    kind: ProblemType,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    problem = Problem(
        type=TYPE_PREFIX + kind.name,
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request_id,
        errors=list(errors),
    )
    return _ProblemResponse(problem, headers)


def response_to(error: ProblemError | StoreUnavailableError, request_id: str) -> Response:
    """Return the response to a request that met a problem."""
    if isinstance(error, StoreUnavailableError):
        error = ProblemError(
            AUDIT_UNAVAILABLE,
            "Nothing was lost; try again in a moment.",
            headers={"Retry-After": "1"},
        )
    return problem_response(request_id, error.kind, error.detail, error.errors, error.headers)


class _ProblemResponse(Response):
    """A problem in the form that its address speaks; only when sent does it know the address."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None) -> None:
        super().__init__(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if speaks_fhir(scope["path"]):
            rest = {k: v for k, v in self.headers.items() if not k.startswith("content-")}
            response = _outcome_response(_outcome(self._problem), self.status_code, rest)
            await response(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def speaks_fhir(path: str) -> bool:
    """Return whether errors of an address are OperationOutcomes, as FHIR and CDS Hooks ask."""
    return path.split("/", 2)[1:2] in (["fhir"], ["cds-services"])


def _outcome_response(
    outcome: OperationOutcome, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    content = json.dumps(outcome, ensure_ascii=False)
    return Response(content, status, headers, FHIR_MEDIA_TYPE)


def _outcome(problem: Problem) -> OperationOutcome:
    name = problem.type.removeprefix(TYPE_PREFIX)
    issues = [
        Issue(Severity.ERROR, name, None, None if e.field is None else f"http.{e.field}", e.message)
        for e in problem.errors
    ] or [Issue(Severity.ERROR, name, None, None, problem.detail)]
    return operation_outcome(issues, problem.request_id)


def documented(*kinds: ProblemType, as_outcomes: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of these problems, and of those that any such route has.

    `as_outcomes` is for routes whose address `speaks_fhir`.
    """
    content = {MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}}
    if as_outcomes:
        content = {FHIR_MEDIA_TYPE: {"schema": _OUTCOME_SCHEMA}}
    by_status: dict[int | str, dict[str, Any]] = {}
    where_credentials_are_asked_for = (CREDENTIALS_UNCHECKED,) if UNAUTHENTICATED in kinds else ()
    for kind in (*kinds, *where_credentials_are_asked_for, INTERNAL):
        entry = by_status.setdefault(kind.status, {"description": "", "content": content})
        entry["description"] = " or ".join(filter(None, (entry["description"], kind.title)))
    return by_status


_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_OUTCOME_SCHEMA = {"$ref": "#/components/schemas/OperationOutcome"}


def field_problems(
    errors: Iterable[Mapping[str, Any]], known: Sequence[str], keys: Sequence[str]
) -> list[FieldProblem]:
    """Translate pydantic's errors; `keys` are the submitted keys, in order.

    A key that is not known is named only if it looks like a field name, else by
    its position: a key can hold a patient's name.
    """
    return [_field_problem(error, known, keys) for error in errors]


def _field_problem(
    error: Mapping[str, Any], known: Sequence[str], keys: Sequence[str]
) -> FieldProblem:
    code, location = str(error["type"]), error["loc"]
    if code == "extra_forbidden":
        return _unknown_key(str(location[-1]), known, keys)
    field = ".".join(map(str, location)) or None
    # Some of pydantic's messages tell a character of what was submitted.
    message = _MESSAGES.get(code) or str(error["msg"])
    return FieldProblem(field=field, code=code, message=message)


def _unknown_key(key: str, known: Sequence[str], keys: Sequence[str]) -> FieldProblem:
    if not _FIELD_NAME.fullmatch(key):
        where = f"key {keys.index(key) + 1}" if key in keys else "a key"
        return FieldProblem(field=None, code="unknown_field", message=f"{where} is not a field")
    near = get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return FieldProblem(field=key, code="unknown_field", message=f"is not a field{hint}")


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem; `Envelope` answers its failures."""

    @app.exception_handler(ProblemError)
    @app.exception_handler(StoreUnavailableError)
    async def on_problem(request: Request, error: ProblemError | StoreUnavailableError) -> Response:
        return response_to(error, request.state.request_id)

    @app.exception_handler(RefusedError)
    async def on_refused(request: Request, error: RefusedError) -> Response:
        outcome = operation_outcome(error.issues, request.state.request_id)
        return _outcome_response(outcome, error.status)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        route = request.scope["route"]
        known = [p.alias for p in route.dependant.query_params]
        for parameter in route.dependant.query_params:
            fields = getattr(parameter.field_info.annotation, "model_fields", None)
            known += list(fields or ())
        stripped = [{**e, "loc": e["loc"][1:]} for e in error.errors()]
        errors = field_problems(stripped, known, list(request.query_params))
        return problem_response(
            request.state.request_id, INVALID_REQUEST, "See errors for each parameter.", errors
        )

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        kind = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED}.get(error.status_code)
        if kind is None:
            kind = ProblemType(
                HTTPStatus(error.status_code).name.lower().replace("_", "-"),
                error.status_code,
                HTTPStatus(error.status_code).phrase,
            )
        return problem_response(
            request.state.request_id, kind, f"{kind.title}.", headers=error.headers
        )


def invalid_patient(
    error: ValidationError, known: Sequence[str], keys: Sequence[str]
) -> ProblemError:
    """Return the problem of a patient that did not validate."""
    errors = error.errors(include_input=False, include_url=False, include_context=False)
    return ProblemError(
        INVALID_PATIENT, "See errors for each field.", field_problems(errors, known, keys)
    )
