"""Who may call what: one table from route to scope, and how a caller is known."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope as AsgiScope

from service.keys import KeyStore, Scope
from service.limits import EXEMPT
from service.problems import CREDENTIALS_UNCHECKED, FORBIDDEN, UNAUTHENTICATED, ProblemError
from service.replay import SeenTokens, SeenTokensUnavailableError
from service.settings import Settings

# What verifies tokens is a tenth of the time to start: it is loaded where tokens are asked for.
if TYPE_CHECKING:
    from service.cds.clients import CdsClients
    from service.tokens import TokenVerifier, VerifiedToken

API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False)
BEARER = HTTPBearer(bearerFormat="JWT", scheme_name="bearer", auto_error=False)

_OF_CDS = "/cds-services/"
_REALM = 'realm="hsct2-risk"'

SCOPES: dict[tuple[str, str], Scope | None] = {
    ("POST", "/v1/predictions"): Scope.PREDICT,
    ("POST", "/v1/predictions/batch"): Scope.PREDICT,
    ("GET", "/v1/predictions/{prediction_id}"): Scope.PREDICT,
    ("GET", "/v1/models"): Scope.PREDICT,
    ("GET", "/v1/models/{model}"): Scope.PREDICT,
    ("GET", "/v1/models/{model}/card"): Scope.PREDICT,
    ("GET", "/v1/models/{model}/report"): Scope.PREDICT,
    ("POST", "/v1/models/reload"): Scope.ADMIN,
    ("POST", "/fhir/$hsct2-risk"): Scope.PREDICT,
    ("GET", "/fhir/metadata"): None,
    ("GET", "/fhir/OperationDefinition/{definition_id}"): None,
    ("GET", "/fhir/StructureDefinition/{definition_id}"): None,
    ("GET", "/fhir/CodeSystem/{definition_id}"): None,
    ("GET", "/cds-services"): None,
    ("POST", "/cds-services/hsct2-risk-patient-view"): Scope.PREDICT,
    ("POST", "/cds-services/hsct2-risk-patient-view/feedback"): Scope.PREDICT,
    ("POST", "/cds-services/hsct2-risk-order-select"): Scope.PREDICT,
    ("POST", "/cds-services/hsct2-risk-order-select/feedback"): Scope.PREDICT,
    ("GET", "/metrics"): Scope.ADMIN,  # small counts tell who was predicted what
    ("GET", "/livez"): None,
    ("GET", "/readyz"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/openapi.yaml"): None,
    ("GET", "/"): None,
    ("GET", "/static/{name}"): None,
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


@dataclass(frozen=True)
class Presented:
    """The credentials that a request carries; which kind counts, the settings say."""

    key: str | None = field(repr=False)
    token: str | None = field(repr=False)


class Gate:
    """Decides who a caller is and whether a route is open to them."""

    def __init__(
        self,
        auth: Literal["none", "api-key", "jwt"],
        keys: KeyStore,
        tokens: "TokenVerifier | None" = None,
        cds_clients: "CdsClients | None" = None,
    ) -> None:
        self._auth = auth
        self._keys = keys
        self._tokens = tokens
        self._cds_clients = cds_clients

    async def admit(self, method: str, path: str, presented: Presented) -> Caller:
        """Return the caller of a route.

        Raises
        ------
        ProblemError
            401 without valid credentials, 403 where they lack the scope, 503 where they
            cannot be checked.
        """
        scope = SCOPES[method, path]
        if scope is None:
            return ANYONE
        if self._cds_clients is not None and self._cds_clients.asks_at(path):
            clients = self._cds_clients
            token = await self._verified(lambda t: clients.verify(t, path), presented.token)
            return Caller(token.caller_id, frozenset({scope}))
        if self._auth == "none":
            return ANYONE
        headers = {}
        if self._tokens is None:
            caller = self._of_key(presented.key)
        else:
            token = await self._verified(self._tokens.verify, presented.token)
            caller = Caller(token.caller_id, token.scopes)
            challenge = f'Bearer {_REALM}, error="insufficient_scope", scope="{scope.value}"'
            headers = {"WWW-Authenticate": challenge}
        if scope not in caller.scopes:
            raise ProblemError(FORBIDDEN, f"The call needs scope {scope.value}.", headers=headers)
        return caller

    def _of_key(self, presented: str | None) -> Caller:
        key = self._keys.authenticate(presented) if presented else None
        if key is None:
            raise ProblemError(
                UNAUTHENTICATED,
                "Send a valid key as X-API-Key.",
                headers={"WWW-Authenticate": f"ApiKey {_REALM}"},
            )
        return Caller(key.id, frozenset(key.scopes))

    @staticmethod
    async def _verified(
        verify: "Callable[[str], Awaitable[VerifiedToken]]", presented: str | None
    ) -> "VerifiedToken":
        from service.jwks import KeysUnavailableError
        from service.tokens import TokenError

        if presented is None:
            raise ProblemError(
                UNAUTHENTICATED,
                "Send a token as Authorization: Bearer.",
                headers={"WWW-Authenticate": f"Bearer {_REALM}"},
            )
        try:
            return await verify(presented)
        except TokenError as error:
            reason = error.refusal.value
            challenge = f'Bearer {_REALM}, error="invalid_token", error_description="{reason}"'
            raise ProblemError(
                UNAUTHENTICATED,
                f"The bearer token is refused: {reason}.",
                headers={"WWW-Authenticate": challenge},
            ) from None
        except (KeysUnavailableError, SeenTokensUnavailableError) as error:
            raise ProblemError(
                CREDENTIALS_UNCHECKED,
                "The bearer token could not be checked; send it again later.",
                headers={"Retry-After": str(error.retry_after_seconds)},
            ) from None


def gate(settings: Settings, seen: SeenTokens) -> Gate:
    """Return the gate that the settings ask for; `seen` remembers used tokens."""
    keys = KeyStore(settings.api_keys)
    cds_clients = _cds_clients(settings, seen)
    if settings.auth != "jwt":
        return Gate(settings.auth, keys, cds_clients=cds_clients)
    from service.jwks import KeySet
    from service.tokens import TokenRules, TokenVerifier

    rules = TokenRules(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=frozenset(settings.jwt_algorithms),
        single_use=settings.jwt_single_use,
        max_lifetime_seconds=settings.jwt_max_lifetime_seconds,
    )
    key_set = KeySet(settings.jwt_jwks_url, settings.jwt_allowed_hosts)
    return Gate("jwt", keys, TokenVerifier(rules, key_set, seen), cds_clients)


def _cds_clients(settings: Settings, seen: SeenTokens) -> "CdsClients | None":
    if not settings.cds_issuers:
        return None
    from service.cds.clients import CdsClients

    return CdsClients(
        settings.cds_issuers,
        settings.public_url,
        [path for (_, path), scope in SCOPES.items() if scope and path.startswith(_OF_CDS)],
        seen,
        settings.jwt_max_lifetime_seconds,
    )


async def authorise(
    request: Request,
    key: Annotated[str | None, Depends(API_KEY)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> Caller:
    """Admit the caller of a request, and leave their id to the request log."""
    method = "GET" if request.method == "HEAD" else request.method
    token = None if bearer is None else bearer.credentials
    if len(request.headers.getlist("Authorization")) > 1:
        token = ""  # of two, a proxy may have checked the other one
    return await admit(request.scope, method, request.scope["route"].path, Presented(key, token))


async def admit(scope: AsgiScope, method: str, path: str, presented: Presented) -> Caller:
    """Admit the caller of a route, leave their id to the request log, and count the call."""
    app_state, state = scope["app"].state, scope["state"]
    caller: Caller = await app_state.gate.admit(method, path, presented)
    state["caller"] = caller.id
    if scope["path"] not in EXEMPT:
        state["quota"] = app_state.rates.take(caller.id)
    return caller


CallerDependency = Annotated[Caller, Depends(authorise)]
