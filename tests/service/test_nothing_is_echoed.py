"""Nothing that was submitted comes back in a refusal or stands in the log.

Each request carries a canary in another place: a value that no honest part of the
service could contain.
"""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from model.patient import COVARIATES, Kind
from tests.server import FULL_PATIENT, Server

CANARY = "Zebedee-Quux"
NUMBER = 7313717.25
DIGITS = "7313717"
JSON = {"Content-Type": "application/json"}


def assert_no_trace(response: httpx.Response, server: Server) -> None:
    (line,) = server.lines_of(response.headers["X-Request-Id"])
    for place in (response.text, str(response.headers.multi_items()), json.dumps(line)):
        assert "zebedee" not in place.casefold()
        assert DIGITS not in place


def values() -> list[Any]:
    return [
        CANARY,
        NUMBER,
        -NUMBER,
        int(NUMBER),
        [CANARY],
        {CANARY: CANARY},
        {"zebedee": NUMBER},
    ]


@pytest.mark.parametrize("field", [*COVARIATES, "subject_reference", "zebe_dee", CANARY])
def test_a_refused_value_is_not_repeated(field: str, client: httpx.Client, server: Server) -> None:
    for value in values():
        if field == "subject_reference" and isinstance(value, str):
            value = CANARY * 20
        patient = {"ecog": 1, "disease": "none", field: value}
        response = client.post("/v1/predictions", json=patient)
        assert response.status_code == 422
        assert_no_trace(response, server)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"ecog": 1, "{CANARY}": 1}}',
        f'{{"ecog": 1, "{CANARY}": 1, "{CANARY}": 2}}',
        f'{{"ecog": 1, "x": {{"{CANARY}": 1, "{CANARY}": 2}}}}',
        f'{{"ecog": {NUMBER}, "ecog": "{CANARY}"}}',
        f'{{"ecog": {CANARY}}}',
        f'{{"ecog": 1, "disease": "{CANARY}',
        f'{{"ecog": NaN, "disease": "{CANARY}"}}',
        f'"{CANARY}"',
        f'["{CANARY}", {NUMBER}]',
        DIGITS * 2,
        CANARY,
        DIGITS * 2_000,
        f'{{"ecog": 1, "subject_reference": "{CANARY}\\ud800"}}',
        f'{{"ecog": 1, "{CANARY}\\ud800": 1}}',
        f'{{"ecog": 1, "age_years": {DIGITS}e999}}',
        f'{{"ecog": 1, "age_years": {DIGITS * 500}}}',
        CANARY * 10_000,
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_refused_body_is_not_repeated(
    body: str, encoding: str, client: httpx.Client, server: Server
) -> None:
    response = client.post("/v1/predictions", content=body.encode(encoding), headers=JSON)
    assert 400 <= response.status_code < 500
    assert_no_trace(response, server)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/v1/predictions?{CANARY}=1"),
        ("POST", f"/v1/predictions?model={CANARY}"),
        ("POST", f"/v1/predictions?curve={CANARY}"),
        ("POST", f"/v1/predictions?horizon_months={DIGITS}"),
        ("POST", f"/v1/predictions?confidence_level=-{DIGITS}"),
        ("POST", f"/v1/predictions/?subject_reference={CANARY}"),
        ("GET", f"/v1/models/?name={CANARY}"),
        ("GET", f"/v1/models/{CANARY}"),
        ("GET", f"/v1/models/{CANARY}/card"),
        ("GET", f"/v1/models/{quote(CANARY * 20)}"),
        ("GET", f"/patients/{CANARY}"),
        ("DELETE", f"/v1/predictions?name={CANARY}"),
        ("ZEBEDEE", "/v1/predictions"),
    ],
)
def test_a_refused_address_is_not_repeated(
    method: str, path: str, client: httpx.Client, server: Server
) -> None:
    response = client.request(method, path, json={"ecog": 1})
    assert 400 <= response.status_code < 500
    assert_no_trace(response, server)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Content-Type", f"text/{CANARY}", 415),
        ("Content-Type", f"application/json; charset={CANARY}", 200),
        ("Idempotency-Key", f"{CANARY} {DIGITS}", 422),
        ("Idempotency-Key", f"{CANARY}-{DIGITS}", 200),
        ("X-API-Key", f"hsct2_{CANARY}_{DIGITS}", 200),
        ("X-Request-Id", f"{CANARY}-{DIGITS}", 200),
        ("Traceparent", f"00-{CANARY}-{DIGITS}-01", 200),
        ("User-Agent", CANARY, 200),
        ("Cookie", f"patient={CANARY}", 200),
        ("Authorization", f"Bearer {CANARY}", 200),
        ("Origin", f"https://{CANARY}.example", 200),
        ("X-Forwarded-For", CANARY, 200),
        ("X-Forwarded-Host", CANARY, 200),
        ("Host", f"{CANARY}.example", 421),
    ],
)
def test_a_header_is_not_repeated(
    name: str, value: str, status: int, client: httpx.Client, server: Server
) -> None:
    response = client.post("/v1/predictions", json={"ecog": 1}, headers={name: value})
    assert response.status_code == status
    assert_no_trace(response, server)


def test_an_answered_patient_stands_in_the_answer_and_not_in_the_log(
    client: httpx.Client, server: Server
) -> None:
    patient = {**FULL_PATIENT, "ferritin_ng_ml": 31337.125, "bmi_kg_m2": 27.8281828}
    response = client.post(
        "/v1/predictions?confidence_level=0.8765432", json={**patient, "subject_reference": CANARY}
    )
    assert response.json()["subject_reference"] == CANARY
    assert "31337.125" in response.text
    log = server.log_up_to_now()
    for trace in (CANARY, "31337", "27.8281828", "0.8765432", "reduced_intensity"):
        assert trace not in log
    category = response.json()["risk"]["category"]
    assert f'"{category}"' not in log


def test_no_name_of_a_covariate_is_ever_logged(client: httpx.Client, server: Server) -> None:
    client.post("/v1/predictions", json=FULL_PATIENT)
    client.post("/v1/predictions", json=dict.fromkeys(COVARIATES, CANARY))
    log = server.log_up_to_now()
    assert [n for n, c in COVARIATES.items() if c.kind is not Kind.GRADE and n in log] == []


def test_what_is_not_http_is_not_repeated(server: Server) -> None:
    status, headers, content = server.raw(f"GET /{CANARY} {CANARY}\r\n\r\n".encode())
    assert status == 400
    assert CANARY not in f"{headers}{content!r}"
    assert CANARY not in server.log_up_to_now()
