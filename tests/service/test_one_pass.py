"""The short way from bytes to a patient admits what the explaining way admits, and nothing else."""

import json
import socket
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from service.body import parse_object
from service.predictions import PredictionRequest
from service.problems import ProblemError
from tests.server import FULL_PATIENT, Server

quick = settings(max_examples=200, deadline=None)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 120),
    st.floats(allow_nan=True),
    st.sampled_from(["AML", "ALL", "myeloablative", "58", "", "a:b", "\ud800", "\x00"]),
    st.lists(st.integers(), max_size=1),
    st.dictionaries(st.sampled_from(["ecog", "x"]), st.integers(0, 4), max_size=2),
)
names = st.sampled_from([*FULL_PATIENT, "subject_reference", "egoc"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A patient with some values replaced and some keys written twice."""
    pairs: list[tuple[str, Any]] = list(FULL_PATIENT.items())
    pairs = draw(st.lists(st.sampled_from(pairs), max_size=14))
    pairs += draw(st.lists(st.tuples(names, values), max_size=2))
    members = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return f"{{{members}}}".encode()


def explained(content: bytes) -> PredictionRequest | None:
    with suppress(ProblemError, ValidationError):
        return PredictionRequest.model_validate(parse_object(content))
    return None


@quick
@given(bodies())
def test_both_ways_admit_the_same_patients(content: bytes) -> None:
    in_one_pass, by_parts = PredictionRequest.of_json(content), explained(content)
    if in_one_pass is not None:
        assert in_one_pass == by_parts
        assert by_parts is not None
        assert in_one_pass.model_fields_set == by_parts.model_fields_set
    elif by_parts is not None:  # only a text with a colon is looked at twice
        assert ":" in str(by_parts.subject_reference)


@pytest.mark.parametrize(
    "content",
    [
        b'{"ecog": 1, "ecog": 1}',
        b'{"ecog": 1, "\\u0065cog": 2}',
        b'{"ecog": 1, "subject_reference": "a", "subject_reference": "b"}',
        b'\xef\xbb\xbf{"ecog": 1}',
        b'{"ecog": 1} {}',
        b'{"ecog": NaN}',
        b'{"ecog": 1, "age_years": Infinity}',
        b'{"ecog": 1, "age_years": 1e999}',
        b'{"ecog": 1, "subject_reference": "\\ud800"}',
        b'{"ecog": "1"}',
        b"[1]",
        b"",
    ],
)
def test_what_has_to_be_explained_is_not_admitted_in_one_pass(content: bytes) -> None:
    assert PredictionRequest.of_json(content) is None
    assert explained(content) is None


def test_a_reference_with_a_colon_is_admitted(client: httpx.Client) -> None:
    patient = {"ecog": 1, "subject_reference": "ward:7"}
    answer = client.post("/v1/predictions", json=patient)
    assert answer.json()["subject_reference"] == "ward:7"


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


QUERIES = ["", "horizon_months=6&horizon_months=12&horizon_months=24", "confidence_level=0.95"]


@pytest.mark.parametrize("query", QUERIES)
def test_the_short_way_and_fastapis_give_the_same_answer(client: httpx.Client, query: str) -> None:
    # A request with an Authorization header is left to FastAPI; without keys it is not read.
    ways: list[dict[str, str]] = [{}, {"Authorization": "Bearer x"}]
    answers = [
        client.post(f"/v1/predictions?{query}", json=FULL_PATIENT, headers=headers)
        for headers in ways
    ]
    short, long = (
        {k: v for k, v in a.json().items() if k not in ("prediction_id", "created_at")}
        for a in answers
    )
    assert short == long
    names = [sorted(name for name in a.headers if name != "date") for a in answers]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    "query",
    ["nonsense=1", "curve=maybe", "curve=true&curve=false", "horizon_months=0", "model="],
)
def test_a_query_that_is_not_as_it_should_be_is_left_to_fastapi(
    client: httpx.Client, query: str
) -> None:
    ways: list[dict[str, str]] = [{}, {"Authorization": "Bearer x"}]
    short, long = (
        client.post(f"/v1/predictions?{query}", json=FULL_PATIENT, headers=headers)
        for headers in ways
    )
    assert short.status_code == long.status_code
    if short.status_code != 200:
        ours, theirs = short.json(), long.json()
        assert {**ours, "request_id": ""} == {**theirs, "request_id": ""}


def test_a_client_that_asks_whether_to_continue_is_told_before_its_body(server: Server) -> None:
    body = json.dumps({"ecog": 1}).encode()
    with connected(server) as connection:
        connection.sendall(
            b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_an_answer_without_a_body_is_not_held_back(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"HEAD /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404 ")
