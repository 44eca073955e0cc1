"""A service that asks for bearer tokens, with the issuer's keys on a server of their own."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError

from service.access import SCOPES
from service.keys import Scope
from service.settings import Settings
from service.tokens import caller_id
from tests.server import Server, address_of, problem, refusal, run_service
from tests.service.issuer import (
    AUDIENCE,
    ISSUER,
    SUBJECT,
    JwksServer,
    claims,
    encoded,
    jwk,
    keys,
    rsa_key,
    token,
)

REALM = 'Bearer realm="hsct2-risk"'


def settings(jwks: JwksServer) -> dict[str, object]:
    return {**jwks.settings, "host": "0.0.0.0"}


def fresh(**changes: Any) -> str:
    """Return a token that is good now."""
    return token(claims(time.time(), **changes))


@dataclass(frozen=True)
class Guarded:
    server: Server
    jwks: JwksServer

    def post(self, presented: str | bytes | None, **headers: str) -> httpx.Response:
        sent: list[tuple[bytes, bytes]] = [(k.encode(), v.encode()) for k, v in headers.items()]
        if presented is not None:
            raw = presented if isinstance(presented, bytes) else presented.encode()
            sent.append((b"Authorization", b"Bearer " + raw))
        with self.server.client() as client:
            return client.post("/v1/predictions", json={"ecog": 1}, headers=sent)

    def refused(self, presented: str | bytes) -> tuple[dict[str, Any], str]:
        response = self.post(presented)
        return problem(response, 401, "unauthenticated"), response.headers["WWW-Authenticate"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    log = tmp_path_factory.mktemp("jwt") / "log"
    with (
        JwksServer(keys(jwk("rsa", rsa_key()))) as jwks,
        Server(log, **settings(jwks)) as server,
    ):
        yield Guarded(server, jwks)


def test_a_token_is_good_for_one_call_and_its_subject_is_not_logged(guarded: Guarded) -> None:
    presented = fresh(jti=f"canary-{uuid4()}")
    response = guarded.post(presented)
    assert response.status_code == 200, response.text
    (line,) = guarded.server.lines_of(response.headers["X-Request-Id"])
    assert line["caller"] == caller_id(ISSUER, SUBJECT)

    body, challenge = guarded.refused(presented)
    assert body["detail"] == "The bearer token is refused: replayed."
    assert challenge == f'{REALM}, error="invalid_token", error_description="replayed"'

    logged = guarded.server.log_up_to_now()
    for secret in (SUBJECT, "canary-", *presented.split(".")):
        assert secret not in logged


def test_without_a_token_there_is_a_challenge_without_an_error(guarded: Guarded) -> None:
    for headers in ({}, {"X-API-Key": "hsct2_a_b"}, {"Authorization": "Basic YTpi"}):
        response = guarded.post(None, **headers)
        assert "Authorization: Bearer" in problem(response, 401, "unauthenticated")["detail"]
        assert response.headers["WWW-Authenticate"] == REALM


def test_a_token_is_read_from_its_header_only(guarded: Guarded) -> None:
    presented = fresh()
    with guarded.server.client() as client:
        response = client.post(
            "/v1/predictions", params={"access_token": presented}, json={"ecog": 1}
        )
    problem(response, 401, "unauthenticated")


def test_two_tokens_in_one_request_are_refused(guarded: Guarded) -> None:
    assert guarded.post(fresh(), Authorization=f"Bearer {fresh()}").status_code == 401
    assert guarded.post(fresh(), Authorization="Basic YTpi").status_code == 401


def test_a_token_that_lacks_the_scope_is_told_which(guarded: Guarded) -> None:
    response = guarded.post(fresh(scope="audit admin"))
    assert "predict" in problem(response, 403, "forbidden")["detail"]
    challenge = f'{REALM}, error="insufficient_scope", scope="predict"'
    assert response.headers["WWW-Authenticate"] == challenge


def test_a_refusal_says_why_and_repeats_nothing(guarded: Guarded) -> None:
    header, payload, signature = fresh(sub="zebedee").split(".")
    none = encoded({"alg": "none", "kid": "zebedee"})
    refusals: dict[str | bytes, str] = {
        "zebedee": "malformed",
        b"\xff\xfe zebedee": "malformed",
        f"{header}.{payload}.{signature}.zebedee": "malformed",
        "A" * 30_000: "malformed",
        f"{none}.{payload}.{signature}": "wrong_algorithm",
        f"{encoded({'alg': 'HS256', 'kid': 'rsa'})}.{payload}.{signature}": "wrong_algorithm",
        f"{header}.{payload}.{encoded(bytes(256))}": "wrong_signature",
        fresh(iss="https://zebedee.example"): "wrong_issuer",
        fresh(aud=["zebedee", AUDIENCE + "/zebedee"]): "wrong_audience",
        fresh(exp=int(time.time()) - 60): "expired",
        fresh(nbf=int(time.time()) + 600): "not_yet_valid",
        fresh(exp=int(time.time()) + 86_400): "lifetime_too_long",
        fresh(jti=None): "missing_or_invalid_claim",
        token(claims(time.time()), key_id="zebedee"): "unknown_key",
        token(claims(time.time()), rsa_key("attacker")): "wrong_signature",
    }
    for presented, reason in refusals.items():
        body, challenge = guarded.refused(presented)
        assert body["detail"] == f"The bearer token is refused: {reason}."
        assert challenge == f'{REALM}, error="invalid_token", error_description="{reason}"'
    assert "zebedee" not in guarded.server.log_up_to_now()


def test_of_concurrent_calls_with_one_token_one_is_answered(guarded: Guarded) -> None:
    presented = fresh()
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(guarded.post(presented).status_code))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[401] * 7]


def test_a_retry_with_a_new_token_of_the_same_subject_gets_the_first_answer(
    guarded: Guarded,
) -> None:
    header = {"Idempotency-Key": str(uuid4())}
    first, again = (guarded.post(fresh(), **header) for _ in range(2))
    of_other = guarded.post(fresh(sub="another"), **header)
    assert first.content == again.content
    assert of_other.json()["prediction_id"] != first.json()["prediction_id"]


@pytest.mark.parametrize(("route", "scope"), SCOPES.items())
def test_a_route_is_open_to_all_or_asks_for_a_token(
    route: tuple[str, str], scope: Scope | None, guarded: Guarded
) -> None:
    method, path = route
    with guarded.server.client() as client:
        response = client.request(method, address_of(path))
    if scope is None:
        assert response.status_code == 200
    else:
        refusal(response, 401, "unauthenticated")


def test_the_keys_were_fetched_for_few_of_all_these_calls(guarded: Guarded) -> None:
    assert guarded.post(fresh()).status_code == 200
    assert guarded.jwks.requests <= 5


def test_tokens_are_taken_until_they_expire_where_that_is_set(
    guarded: Guarded, tmp_path: Path
) -> None:
    chosen = settings(guarded.jwks) | {"jwt_single_use": "false", "jwt_algorithms": '["RS256"]'}
    with Server(tmp_path / "log", **chosen) as server:
        lenient = Guarded(server, guarded.jwks)
        presented = fresh(jti=None)
        assert [lenient.post(presented).status_code for _ in range(3)] == [200] * 3
        body, _ = lenient.refused(token(claims(time.time()), algorithm="RS512"))
        assert "wrong_algorithm" in body["detail"]


def test_without_keys_calls_are_told_to_wait_and_the_rest_of_the_service_goes_on(
    tmp_path: Path,
) -> None:
    asked, released = threading.Event(), threading.Event()

    def fail_slowly(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        released.wait(4)
        request.send_error(500)

    answers: list[httpx.Response] = []
    with JwksServer(fail_slowly) as jwks, Server(tmp_path / "log", **settings(jwks)) as server:
        without_keys = Guarded(server, jwks)
        waiting = threading.Thread(target=lambda: answers.append(without_keys.post(fresh())))
        waiting.start()
        assert asked.wait(10)
        with server.client() as client:
            assert client.get("/livez").status_code == 200
        assert not answers
        released.set()
        waiting.join()
        answers.append(without_keys.post(fresh()))
        assert jwks.requests == 1
        for response in answers:
            problem(response, 503, "credentials-unchecked")
            assert 1 <= int(response.headers["Retry-After"]) <= 10
        failures = [json.loads(s) for s in server.log().splitlines() if "keys not fetched" in s]
    assert [failure["reason"] for failure in failures] == ["the answer has status 500"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jwt_issuer": ""}, r"HSCT2_AUTH=jwt needs HSCT2_JWT_ISSUER "),
        ({"jwt_jwks_url": "http://a.example"}, r"HSCT2_JWT_JWKS_URL: it must begin with https"),
        ({"jwt_allowed_hosts": ["a.example"]}, r"HSCT2_JWT_JWKS_URL: its host is not among"),
        ({"jwt_algorithms": ["RS256", "HS256"]}, r"jwt_algorithms.1\n  Input should be"),
        ({"jwt_algorithms": []}, r"jwt_algorithms\n  List should have at least 1 item"),
        ({"jwt_max_lifetime_seconds": 0}, r"jwt_max_lifetime_seconds\n  Input should be"),
    ],
)
def test_settings_by_which_tokens_could_not_be_verified_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    good: dict[str, Any] = {
        "auth": "jwt",
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "jwt_jwks_url": "https://issuer.example/jwks",
        "jwt_allowed_hosts": ["issuer.example"],
    }
    assert Settings(**good).jwt_single_use
    with pytest.raises(ValidationError, match=message):
        Settings(**good | changes)


def test_a_service_names_every_setting_that_it_misses_and_does_not_start() -> None:
    done = run_service("serve", auth="jwt", jwt_issuer="zebedee")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "HSCT2_AUTH=jwt needs HSCT2_JWT_AUDIENCE, HSCT2_JWT_JWKS_URL, HSCT2_JWT_ALLOWED_HOSTS\n"
    )
    assert "zebedee" not in done.stderr
