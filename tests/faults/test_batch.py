"""Batches under strain: memory, callers who stop reading, hang up or never read while they send."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.process import Victim
from tests.service.audit.stores import all_rows, verified
from tests.service.batch.batches import ARROW, NDJSON, PATH, answer_of, arrow, invented, post

FEW, MANY = 10_000, 100_000
MOST_GROWTH_MB = 25.0
"""A tenth of what many rows have more than few; the allocator keeps some of what it had."""


def exchange(
    port: int,
    content: Callable[[], Iterator[bytes]],
    form: str,
    take: Callable[[bytes], None] | None = None,
    *,
    reads_at_once: bool = True,
    query: str = "",
) -> bytes:
    """Send a body in chunks, and read the answer meanwhile or only then; return its last bytes."""
    head = (
        f"POST {PATH}{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {form}\r\n"
        "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:

        def send() -> None:
            with suppress(OSError):  # the service was killed
                connection.sendall(head.encode())
                for part in content():
                    connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
                connection.sendall(b"0\r\n\r\n")

        sender = threading.Thread(target=send)
        sender.start()
        if not reads_at_once:
            sender.join()
        tail = b""
        while data := connection.recv(2**18):
            tail = (tail + data)[-2_000:]
            if take is not None:
                take(data)
        sender.join()
        return tail


def lines(rows: int) -> Callable[[], Iterator[bytes]]:
    some = b"".join(json.dumps(row).encode() + b"\n" for row in invented(1_000).to_pylist())

    def of() -> Iterator[bytes]:
        for _ in range(rows // 1_000):
            yield some

    return of


def batches(rows: int) -> Callable[[], Iterator[bytes]]:
    whole = arrow(invented(1_000), 1_000)
    ends = arrow(invented(1_000).slice(0, 0))
    schema = ends[:-8]
    records = whole[len(schema) : -8]

    def of() -> Iterator[bytes]:
        yield schema
        for _ in range(rows // 1_000):
            yield records
        yield ends[-8:]

    return of


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [peak] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak.split()[1]) / 1e3


@pytest.mark.slow
@pytest.mark.parametrize(("form", "content"), [(NDJSON, lines), (ARROW, batches)])
def test_peak_memory_does_not_grow_with_the_rows(
    form: str, content: Callable[[int], Callable[[], Iterator[bytes]]], tmp_path: Path, saw: Any
) -> None:
    with Victim(tmp_path, audit_url="off") as victim:
        for _ in range(3):
            exchange(victim.port, content(FEW), form)
        before = peak_mb(victim.pid)
        tail = exchange(victim.port, content(MANY), form)
        growth = peak_mb(victim.pid) - before
    assert f'"predicted":{MANY}'.encode() in tail.replace(b"\\", b"")
    saw(rows=MANY, peak_mb=before, growth_mb=growth)
    assert growth < MOST_GROWTH_MB


@pytest.mark.slow
def test_a_caller_who_reads_only_after_sending_gets_the_whole_answer(tmp_path: Path) -> None:
    """An answer of 40 MB is more than any buffer of a socket holds."""
    with Victim(tmp_path, audit_url="off") as victim:
        received = 0

        def count(data: bytes) -> None:
            nonlocal received
            received += len(data)

        tail = exchange(victim.port, lines(MANY), NDJSON, count, reads_at_once=False)
        assert f'"predicted":{MANY}'.encode() in tail
        assert received > 30e6
        assert list((victim.folder / "temporary").iterdir()) == []


@pytest.mark.slow
def test_a_caller_who_hangs_up_ends_the_work_and_what_was_done_is_stored(tmp_path: Path) -> None:
    with Victim(tmp_path, max_batches=1) as victim:
        with socket.create_connection(("127.0.0.1", victim.port), timeout=30) as connection:
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NDJSON}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            )
            connection.sendall(head.encode())
            for part in lines(2_000)():
                connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            read = 0
            while read < 100_000:
                read += len(connection.recv(2**16))
            with victim.client() as client:
                assert post(client, b"[]", "application/json").status_code == 503
        with victim.client() as client:
            end = time.monotonic() + 20
            while (again := post(client, b'{"ecog":1}\n', NDJSON)).status_code == 503:
                assert time.monotonic() < end
                time.sleep(0.1)
        assert answer_of(again)[1]["complete"]
        assert '"error"' not in victim.log_up_to_now()
    report = verified(victim.place, victim.heads())
    assert report.is_sound, report.problems
    kept = [row.channel for row in all_rows(victim.place)]
    assert kept.count("batch-header") == 2
    assert kept.count("batch-end") == 1  # of the batch that was read to its end
    assert kept.count("batch") >= read / 1_000


@pytest.mark.slow
def test_a_killed_service_loses_no_row_that_was_answered(tmp_path: Path) -> None:
    answered = bytearray()
    with Victim(tmp_path) as victim:

        def take(data: bytes) -> None:
            before = len(answered)
            answered.extend(data)
            if before <= 400_000 < len(answered):
                victim.kill()

        with suppress(OSError):
            exchange(victim.port, lines(15_000), NDJSON, take)
    told = [line for line in bytes(answered).split(b"\n") if line.startswith(b'{"row"')]
    ids = {json.loads(line)["prediction_id"] for line in told[:-1]}
    with Victim(tmp_path) as again:
        report = verified(again.place, again.heads())
        assert report.is_sound, report.problems
        stored = {row.prediction_id for row in all_rows(again.place)}
    assert len(ids) > 500
    assert ids <= stored


@pytest.mark.slow
def test_single_calls_are_answered_beside_batches(tmp_path: Path, saw: Any) -> None:
    with Victim(tmp_path) as victim, victim.client() as client:
        worker = threading.Thread(
            target=exchange, args=(victim.port, lines(6_000), NDJSON), daemon=True
        )
        worker.start()
        longest = 0.0
        calls = 0
        while worker.is_alive():
            started = time.perf_counter()
            answer = client.post("/v1/predictions", json={"ecog": 1})
            assert answer.status_code == 200
            longest = max(longest, time.perf_counter() - started)
            calls += 1
        saw(calls=calls, longest_ms=1000 * longest)
        assert calls > 3
        assert longest < 5
        httpx.get(f"{victim.address}/readyz").raise_for_status()
