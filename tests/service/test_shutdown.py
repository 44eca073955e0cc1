"""SIGTERM: the service says that it is not ready, finishes what it began, and ends in time."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, problem


def read_to_end(server: Server, rest: bytes) -> bytes:
    """Send a half prediction, SIGTERM, then the rest; return what came back."""
    with server.half_a_prediction() as connection:
        server.signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(rest)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_a_request_in_flight_is_finished_before_the_process_ends(tmp_path: Path) -> None:
    with Server(tmp_path / "log") as server:
        answer = read_to_end(server, b"1}")
        assert server.wait() == -signal.SIGTERM
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["risk"]["ecog"] == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.address}/livez")
    assert "Finished server process" in server.log()


def test_while_it_drains_the_service_answers_but_is_not_ready(tmp_path: Path) -> None:
    with Server(tmp_path / "log", drain_seconds=1.5, audit_url="off") as server:
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        time.sleep(0.4)
        with server.client() as client:
            body = problem(client.get("/readyz"), 503, "not-ready")
            assert body["detail"] == "The service is about to stop."
            assert client.get("/livez").status_code == 200
            assert client.post("/v1/predictions", json={"ecog": 1}).status_code == 200
        assert server.wait() == -signal.SIGTERM
        assert 1.5 <= time.monotonic() - began < 6


def test_a_request_that_does_not_end_does_not_hold_the_process(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "log", shutdown_seconds=1, audit_url="off") as server,
        server.half_a_prediction(),
    ):
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.wait()
        assert 1 <= time.monotonic() - began < 6
    assert "Traceback" not in server.log()


def test_an_idle_service_ends_at_once(tmp_path: Path) -> None:
    with Server(tmp_path / "log", audit_url="off") as server, server.client() as client:
        client.get("/livez")  # and its connection stays open
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.wait()
        assert time.monotonic() - began < 3


@pytest.fixture
def heard() -> Iterator[None]:
    """Let SIGINT be heard by what is started, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with Server(tmp_path / "log", audit_url="off") as server:
        server.signal(signal.SIGINT)
        assert server.wait() == 130
    assert "Traceback" not in server.log()
