"""Clients that send half a request, or nothing, or never read: others do not notice."""

import asyncio
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import Caller
from tests.faults.process import Victim

HELD = 240
CALLS = 60
MOST_SECONDS = 2.0
SECONDS_TO_SETTLE = 8
"""Less than after which the service closes a connection."""
MOST_IN_FLIGHT = 8
"""Fewer than the connections of each kind."""
_HEAD = b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_UNREAD = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300
"""Asks for more than buffers hold and reads no answer."""
_PARTS = (
    b"",
    b"POST /v1/pred",
    _HEAD,
    _HEAD + b"Content-Length: 11\r\n\r\n" + b'{"ecog": ',
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + b'{"e',
)
HALVES = (*_PARTS * 3, _UNREAD)


@contextmanager
def held(port: int, sent: bytes) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.setblocking(False)
        connection.send(sent)
        yield connection


async def seconds_of_calls(port: int) -> list[float]:
    seconds = []
    async with Caller(port) as caller:
        # What so many ask for while there is room for the answers may be too much at once.
        in_a_row = 0
        async with asyncio.timeout(SECONDS_TO_SETTLE):
            while in_a_row < CALLS:
                answered = (await caller.predict({"ecog": 1})).status == 200
                in_a_row = in_a_row + 1 if answered else 0
        for _ in range(CALLS):
            started = time.perf_counter()
            assert (await caller.predict({"ecog": 1})).status == 200
            seconds.append(time.perf_counter() - started)
    return seconds


@pytest.mark.slow
def test_connections_that_stay_half_open_starve_nobody(tmp_path: Path, saw: Any):
    with Victim(tmp_path, max_in_flight=MOST_IN_FLIGHT) as victim, ExitStack() as connections:
        alone = asyncio.run(seconds_of_calls(victim.port))
        for number in range(HELD):
            connections.enter_context(held(victim.port, HALVES[number % len(HALVES)]))
        beside = asyncio.run(seconds_of_calls(victim.port))
        log = victim.log_up_to_now()
    saw(
        held=HELD,
        median_ms_alone=1000 * statistics.median(alone),
        median_ms_beside=1000 * statistics.median(beside),
        longest_ms_beside=1000 * max(beside),
    )
    assert statistics.median(beside) < 3 * statistics.median(alone) + 0.02
    assert max(beside) < MOST_SECONDS
    assert '"error"' not in log


@pytest.mark.slow
def test_connections_that_end_halfway_leave_nothing_behind(tmp_path: Path):
    with Victim(tmp_path, max_in_flight=MOST_IN_FLIGHT) as victim:
        asyncio.run(seconds_of_calls(victim.port))
        open_files = Path(f"/proc/{victim.pid}/fd")
        before = len(list(open_files.iterdir()))
        for number in range(HELD):
            with held(victim.port, HALVES[number % len(HALVES)]):
                pass
        asyncio.run(seconds_of_calls(victim.port))
        end = time.monotonic() + 10
        while len(list(open_files.iterdir())) > before and time.monotonic() < end:
            time.sleep(0.1)
        assert len(list(open_files.iterdir())) <= before
        assert '"error"' not in victim.log_up_to_now()
