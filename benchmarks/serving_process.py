"""A service in a process of its own, and what the kernel says of it."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.server import FULL_PATIENT, ROOT

PATH = "/v1/predictions"
BODY = json.dumps(FULL_PATIENT)

_TICKS = os.sysconf("SC_CLK_TCK")
_SECONDS_TO_START = 120


def from_bytecode(folder: Path) -> dict[str, str]:
    """Return an environment without our settings, in which modules come from bytecode.

    As they do in the image; the run before the measured ones makes it, in the folder.
    """
    ours = {k: v for k, v in os.environ.items() if not k.startswith("HSCT2_")}
    return ours | {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
    }


class Service:
    """A process that answers one kind of request; `start` returns at its first 200."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        settings: Mapping[str, str] | None = None,
        key: str | None = None,
        path: str = PATH,
        body: str = BODY,
    ) -> None:
        self.port = port
        self.key = key
        self.path = path
        self.body = body
        self._command = list(command)
        self._log = log
        self._environment = from_bytecode(log.parent)
        self._environment |= settings or {}

    def __enter__(self) -> "Service":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> float:
        """Start, and return the seconds until the first prediction was answered."""
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        while self._process.poll() is None:
            try:
                status, _ = self.ask()
            except OSError:
                status = 0
            if status == 200:
                return time.perf_counter() - began
            if time.perf_counter() - began > _SECONDS_TO_START:
                break
            time.sleep(0.005)
        raise RuntimeError(f"{self._command} answers nothing; see {self._log}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def ask(self) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["X-API-Key"] = self.key
        try:
            connection.request("POST", self.path, self.body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @property
    def cpu_seconds(self) -> float:
        """What the process has used of the processors, all threads together."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
