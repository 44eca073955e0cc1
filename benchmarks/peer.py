"""One R session for all measurements, so that starting R and loading packages is not timed."""

import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from types import TracebackType

_SCRIPT = Path(__file__).parent / "peer.R"


class PeerMissingError(Exception):
    """What we compare with, or a tool to measure it, is not installed."""


class RSession:
    """Runs expressions in R, which starts with the first; each prints one line."""

    def __enter__(self) -> "RSession":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_started:
            self._process.stdin.close()  # type: ignore[union-attr]  # a pipe was asked for
            self._process.wait()

    @property
    def is_started(self) -> bool:
        """Whether anything was asked."""
        return "_process" in vars(self)

    @cached_property
    def _process(self) -> "subprocess.Popen[str]":
        rscript = shutil.which("Rscript")
        if rscript is None:
            raise PeerMissingError("Rscript is not installed: apt-get install r-cran-rms")
        process = subprocess.Popen(
            [rscript, "--vanilla", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if _ask(process, "TRUE") != "TRUE":
            raise PeerMissingError("R's survival and rms are needed: apt-get install r-cran-rms")
        return process

    def ask(self, expression: str) -> str:
        """Evaluate one line of R and return what it gives, as one line."""
        return _ask(self._process, expression)

    def seconds(self, expression: str, times: int = 1) -> float:
        """Return how long R takes for an expression, by R's own clock."""
        return float(self.ask(f"seconds({expression}, {times})"))


def _ask(process: "subprocess.Popen[str]", expression: str) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write(expression + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
