"""How much a caller may ask, how much is done at once, how long a body may take."""

import asyncio
import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from model.artifact import Artifact
from service.app import create_app
from service.keys import KeyStore, Scope
from service.limits import Quota, Rates
from service.problems import ProblemError
from service.registry import Registry
from service.server import SECONDS_TO_ASK
from service.settings import Settings
from tests.server import Server, problem

PER_MINUTE = 4
BODY_SECONDS = 1.0
HEAD = b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


class Clock:
    """A clock that stands still unless it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("limited")
    keys = folder / "keys"
    with Server(
        folder / "log",
        auth="api-key",
        api_keys=keys,
        requests_per_minute=PER_MINUTE,
        body_seconds=BODY_SECONDS,
        max_body_bytes=1_000_000,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server that does one thing at once."""
    log = tmp_path_factory.mktemp("narrow") / "log"
    with Server(log, max_in_flight=1, audit_url="off") as server:
        yield server


@pytest.fixture
def key(limited: Server) -> str:
    """Make a caller who has asked nothing so far."""
    return make_key(limited)


def make_key(limited: Server) -> str:
    store = KeyStore(Path(str(limited.settings["api_keys"])))
    return store.create("ward", [Scope.PREDICT], datetime.now(UTC))[1]


def refusal(rates: Rates, caller: str) -> ProblemError:
    with pytest.raises(ProblemError) as refused:
        rates.take(caller)
    assert refused.value.kind.status == 429
    return refused.value


def test_a_bucket_empties_and_fills_again_with_time() -> None:
    clock = Clock()
    rates = Rates(30, clock)
    assert [rates.take("a") for _ in range(30)] == [
        Quota(30, left, 2) for left in range(29, -1, -1)
    ]
    assert refusal(rates, "a").headers["Retry-After"] == "2"
    clock.now += 1.9
    assert refusal(rates, "a").headers["Retry-After"] == "1"
    clock.now += 0.1
    assert rates.take("a") == Quota(30, 0, 2)
    refusal(rates, "a")
    clock.now += 3600
    assert rates.take("a") == Quota(30, 29, 2)


def test_what_retry_after_says_is_enough() -> None:
    clock = Clock()
    rates = Rates(7, clock)
    for _ in range(7):
        rates.take("a")
    for _ in range(20):
        clock.now += float(refusal(rates, "a").headers["Retry-After"])
        assert rates.take("a") is not None


def test_no_more_than_the_limit_is_answered_in_a_minute_however_calls_are_spread() -> None:
    clock = Clock()
    rates = Rates(10, clock)
    answered = 0
    for _ in range(6000):  # ten minutes
        clock.now += 0.1
        try:
            rates.take("a")
        except ProblemError:
            continue
        answered += 1
    assert 10 * 10 <= answered <= 10 * 10 + 10


def test_one_caller_does_not_use_up_what_another_has() -> None:
    rates = Rates(1, Clock())
    rates.take("a")
    refusal(rates, "a")
    assert rates.take("b") == Quota(1, 0, 60)


def test_no_limit_means_no_limit_and_no_fields(client: httpx.Client) -> None:
    rates = Rates(0, Clock())
    assert {rates.take("a") for _ in range(1000)} == {None}
    assert "RateLimit" not in client.get("/v1/models").headers


def test_each_answer_says_what_is_left_and_the_last_when_to_try_again(
    limited: Server, key: str
) -> None:
    with limited.client(**{"X-API-Key": key}) as client:
        responses = [client.get("/v1/models") for _ in range(PER_MINUTE - 1)]
        responses.append(client.post("/v1/predictions", content=b"{"))
        refused = client.post("/v1/predictions", json={"ecog": 1})
        exempt = [client.get(path) for path in ("/livez", "/readyz")]
    assert [r.status_code for r in responses] == [200, 200, 200, 415]
    for left, response in zip((3, 2, 1, 0), responses, strict=True):
        assert response.headers["RateLimit-Policy"] == f'"caller";q={PER_MINUTE};w=60'
        assert re.fullmatch(f'"caller";r={left};t=1[45]', response.headers["RateLimit"])
        assert "Retry-After" not in response.headers
    body = problem(refused, 429, "rate-limited")
    assert body["detail"] == "A caller may make 4 calls a minute."
    wait = refused.headers["Retry-After"]
    assert int(wait) in (14, 15)
    assert refused.headers["RateLimit"] == f'"caller";r=0;t={wait}'
    for response in exempt:
        assert response.status_code == 200
        assert "RateLimit" not in response.headers


def test_a_limit_is_for_each_key_and_not_for_all(limited: Server, key: str) -> None:
    with limited.client(**{"X-API-Key": key}) as client:
        assert [client.get("/v1/models").status_code for _ in range(5)][-1] == 429
    with limited.client(**{"X-API-Key": make_key(limited)}) as client:
        assert client.get("/v1/models").status_code == 200


def _app(shipped: Artifact, **settings: object) -> FastAPI:
    registry = Registry({"hsct2-os@1.0.0": shipped}, {}, "hsct2-os")
    return create_app(Settings.model_validate(settings), registry)


async def _at_once(app: FastAPI, count: int, path: str, *more: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:

        async def ask(path: str) -> httpx.Response:
            if path == "/v1/predictions":
                return await client.post(path, json={"ecog": 1})
            return await client.get(path)

        return await asyncio.gather(*(ask(p) for p in [*[path] * count, *more]))


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/models"])
def test_what_is_too_much_at_once_is_told_to_come_again_and_the_rest_is_answered(
    path: str, shipped: Artifact
) -> None:
    app = _app(shipped, max_in_flight=5)
    with capture_logs():
        responses = asyncio.run(_at_once(app, 40, path, "/livez", "/readyz", "/metrics"))
        later = asyncio.run(_at_once(app, 5, path))
    *asked, alive, ready, metrics = responses
    answered = [r for r in asked if r.status_code == 200]
    shed = [r for r in asked if r.status_code != 200]
    assert len(answered) >= 5
    assert len(shed) >= 20
    for response in shed:
        problem(response, 503, "overloaded")
        assert response.headers["Retry-After"] == "1"
    assert [r.status_code for r in (alive, ready, metrics)] == [200] * 3
    assert [r.status_code for r in later] == [200] * 5


def test_every_place_is_given_back_whatever_came_of_the_request(shipped: Artifact) -> None:
    app = _app(shipped, max_in_flight=2, max_body_bytes=1024)
    paths = ["/v1/models/none", "/nowhere", "/v1/predictions?x=1", "/docs", "/v1/models"]
    with capture_logs():
        for _ in range(3):
            for path in paths:
                (response,) = asyncio.run(_at_once(app, 1, path))
                assert response.status_code != 503


def test_clients_that_are_slow_to_send_keep_nobody_out(narrow: Server) -> None:
    with (
        narrow.client() as client,
        narrow.half_a_prediction() as first,
        narrow.half_a_prediction(),
    ):
        for _ in range(5):
            assert client.post("/v1/predictions", json={"ecog": 1}).status_code == 200
        first.sendall(b"1}")
        assert first.recv(100).startswith(b"HTTP/1.1 200 ")


def test_clients_that_are_slow_to_read_keep_nobody_out(narrow: Server) -> None:
    with narrow.client() as client, socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect(("127.0.0.1", narrow.port))
        unread.sendall(b"GET /v1/models/hsct2-os/report HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
        in_flight = ""
        while "hsct2_requests_in_flight 2.0" not in in_flight:  # it, and the one that asks
            in_flight = client.get("/metrics").text
        for _ in range(5):
            time.sleep(0.1)
            assert client.post("/v1/predictions", json={"ecog": 1}).status_code == 200


def test_a_body_that_does_not_arrive_is_not_waited_for(limited: Server, key: str) -> None:
    began = time.monotonic()
    head = HEAD + f"X-API-Key: {key}\r\nContent-Length: 11\r\n\r\n".encode()
    status, headers, content = limited.raw(head + b'{"ecog"')
    assert BODY_SECONDS <= time.monotonic() - began < BODY_SECONDS + 3
    assert status == 408
    assert headers["connection"] == "close"
    assert b'"urn:hsct2-risk:problem:body-too-slow"' in content


def test_a_body_that_trickles_is_cut_off_too(limited: Server, key: str) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", limited.port), timeout=20) as connection:
        connection.sendall(HEAD + f"X-API-Key: {key}\r\nContent-Length: 999\r\n\r\n".encode())
        connection.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() - began < 10:
            connection.sendall(b" ")
            try:
                answer = connection.recv(100)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert BODY_SECONDS <= time.monotonic() - began < BODY_SECONDS + 3


def test_a_large_body_gets_more_time_than_a_small_one(limited: Server, key: str) -> None:
    parts = [b'{"ecog": 1'.ljust(65_536), *[b" " * 65_536] * 2, b"}"]

    def slowly() -> Iterator[bytes]:
        for part in parts:
            yield part
            time.sleep(0.6 * BODY_SECONDS)

    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    with limited.client(**headers) as client:
        assert client.post("/v1/predictions", content=slowly()).status_code == 200


@pytest.mark.slow
def test_a_connection_that_does_not_ask_is_closed(server: Server) -> None:
    began = time.monotonic()
    address = ("127.0.0.1", server.port)
    with (
        socket.create_connection(address, timeout=30) as silent,
        socket.create_connection(address, timeout=30) as half_open,
    ):
        half_open.sendall(b"GET /livez HTTP/1.1\r\nHost: loc")
        assert silent.recv(100) == half_open.recv(100) == b""
    assert SECONDS_TO_ASK - 1 < time.monotonic() - began < SECONDS_TO_ASK + 5
