"""A real server process for tests, and what they read from its answers."""

import asyncio
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from fastapi import FastAPI

ROOT = Path(__file__).parent.parent

FULL_PATIENT: dict[str, Any] = {
    "ecog": 2,
    "age_years": 41,
    "bmi_kg_m2": 24.5,
    "disease": "ALL",
    "conditioning": "reduced_intensity",
    "post_transplant_cyclophosphamide": True,
    "donor_chimerism_percent": 81.5,
    "cd34_dose_10e6_per_kg": 5.9,
    "hemoglobin_g_dl": 9.1,
    "lymphocytes_10e9_l": 0.8,
    "ldh_u_l": 260,
    "ferritin_ng_ml": 1150,
}
"""A patient of whom everything is known."""

_SECONDS_TO_START = 60
_RUNNING = re.compile(r"Uvicorn running on http://\S+:(\d+) ")


def environment(**settings: object) -> dict[str, str]:
    """Return the process environment with these settings of ours and no other."""
    rest = {k: v for k, v in os.environ.items() if not k.startswith("HSCT2_")}
    return rest | {f"HSCT2_{name.upper()}": str(value) for name, value in settings.items()}


def run_service(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run ``python -m service`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


class Server:
    """``python -m service serve`` on a port of its own choice, with its log in a file."""

    def __init__(self, log_file: Path, **settings: object) -> None:
        self._log_file = log_file
        self.settings: dict[str, object] = {
            "port": 0,
            "api_keys": log_file.with_suffix(".keys"),
            "audit_url": f"sqlite:///{log_file.with_suffix('.audit.db')}",
            "audit_key": log_file.with_suffix(".audit.pem"),
        }
        self.settings |= settings

    def __enter__(self) -> Self:
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve"],
                cwd=ROOT,
                env=environment(**self.settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = self._port()
        self.address = f"http://127.0.0.1:{self.port}"
        httpx.get(f"{self.address}/readyz").raise_for_status()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    @contextmanager
    def half_a_prediction(self, key: str = "") -> Iterator[socket.socket]:
        """Hold a connection whose request has begun, with a part of its body still to come.

        The rest of the body is ``1}``.
        """
        credentials = f"X-API-Key: {key}\r\n".encode() if key else b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(
                b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 11\r\n"
                b"Connection: close\r\n" + credentials + b'\r\n{"ecog": '
            )
            time.sleep(0.2)
            yield connection

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end of a process that was told to stop; return its exit code."""
        return self._process.wait(timeout=30)

    def _port(self) -> int:
        end = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < end and self._process.poll() is None:
            running = _RUNNING.search(self.log())
            if running:
                return int(running[1])
            time.sleep(0.05)
        self._process.kill()
        raise RuntimeError(f"the service did not start:\n{self.log()}")

    def client(self, **headers: str) -> httpx.Client:
        """Return a client of this server."""
        return httpx.Client(base_url=self.address, headers=headers, timeout=30)

    def log(self) -> str:
        """Return everything that the process has written."""
        return self._log_file.read_text(encoding="utf-8")

    def lines_of(self, request_id: str) -> list[dict[str, Any]]:
        """Return what was logged under a request's id; it is written after the answer."""
        end = time.monotonic() + 10
        while request_id not in self.log() and time.monotonic() < end:
            time.sleep(0.01)
        return [json.loads(line) for line in self.log().splitlines() if request_id in line]

    def log_up_to_now(self) -> str:
        """Return the log once every answer that was received is in it."""
        with self.client() as client:
            self.lines_of(client.get("/livez").headers["X-Request-Id"])
        return self.log()

    def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are; return status, headers in lower case, and body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, response.read()


def in_process(app: FastAPI, method: str, path: str, **request: Any) -> httpx.Response:
    """Send one request to an app that no process serves."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", headers=request.pop("headers", {})
        ) as client:
            return await client.request(method, path, **request)

    return asyncio.run(send())


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """Check that a response is this problem, in the one shape that all have, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert list(body) == ["type", "title", "status", "detail", "request_id", "errors"]
    assert body["type"] == f"urn:hsct2-risk:problem:{name}"
    assert body["status"] == status
    assert body["request_id"] == response.headers["X-Request-Id"]
    for error in body["errors"]:
        assert list(error) == ["field", "code", "message"]
        assert error["message"]
    return body


def refusal(response: httpx.Response, status: int, name: str) -> None:
    """Check that a response is this problem, or the OperationOutcome that says the same."""
    if response.headers["Content-Type"] != "application/fhir+json":
        problem(response, status, name)
        return
    assert response.status_code == status, response.text
    assert response.json()["resourceType"] == "OperationOutcome"
    [issue] = response.json()["issue"]
    assert [coding["code"] for coding in issue["details"]["coding"]] == [name]
    assert issue["diagnostics"] == f"request {response.headers['X-Request-Id']}"


def address_of(template: str) -> str:
    """Return an address of a route, with names of what is there."""
    definitions = {
        "OperationDefinition": "hsct2-risk",
        "StructureDefinition": "hsct2-risk-interval",
        "CodeSystem": "hsct2-risk-tag",
    }
    kind = template.rpartition("/")[0].rpartition("/")[2]
    return template.format(
        model="hsct2-os",
        prediction_id=uuid4(),
        definition_id=definitions.get(kind),
        name="icon.svg",
    )


def field_errors(body: dict[str, Any]) -> list[tuple[str | None, str]]:
    """Return field and code of every error of a problem."""
    return [(error["field"], error["code"]) for error in body["errors"]]
