"""A real FHIR server in a process of its own: `server.mjs`, over npm's `@medplum/fhir-router`."""

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

import pytest

FOLDER = Path(__file__).parent
CLIENT_ID = "hsct2-loader"
TOKEN = "canary-access-token-4711"

_SECONDS_TO_ANSWER = 30


def _install() -> None:
    """Install the packages of the lock file, once for all workers."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    with (FOLDER / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = FOLDER / "node_modules" / ".package-lock.json"
        wanted = FOLDER / "package-lock.json"
        if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
            return
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            pytest.skip(f"npm could not install the FHIR server: {done.stderr[-500:]}")
        installed.touch()


class FhirServer:
    """The server while it runs; `requests` are those that it was sent, in order."""

    def __init__(self, client_jwk: dict[str, Any]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._jwk = client_jwk

    def __enter__(self) -> Self:
        _install()
        public = {name: value for name, value in self._jwk.items() if name != "d"}
        self._process = subprocess.Popen(
            ["node", "server.mjs"],
            cwd=FOLDER,
            env=os.environ
            | {"TOKEN": TOKEN, "CLIENT_ID": CLIENT_ID, "CLIENT_JWK": json.dumps(public)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._lines = self._process.stdout
        self.address = self._lines.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), "the FHIR server did not start"
        self.base = f"{self.address}/fhir"
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        self._reader.join()
        self._lines.close()

    def paths(self, since: int = 0) -> list[str]:
        """Return the paths that were asked for from the n-th request on, their query included."""
        return [request["path"] for request in self.requests[since:]]

    def wait_for(self, requests: int) -> None:
        """Wait until so many requests are on record: that of an answered one may be late."""
        end = time.monotonic() + _SECONDS_TO_ANSWER
        while len(self.requests) < requests and time.monotonic() < end:
            time.sleep(0.01)

    def _read(self) -> None:
        for line in self._lines:
            self.requests.append(json.loads(line))
