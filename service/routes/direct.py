"""The short way to ``POST /v1/predictions``.

FastAPI finds a route, its dependencies and its parameters anew for each request, which takes as
long as the prediction. Here the requests that are as they should be are answered before FastAPI
sees them; every other one goes on to it, and it explains what is wrong. The description of the
call is FastAPI's.
"""

from functools import lru_cache
from typing import NamedTuple

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access import Presented, admit
from service.audit.errors import StoreUnavailableError
from service.body import receive_body
from service.predictions import PredictionQuery
from service.problems import ProblemError, response_to
from service.routes.predictions import PATH, reply, response_of

_METHOD = "POST"
_REPEATED = "horizon_months"
_LONGEST_KEY = 200
_LOOKED_AT = {b"authorization", b"content-type", b"idempotency-key", b"x-api-key"}
_JSON = b"application/json"
_CONTENT_TYPE = (b"content-type", _JSON)


class Route(NamedTuple):
    """The route of a request that took the short way, for the log and the metrics."""

    path: str


_ROUTE = Route(PATH)


class Direct:
    """Answers predictions that are asked for with an API key, or without credentials."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != _METHOD:
            await self._app(scope, receive, send)
            return
        query = _query(scope["query_string"])
        headers = _headers(scope)
        if query is None or headers is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        api: FastAPI = scope["app"]
        key, idempotency_key = headers
        try:
            caller = await admit(scope, _METHOD, PATH, Presented(key, None))
            content = await receive_body(receive, api.state.settings.max_body_bytes)
            made = await reply(scope, content, caller, query, idempotency_key)
        except (ProblemError, StoreUnavailableError) as error:
            response = response_to(error, scope["state"]["request_id"])
            await response(scope, receive, send)
            return
        if made.is_replayed:
            await response_of(made)(scope, receive, send)
            return
        body = made.body.encode()
        length = (b"content-length", b"%d" % len(body))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [length, _CONTENT_TYPE]}
        )
        await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=256)
def _query(query_string: bytes) -> PredictionQuery | None:
    parameters = QueryParams(query_string)
    names = [name for name, _ in parameters.multi_items() if name != _REPEATED]
    values: dict[str, object] = dict(parameters)
    if _REPEATED in values:
        values[_REPEATED] = parameters.getlist(_REPEATED)
    try:
        query = PredictionQuery.model_validate(values)
    except ValidationError:
        return None
    return query if len(set(names)) == len(names) else None


def _headers(scope: Scope) -> tuple[str | None, str | None] | None:
    """Return API key and idempotency key; None where FastAPI has to look at the headers."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _LOOKED_AT:
            if name in found:
                return None
            found[name] = value
    if b"authorization" in found or found.get(b"content-type") != _JSON:
        return None
    key, idempotency_key = found.get(b"x-api-key"), found.get(b"idempotency-key")
    if idempotency_key is not None and not 0 < len(idempotency_key) <= _LONGEST_KEY:
        return None
    return _text(key), _text(idempotency_key)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
