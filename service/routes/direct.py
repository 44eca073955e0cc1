"""The short way to ``POST /v1/predictions``.

FastAPI finds a route, its dependencies and its parameters anew for each request, which takes as
long as the prediction. This route comes before its own, takes the requests that are as they
should be and leaves every other one to FastAPI, which explains what is wrong. The description of
the call is FastAPI's.
"""

from functools import lru_cache

from pydantic import ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from service.access import Presented, admit
from service.predictions import PredictionQuery
from service.routes.predictions import PATH, respond

_METHOD = "POST"
_REPEATED = "horizon_months"
_LONGEST_KEY = 200


class DirectRoute(BaseRoute):
    """Answers predictions that are asked for with an API key, or without credentials."""

    path = PATH

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a request whose query and headers are as they should be."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != _METHOD:
            return Match.NONE, {}
        query = _query(scope["query_string"])
        headers = _headers(scope)
        if query is None or headers is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self, "query": query, "direct_headers": headers}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit the caller and answer."""
        request = Request(scope, receive, send)
        key, idempotency_key = scope["direct_headers"]
        caller = await admit(request, _METHOD, PATH, Presented(key, None))
        response = await respond(request, caller, scope["query"], idempotency_key)
        await response(scope, receive, send)


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
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name == b"authorization":
            return None
        if name in (b"x-api-key", b"idempotency-key"):
            if name in found:
                return None
            found[name] = value.decode("latin-1")
    key = found.get(b"idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        return None
    return found.get(b"x-api-key"), key
