"""Addresses that could be taken for another one with a parameter in it."""

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope


class ConcreteRoute(APIRoute):
    """A route that answers for its address whatever the method: 405 where it has no such one.

    Without it, ``GET /v1/predictions/batch`` would be left to ``GET /v1/predictions/{id}``. OpenAPI
    3.1 (Paths Object) has a concrete path matched before a templated one.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take a request for this address."""
        match, child_scope = super().matches(scope)
        return Match.FULL if match is Match.PARTIAL else match, child_scope
