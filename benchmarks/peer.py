"""One R session for all measurements, so that starting R and loading packages is not timed."""

import shutil
import subprocess
from pathlib import Path
from types import TracebackType

_SCRIPT = Path(__file__).parent / "peer.R"


class PeerMissingError(Exception):
    """R, or a package of it, is not installed."""


class RSession:
    """Runs expressions in R; each prints one line."""

    def __enter__(self) -> "RSession":
        rscript = shutil.which("Rscript")
        if rscript is None:
            raise PeerMissingError("Rscript is not installed: apt-get install r-cran-rms")
        self._process = subprocess.Popen(
            [rscript, "--vanilla", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.ask("TRUE") != "TRUE":
            raise PeerMissingError("R's survival and rms are needed: apt-get install r-cran-rms")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]  # a pipe was asked for
        self._process.wait()

    def ask(self, expression: str) -> str:
        """Evaluate one line of R and return what it gives, as one line."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(expression + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def seconds(self, expression: str, times: int = 1) -> float:
        """Return how long R takes for an expression, by R's own clock."""
        return float(self.ask(f"seconds({expression}, {times})"))
