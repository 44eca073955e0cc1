"""Tokens whose claims are patients' values: of a token, a caller id is kept and nothing else."""

import base64
import sqlite3
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.access import SCOPES
from service.tokens import caller_id
from tests.faults.process import Victim
from tests.faults.test_privacy import CANARY, DIGITS, SECRET, TRACES, files_written, traces_in
from tests.server import address_of
from tests.service.cds.calls import PATIENT_VIEW
from tests.service.issuer import (
    ISSUER,
    JwksServer,
    claims,
    encoded,
    jwk,
    keys,
    rsa_key,
    token,
)

EVERY_SCOPE = "predict audit admin"
GUARDED = [
    ("POST", "/v1/predictions"),
    ("POST", "/v1/predictions/batch"),
    ("POST", "/v1/models/reload"),
    ("POST", "/fhir/$hsct2-risk"),
    ("POST", PATIENT_VIEW),
    ("GET", "/metrics"),
]


def canary_claims(**changes: Any) -> dict[str, Any]:
    """Return claims that are good now, but for the changes, with a canary in each that can."""
    values: dict[str, Any] = {
        "sub": CANARY,
        "jti": f"{CANARY}-{uuid4()}",
        "scope": f"{EVERY_SCOPE} patient/{CANARY}.read",
        "fhirUser": f"Patient/{CANARY}",
        "patient": {"name": SECRET, CANARY: int(DIGITS)},
    }
    return claims(time.time(), **values | changes)


def fresh(**changes: Any) -> str:
    return token(canary_claims(**changes), patient=CANARY)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("tokens")
    with (
        JwksServer(keys(jwk("rsa", rsa_key()))) as jwks,
        Victim(folder, **jwks.settings) as started,
    ):
        yield started


def good_and_bad() -> Iterator[str]:
    """Return tokens with a canary each: a good one, and one for each reason of refusal."""
    now = int(time.time())
    header, payload, signature = fresh().split(".")
    unsigned = encoded({"alg": "none", "kid": CANARY, "patient": SECRET})
    yield fresh()
    yield CANARY
    yield f"{CANARY}.{DIGITS}.{CANARY}"
    yield f"{header}.{payload}.{signature}.{CANARY}"
    yield f"{header}.{encoded(CANARY.encode())}.{signature}"
    yield f"{unsigned}.{payload}."
    yield f"{unsigned}.{payload}.{signature}"
    yield f"{encoded({'alg': 'HS256', 'kid': 'rsa'})}.{payload}.{signature}"
    yield f"{header}.{payload}.{signature[::-1]}"
    yield token(canary_claims(), typ=CANARY)
    yield token(canary_claims(), key_id=CANARY)
    yield token(canary_claims(), key_id=CANARY, jku=f"https://{CANARY}.example/{DIGITS}")
    yield token(canary_claims(), rsa_key("attacker"))
    yield fresh(iss=f"https://{CANARY}.example")
    yield fresh(aud=[CANARY, SECRET])
    yield fresh(sub=[CANARY, int(DIGITS)])
    yield fresh(jti={CANARY: int(DIGITS)})
    yield fresh(exp=CANARY)
    yield fresh(exp=int(DIGITS))
    yield fresh(nbf=now + int(DIGITS))
    yield fresh(exp=now + int(DIGITS))
    yield fresh(scope=f"patient/{CANARY}.read")
    yield fresh(patient=CANARY * 800)


def with_token(client: httpx.Client, method: str, path: str, shown: str) -> httpx.Response:
    body = None if method == "GET" else [{"ecog": 1}] if path.endswith("batch") else {"ecog": 1}
    return client.request(method, path, json=body, headers={"Authorization": f"Bearer {shown}"})


def through_every_place(client: httpx.Client, shown: str) -> Iterator[httpx.Response]:
    """Send a token as it should be, and wherever else callers put one."""
    path, body = "/v1/predictions", {"ecog": 1}
    for method, guarded in GUARDED:
        yield with_token(client, method, guarded, shown)
        yield client.request(method, guarded, params={"access_token": shown})
    yield client.post(path, data={"access_token": shown})
    yield client.post(path, json={**body, "access_token": shown})
    yield client.get(f"{path}/{shown}"[:8_000])
    for name in ("Cookie", "X-API-Key", "X-Forwarded-Access-Token", "Proxy-Authorization"):
        yield client.post(path, json=body, headers={name: f"access_token={shown}"})
    for scheme in ("bearer", "Basic", "DPoP", ""):
        yield client.post(path, json=body, headers={"Authorization": f"{scheme} {shown}".strip()})


def through_everything(client: httpx.Client, shown: list[str]) -> Iterator[httpx.Response]:
    """Send every token everywhere, noting it, and a good one that is new to every route."""
    for one in good_and_bad():
        shown.append(one)
        yield from through_every_place(client, one)
    for method, template in SCOPES:
        shown.append(fresh())
        yield with_token(client, method, address_of(template), shown[-1])


def parts_of(shown: list[str]) -> set[bytes]:
    """Return how each part of the tokens begins, as text and as the bytes that it stands for."""
    parts = {part[:24] for one in shown for part in one.split(".") if len(part) > 20}
    read = {base64.urlsafe_b64decode(part) for part in parts if len(part) == 24}
    return {part.encode() for part in parts} | read


@pytest.mark.slow
def test_of_a_token_a_caller_id_is_kept_and_nothing_else(victim: Victim, saw: Any):
    shown: list[str] = []
    statuses: dict[int, int] = {}
    with victim.client() as client:
        for response in through_everything(client, shown):
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            assert response.status_code < 500
            assert not traces_in(str(response.headers.multi_items()).encode())
            assert not traces_in(response.content), response.text
        metrics = with_token(client, "GET", "/metrics", fresh())
    assert metrics.status_code == 200
    saw(**{f"status_{status}": count for status, count in statuses.items()})
    assert {200, 401, 403, 404, 422} <= set(statuses)

    parts = parts_of(shown)
    known = caller_id(ISSUER, CANARY)
    places = {"log": victim.log_up_to_now().encode(), "metrics": metrics.content}
    assert known.encode() in places["log"]
    assert b"jwt-" not in places["metrics"]
    store = victim.place.file
    of_store = {store.with_name(store.name + suffix) for suffix in ("", "-wal", "-shm")}
    files = {path for path in victim.folder.rglob("*") if path.is_file()}
    assert of_store < files
    assert set(files_written(victim)) <= of_store | set(victim.logs)
    places |= {str(path): path.read_bytes() for path in files}
    for name, content in places.items():
        assert not traces_in(name.encode()), name
        assert not traces_in(content), name
        assert not [part for part in parts if part in content], name
    assert not list((victim.folder / "temporary").iterdir())
    assert not list((victim.folder / "work").iterdir())
    with sqlite3.connect(store) as connected:
        callers = {row[0] for row in connected.execute("SELECT caller FROM audit_prediction")}
    connected.close()
    assert callers == {known}


def test_a_trace_of_a_token_would_be_found():
    """What is searched for is found where a token stands in a log, in whole or cut short."""
    shown = token(canary_claims())
    assert all(traces_in(trace.encode()) for trace in TRACES)
    assert any(part in f'"{shown[:40]}"'.encode() for part in parts_of([shown]))
