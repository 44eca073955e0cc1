"""Bodies, headers, addresses and queries that nobody sends in good faith."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from model.patient import COVARIATES
from tests.faults.process import Victim
from tests.faults.scale import SCALE
from tests.server import FULL_PATIENT, problem
from tests.service.audit.stores import verified

CANARY = "Zebedee-Quux"
NUMBER = 7313717
FIELDS = [*COVARIATES, "subject_reference"]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with Victim(tmp_path_factory.mktemp("hostile"), max_body_bytes=20_000) as started:
        yield started
    assert verified(started.place, started.heads()).is_sound


@pytest.fixture(scope="module")
def client(victim: Victim) -> Iterator[httpx.Client]:
    with victim.client() as opened:
        yield opened


def marked(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return texts that are known again wherever they come back."""
    return texts.map(lambda text: f"{text[:20]}{CANARY}{text[20:]}")


any_text = st.text(max_size=60)  # surrogates are left to the bytes
wild_numbers = st.sampled_from(
    [0, -0.0, 5, NUMBER, -NUMBER, NUMBER / 8, 2**63, -(2**64), 10**400, 1e308, 5e-324, 1.5]
)
numbers = wild_numbers | st.integers() | st.floats(allow_nan=True, allow_infinity=True)
leaves = st.none() | st.booleans() | numbers | marked(any_text) | st.just("")
keys = st.sampled_from(FIELDS) | marked(any_text) | st.just("") | st.just("__proto__")
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def patients() -> st.SearchStrategy[Any]:
    """Return patients of whom some fields are anything, and some are too many."""
    changes = st.dictionaries(keys, values, max_size=5)
    gone = st.sets(st.sampled_from(FIELDS), max_size=4)
    return st.builds(
        lambda change, without: {
            k: v for k, v in {**FULL_PATIENT, **change}.items() if k not in without
        },
        changes,
        gone,
    )


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def cut_or_changed(draw: st.DrawFn) -> bytes:
    """Return the JSON of a patient with bytes put in, changed or cut off."""
    body = bytearray(encoded(draw(patients())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body)


def deep(depth: int, opening: str) -> bytes:
    return ('{"ecog": 1, "x": ' + opening * depth).encode()


bodies = st.one_of(
    values.map(encoded),
    patients().map(encoded),
    cut_or_changed(),
    st.binary(max_size=200),
    st.builds(deep, st.integers(1, 5_000), st.sampled_from(["[", '{"a":', '[{"ecog":'])),
    st.integers(1, 6_000).map(lambda n: f'{{"ecog": 1, "age_years": {"7" * n}}}'.encode()),
    st.integers(1, 500).map(lambda n: f'{{"ecog": 1, "ldh_u_l": 1e{n}}}'.encode()),
    st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "utf-7"]).map(
        lambda name: json.dumps({"ecog": 1, "disease": CANARY}).encode(name)
    ),
    st.sampled_from([r"\ud800", r"\udfff\ud800", r"\u0000", "\x00", r"\uffff", "\x7f"]).map(
        lambda text: f'{{"ecog": 1, "subject_reference": "{CANARY}{text}"}}'.encode()
    ),
    st.integers(1, 3).map(lambda n: b'{"ecog": 1}'.ljust(n * 15_000)),
)
header_texts = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60
)
headers = st.dictionaries(
    st.sampled_from(
        [
            "Accept",
            "Accept-Encoding",
            "Authorization",
            "Content-Encoding",
            "Content-Type",
            "Cookie",
            "Expect",
            "Idempotency-Key",
            "If-Match",
            "Origin",
            "Range",
            "Traceparent",
            "X-API-Key",
            "X-Forwarded-Host",
            "X-HTTP-Method-Override",
            "X-Request-Id",
        ]
    ),
    marked(header_texts).map(lambda text: text.strip().encode("latin-1")),
    max_size=3,
).filter(lambda h: "Content-Type" not in h or len(h) == 1)
queries = st.dictionaries(
    st.sampled_from(["model", "horizon_months", "confidence_level", "curve"]) | marked(any_text),
    st.sampled_from(["", "nan", "inf", "1e999", "-0", "0.5", "true", str(NUMBER)])
    | marked(any_text),
    max_size=2,
)
tails = st.sampled_from(["", "", "", "", "/", "/..", "/batch", "%00", "/%2e%2e/models"])
paths = tails | marked(any_text).map(lambda text: f"/{quote(text, safe='')}")


def send(
    client: httpx.Client, body: bytes, sent: dict[str, bytes], query: dict[str, str], tail: str
) -> httpx.Response:
    given_headers = {"Content-Type": b"application/json", **sent}
    headers = [(name.encode(), value) for name, value in given_headers.items()]
    return client.post(f"/v1/predictions{tail}", content=body, headers=headers, params=query)


def refused_or_answered(response: httpx.Response) -> None:
    if response.status_code == 200:
        return  # an answer does say what was asked
    assert 400 <= response.status_code < 500
    problem(response, response.status_code, response.json()["type"].rpartition(":")[2])
    for place in (response.text, str(response.headers.multi_items())):
        assert "zebedee" not in place.casefold()
        assert str(NUMBER) not in place


bounded = settings(
    max_examples=SCALE.hostile_bodies,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@bounded
@given(body=bodies)
def test_no_body_makes_the_service_fail_or_comes_back(body: bytes, client: httpx.Client):
    refused_or_answered(send(client, body, {}, {}, ""))


@pytest.mark.slow
@bounded
@given(body=bodies, sent=headers, query=queries, tail=paths)
def test_no_header_query_or_address_does_either(
    body: bytes, sent: dict[str, bytes], query: dict[str, str], tail: str, client: httpx.Client
):
    refused_or_answered(send(client, body, sent, query, tail))


@pytest.mark.slow
def test_after_all_that_a_patient_gets_the_usual_answer(victim: Victim, client: httpx.Client):
    response = client.post("/v1/predictions", json=FULL_PATIENT)
    assert response.status_code == 200
    log = victim.log_up_to_now()
    assert '"status":200' in log
    assert '"status":5' not in log
    assert "zebedee" not in log.casefold()
