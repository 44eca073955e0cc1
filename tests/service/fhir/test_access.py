"""Who may have a risk assessed: scopes of SMART Backend Services, limits, and their outcomes."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from service.access import SCOPES
from service.app import create_app
from service.fhir.batch import MAX_ENTRIES
from service.keys import Scope
from service.registry import Registry
from service.settings import SHIPPED_MODELS, Settings
from service.tokens import SCOPE_NAMES
from tests.server import ROOT, Server, in_process, refusal
from tests.service.fhir import charts
from tests.service.fhir.conftest import Outcome, codes
from tests.service.issuer import JwksServer, claims, ec_key, jwk, keys, token
from tests.service.test_bearer_access import settings

CHART = charts.bundle(*charts.of_one())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("smart") / "log"
    with (
        JwksServer(keys(jwk("ec", ec_key(ec.SECP384R1)))) as jwks,
        Server(log, **settings(jwks), requests_per_minute=600) as server,
    ):
        yield server


def post(server: Server, scope: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/fhir+json"}
    if scope is not None:
        presented = token(claims(time.time(), scope=scope), ec_key(ec.SECP384R1), "ES384", "ec")
        headers["Authorization"] = f"Bearer {presented}"
    with server.client() as client:
        return client.post("/fhir/$hsct2-risk", json=CHART, headers=headers)


@pytest.mark.parametrize(
    "scope",
    [
        "system/RiskAssessment.c",
        "openid system/RiskAssessment.cruds system/Patient.rs",
        "system/RiskAssessment.write",
        "system/*.*",
        "system/*.cud",
        "predict",
    ],
)
def test_a_scope_that_lets_an_assessment_be_made_is_enough(scope: str, guarded: Server) -> None:
    response = post(guarded, scope)
    assert response.status_code == 200, response.text
    assert response.json()["resourceType"] == "RiskAssessment"
    assert "RateLimit" in response.headers


@pytest.mark.parametrize(
    "scope",
    [
        "system/RiskAssessment.r",
        "system/RiskAssessment.rs",
        "system/RiskAssessment.read",
        "system/Patient.cruds",
        "patient/RiskAssessment.c",
        "user/*.*",
        "system/RiskAssessment.sc",
        "system/RiskAssessment.c?code=x",
        "SYSTEM/RISKASSESSMENT.C",
        "audit admin",
    ],
)
def test_any_other_scope_is_not(scope: str, guarded: Server, outcome: Outcome) -> None:
    response = post(guarded, scope)
    assert codes(outcome(response, 403)) == [("forbidden", "forbidden")]
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


def test_without_a_token_there_is_an_outcome_and_a_challenge(
    guarded: Server, outcome: Outcome
) -> None:
    response = post(guarded, None)
    assert codes(outcome(response, 401)) == [("login", "unauthenticated")]
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


def test_no_scope_of_smart_stands_for_more_than_a_prediction() -> None:
    smart = {scope for name, scope in SCOPE_NAMES.items() if name.startswith("system/")}
    assert smart == {Scope.PREDICT}


def test_the_scopes_that_the_docs_list_are_those_that_count() -> None:
    text = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith("| `POST /fhir/$hsct2-risk`"))
    key, of_token = row.split("|")[2:4]
    assert SCOPES["POST", "/fhir/$hsct2-risk"] is Scope(key.strip().strip("`"))
    listed = re.findall(r"`(.*?)`", of_token)
    assert len(listed) == 6
    assert {SCOPE_NAMES[name] for name in listed} == {Scope.PREDICT}
    assert f"{MAX_ENTRIES} at most" in text


def test_whoever_asks_too_often_or_has_no_room_is_told_in_an_outcome(
    tmp_path: Path, outcome: Outcome
) -> None:
    with Server(tmp_path / "log", requests_per_minute=1) as server, server.client() as client:
        headers = {"Content-Type": "application/fhir+json"}
        first, second = (
            client.post("/fhir/$hsct2-risk", json=CHART, headers=headers) for _ in range(2)
        )
        assert first.status_code == 200
        assert codes(outcome(second, 429)) == [("throttled", "rate-limited")]
        assert int(second.headers["Retry-After"]) >= 1


def test_a_failure_is_an_outcome_that_says_nothing_of_the_chart() -> None:
    registry = Registry.load(SHIPPED_MODELS, "hsct2-os")
    app = create_app(Settings(audit_url="off"), registry)
    headers = {"Content-Type": "application/fhir+json"}
    sent: dict[str, Any] = {"json": CHART, "headers": headers}
    assert in_process(app, "POST", "/fhir/$hsct2-risk", **sent).status_code == 200
    app.state.predictor = None
    response = in_process(app, "POST", "/fhir/$hsct2-risk", **sent)
    refusal(response, 500, "internal-error")
