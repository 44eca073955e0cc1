"""CDS clients show who they are by tokens of their own, for one call of one endpoint."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from service.settings import Settings
from service.tokens import caller_id
from tests.server import Server, problem
from tests.service.cds.calls import ORDER_SELECT, PATIENT_VIEW, outcome, texts, the_card
from tests.service.cds.charts import patient_view
from tests.service.issuer import (
    JwksServer,
    ec_key,
    encoded,
    jwk,
    keys,
    rsa_key,
    token,
)

PUBLIC = "https://risk.example/hsct2"
EHR, OTHER = "https://ehr.example", "https://other.example"
VIEW = f"{PUBLIC}{PATIENT_VIEW}"


def es384() -> ec.EllipticCurvePrivateKey:
    return ec_key(ec.SECP384R1)


@dataclass(frozen=True)
class Guarded:
    server: Server
    jwks: JwksServer
    others: JwksServer

    def fresh(self, issuer: str = EHR, **changes: Any) -> str:
        return token(self.claims(issuer, **changes), es384(), "ES384", "ec", jku=self.jwks.url)

    def claims(self, issuer: str = EHR, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        every = {"iss": issuer, "aud": VIEW, "iat": now, "exp": now + 300, "jti": uuid4().hex}
        return {name: value for name, value in (every | changes).items() if value is not None}

    def post(
        self, presented: str | None, path: str = PATIENT_VIEW, **headers: str
    ) -> httpx.Response:
        if presented is not None:
            headers["Authorization"] = f"Bearer {presented}"
        with self.server.client(**headers) as client:
            return client.post(path, json=patient_view())

    def refused(self, presented: str | None, **headers: str) -> str:
        response = self.post(presented, **headers)
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="hsct2-risk"')
        return texts(outcome(response, 401))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    log = tmp_path_factory.mktemp("cds-clients") / "log"
    with ExitStack() as stack:
        jwks = stack.enter_context(JwksServer(keys(jwk("ec", es384()), jwk("rsa", rsa_key()))))
        others = stack.enter_context(JwksServer(keys(jwk("ec", ec_key(ec.SECP256R1)))))
        server = stack.enter_context(
            Server(
                log,
                host="0.0.0.0",
                auth="api-key",
                public_url=PUBLIC,
                cds_issuers=json.dumps({EHR: jwks.url, OTHER: others.url}),
            )
        )
        yield Guarded(server, jwks, others)
        assert "canary" not in server.log_up_to_now()


def test_a_token_of_either_algorithm_is_good_for_one_call(guarded: Guarded) -> None:
    for presented in (
        guarded.fresh(),
        token(guarded.claims(), rsa_key(), "RS384", "rsa", jku=guarded.jwks.url),
        token(guarded.claims(), es384(), "ES384", "ec"),  # its keys' address is known anyway
    ):
        response = guarded.post(presented)
        the_card(response)
        (line,) = guarded.server.lines_of(response.headers["X-Request-Id"])
        assert line["caller"] == caller_id(EHR, "")
        assert "replayed" in guarded.refused(presented)


def test_a_token_is_for_the_endpoint_that_is_called_at_its_public_address(guarded: Guarded) -> None:
    the_card(guarded.post(guarded.fresh(aud=[OTHER, VIEW])))
    feedback = f"{PATIENT_VIEW}/feedback"
    others: list[Any] = [
        f"{PUBLIC}{ORDER_SELECT}",
        f"{VIEW}/feedback",
        f"{VIEW}/",
        PUBLIC,
        f"{PUBLIC}/cds-services",
        f"{guarded.server.address}{PATIENT_VIEW}",
        VIEW.upper(),
        [],
        {VIEW: 1},
        None,
    ]
    for audience in others:
        assert "wrong_audience" in guarded.refused(guarded.fresh(aud=audience))
    elsewhere = guarded.fresh(aud=f"https://evil.example{PATIENT_VIEW}")
    assert "wrong_audience" in guarded.refused(elsewhere, Host="evil.example")
    assert guarded.post(guarded.fresh(), feedback).status_code == 401
    response = guarded.post(guarded.fresh(aud=f"{VIEW}/feedback"), feedback)
    outcome(response, 422)  # admitted: the body is no feedback


def test_what_is_wrong_with_a_token_is_told_by_its_code(guarded: Guarded) -> None:
    now = int(time.time())
    refusals = {
        guarded.fresh("https://canary.example"): "wrong_issuer",
        guarded.fresh(None): "wrong_issuer",  # type: ignore[arg-type]
        f"{encoded({'alg': 'ES384'})}.{encoded(guarded.claims(iss=[EHR]))}.AA": "wrong_issuer",
        guarded.fresh(exp=now - 60): "expired",
        guarded.fresh(exp=None): "missing_or_invalid_claim",
        guarded.fresh(iat=None): "missing_or_invalid_claim",
        guarded.fresh(jti=None): "missing_or_invalid_claim",
        guarded.fresh(jti=7): "missing_or_invalid_claim",
        guarded.fresh(exp=now + 86_400): "lifetime_too_long",
        guarded.fresh(iat=now + 600, exp=now + 700): "not_yet_valid",
        token(guarded.claims(), rsa_key(), "RS256", "rsa"): "wrong_algorithm",
        token(guarded.claims(), ec_key(ec.SECP256R1), "ES256", "ec"): "wrong_algorithm",
        token(guarded.claims(), rsa_key("attacker"), "RS384", "rsa"): "wrong_signature",
        token(guarded.claims(), es384(), "ES384", "canary"): "unknown_key",
        token(guarded.claims(OTHER), es384(), "ES384", "ec"): "unknown_key",  # another's key
        f"{encoded({'alg': 'none'})}.{encoded(guarded.claims())}.": "malformed",
        "canary": "malformed",
        "a.b.c": "malformed",
        f"{encoded(b'[' * 8_000)}.{encoded(b'[' * 3_000)}.AA": "malformed",
        f"{encoded({'alg': 'ES384'})}.{encoded(b'[' * 11_000)}.AA": "malformed",
        "A" * 30_000: "malformed",
    }
    for presented, reason in refusals.items():
        assert reason in guarded.refused(presented), reason
    assert "Authorization: Bearer" in guarded.refused(None)


def test_keys_come_from_the_one_address_of_the_issuer_whatever_the_token_says(
    guarded: Guarded,
) -> None:
    with JwksServer(keys(jwk("ec", es384()))) as attacker:
        for url in (attacker.url, guarded.others.url, f"{guarded.jwks.url}#x", "", 7, None):
            presented = token(guarded.claims(), es384(), "ES384", "ec", jku=url)
            assert "unknown_key" in guarded.refused(presented)
        assert attacker.requests == 0


def test_discovery_is_open_and_an_api_key_opens_no_service(guarded: Guarded) -> None:
    with guarded.server.client() as client:
        assert client.get("/cds-services").status_code == 200
        problem(client.post("/v1/predictions", json={"ecog": 1}), 401, "unauthenticated")
    assert "Authorization: Bearer" in guarded.refused(None, **{"X-API-Key": "hsct2_1_2"})
    # And a token of a CDS client opens nothing else.
    with guarded.server.client(Authorization=f"Bearer {guarded.fresh()}") as client:
        problem(client.post("/v1/predictions", json={"ecog": 1}), 401, "unauthenticated")


def test_replicas_that_share_a_store_refuse_what_another_has_seen(
    guarded: Guarded, tmp_path: Path
) -> None:
    chosen = {**guarded.server.settings, "port": 0}
    with Server(tmp_path / "log", **chosen) as replica:
        presented = guarded.fresh()
        the_card(guarded.post(presented))
        other = Guarded(replica, guarded.jwks, guarded.others)
        assert "replayed" in other.refused(presented)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"public_url": ""}, "HSCT2_CDS_ISSUERS needs HSCT2_PUBLIC_URL"),
        ({"cds_issuers": {EHR: "http://ehr.example/jwks"}}, "HSCT2_CDS_ISSUERS: of an address"),
        ({"cds_fhir_servers": ["http://ehr.example/fhir"]}, "HSCT2_CDS_FHIR_SERVERS: of an"),
        ({"cds_fhir_servers": ["https://ehr.example/fhir?x=1"]}, "HSCT2_CDS_FHIR_SERVERS: of an"),
        ({"cds_fhir_servers": ["https://me@ehr.example/fhir"]}, "HSCT2_CDS_FHIR_SERVERS: of an"),
        ({"cds_fetch_seconds": 0}, "cds_fetch_seconds"),
        ({"cds_missing_ecog": "guess"}, "cds_missing_ecog"),
    ],
)
def test_settings_by_which_cds_could_not_be_served_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    good: dict[str, Any] = {"public_url": PUBLIC, "cds_issuers": {EHR: "https://ehr.example/jwks"}}
    Settings(**good)
    with pytest.raises(ValidationError, match=message):
        Settings(**good | changes)
