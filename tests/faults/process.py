"""A service process that faults are thrown at, with a store that outlives it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from service.audit.heads import Head, logged_heads
from tests.server import ROOT, Server, environment
from tests.service.audit.stores import Place


class Victim(Server):
    """A service in a folder of its own: it works, logs and keeps temporary files there.

    Started again it is another process, with another log, on the same store.
    """

    def __init__(self, folder: Path, *, prefix: Sequence[str] = (), **settings: object) -> None:
        self.folder = folder
        self.logs: list[Path] = []
        self._prefix = prefix
        super().__init__(folder / "service.log", **settings)
        for name in ("work", "temporary"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        """Start a process, and wait until it is ready."""
        self._log_file = self.folder / f"service-{len(self.logs)}.log"
        self.logs.append(self._log_file)
        places = {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.folder / "temporary"),
            "HOME": str(self.folder / "work"),
        }
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "service", "serve"],
                cwd=self.folder / "work",
                env=environment(**self.settings) | places,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = self._port()
        self.address = f"http://127.0.0.1:{self.port}"
        httpx.get(f"{self.address}/readyz").raise_for_status()
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def place(self) -> Place:
        """Where its store is."""
        return Place(str(self.settings["audit_url"]), Path(str(self.settings["audit_key"])))

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._process.kill()
        self._process.wait(timeout=20)

    def resident_mb(self) -> float:
        """Return how much memory the process has."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def readiness(self) -> dict[str, Any]:
        """Return what the service says of itself."""
        with self.client() as client:
            told: dict[str, Any] = client.get("/readyz").json()
        return told

    def heads(self) -> list[Head]:
        """Return the heads of the audit chains that its processes logged."""
        return [
            head for log in self.logs for head in logged_heads(log.read_text("utf-8").splitlines())
        ]
