"""Who may call what: one table from route to scope, and how a caller is known."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from service.keys import KeyStore, Scope
from service.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError

API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False)

SCOPES: dict[tuple[str, str], Scope | None] = {
    ("POST", "/v1/predictions"): Scope.PREDICT,
    ("GET", "/v1/models"): Scope.PREDICT,
    ("GET", "/v1/models/{model}"): Scope.PREDICT,
    ("GET", "/v1/models/{model}/card"): Scope.PREDICT,
    ("GET", "/v1/models/{model}/report"): Scope.PREDICT,
    ("GET", "/livez"): None,
    ("GET", "/readyz"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/openapi.yaml"): None,
    ("GET", "/docs"): None,
    ("GET", "/docs/oauth2-redirect"): None,
}
"""The scope that each route asks for; None is open to all. A route must be listed."""


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request; `id` is what a log may hold."""

    id: str
    scopes: frozenset[Scope]


ANYONE = Caller("anyone", frozenset({Scope.PREDICT}))


class Gate:
    """Decides who a caller is and whether a route is open to them."""

    def __init__(self, auth: Literal["none", "api-key"], keys: KeyStore) -> None:
        self._auth = auth
        self._keys = keys

    def admit(self, method: str, path: str, presented: str | None) -> Caller:
        """Return the caller of a route.

        Raises
        ------
        ProblemError
            401 without valid credentials, 403 where they lack the scope.
        """
        scope = SCOPES[method, path]
        if scope is None or self._auth == "none":
            return ANYONE
        key = self._keys.authenticate(presented) if presented else None
        if key is None:
            raise ProblemError(
                UNAUTHENTICATED,
                "Send a valid key as X-API-Key.",
                headers={"WWW-Authenticate": 'ApiKey realm="hsct2-risk"'},
            )
        if scope not in key.scopes:
            raise ProblemError(FORBIDDEN, f"The call needs scope {scope.value}.")
        return Caller(key.id, frozenset(key.scopes))


async def authorise(request: Request, presented: Annotated[str | None, Depends(API_KEY)]) -> Caller:
    """Admit the caller of a request, and leave their id to the request log."""
    method = "GET" if request.method == "HEAD" else request.method
    caller: Caller = request.app.state.gate.admit(method, request.scope["route"].path, presented)
    request.state.caller = caller.id
    return caller


CallerDependency = Annotated[Caller, Depends(authorise)]
