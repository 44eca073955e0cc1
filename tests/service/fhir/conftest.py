"""One Node process of validators, and a client that speaks FHIR."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.fhir_validators import Validators
from tests.server import Server

MEDIA_TYPE = "application/fhir+json"

Outcome = Callable[[httpx.Response, int], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def validators() -> Iterator[Validators]:
    with Validators() as asked:
        yield asked


@pytest.fixture(scope="session")
def fhir(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{server.address}/fhir",
        headers={"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE},
        timeout=30,
    ) as opened:
        yield opened


@pytest.fixture
def outcome(validators: Validators) -> Outcome:
    """Check that a response is a valid OperationOutcome, and return its issues."""

    def check(response: httpx.Response, status: int) -> list[dict[str, Any]]:
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"] == MEDIA_TYPE
        body = response.json()
        assert body["resourceType"] == "OperationOutcome"
        assert validators.refusals(body) == {}
        issues: list[dict[str, Any]] = body["issue"]
        for issue in issues:
            assert issue["details"]["text"]
            assert issue["diagnostics"] == f"request {response.headers['X-Request-Id']}"
        return issues

    return check


def codes(issues: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return FHIR's type and our code of each issue."""
    return [(issue["code"], issue["details"]["coding"][0]["code"]) for issue in issues]
