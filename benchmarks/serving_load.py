"""Load on a service: as much as it takes (wrk), or at a rate, whatever it takes (ours)."""

import json
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks.peer import PeerMissingError
from benchmarks.serving_process import Service

CONNECTIONS = 16
_SCRIPT = Path(__file__).parent / "post.lua"


@dataclass(frozen=True)
class Saturated:
    """What a service answered at full load, and what it used of the processors for it."""

    requests_per_second: float
    cpu_seconds_per_request: float


def saturate(service: Service, seconds: int) -> Saturated:
    """Ask over 16 connections, each as soon as it has its answer."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise PeerMissingError("wrk is not installed: apt-get install wrk")
    url = f"http://127.0.0.1:{service.port}{service.path}"
    load = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(_SCRIPT), url]
    key = [service.key] if service.key else []
    used = service.cpu_seconds
    done = subprocess.run(
        [*load, "--", service.body, *key], check=True, capture_output=True, text=True
    )
    used = service.cpu_seconds - used
    counted = json.loads(done.stdout.splitlines()[-1])
    if counted["errors"]:
        raise RuntimeError(f"{counted['errors']} of {counted['requests']} calls failed")
    seconds_taken = counted["microseconds"] / 1e6
    return Saturated(counted["requests"] / seconds_taken, used / counted["requests"])


def p99_seconds(service: Service, per_second: float, seconds: float) -> float:
    """Ask at a constant rate, and return the 99th percentile of the time to an answer.

    The time counts from when a request was due, so that a service that holds the load
    up is not asked less for it.
    """
    due = [k / per_second for k in range(int(per_second * seconds))]
    taken: list[float] = []
    begin = time.perf_counter() + 0.1
    threads = [
        threading.Thread(target=_ask, args=(service, begin, due[k::CONNECTIONS], taken))
        for k in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(taken) < len(due):
        raise RuntimeError(f"{len(due) - len(taken)} of {len(due)} calls failed")
    return quantiles(taken, n=100)[98]


def _ask(service: Service, begin: float, due: list[float], taken: list[float]) -> None:
    key = f"X-API-Key: {service.key}\r\n" if service.key else ""
    request = (
        f"POST {service.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{key}Content-Length: {len(service.body)}\r\n\r\n{service.body}"
    ).encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in due:
            time.sleep(max(0.0, begin + at - time.perf_counter()))
            connection.sendall(request)
            _read_answer(connection)
            taken.append(time.perf_counter() - begin - at)


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError("a call failed")
    left = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) - len(rest)
    while left > 0:
        left -= len(_some(connection))


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    if not received:
        raise RuntimeError("the service hung up")
    return received
