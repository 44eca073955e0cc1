"""How log lines leave the process: as JSON, those of one turn of the event loop together."""

import asyncio
from typing import Any, TextIO

import orjson


def as_json(line: Any, **_: Any) -> str:
    """Return a log line as one line of JSON."""
    return orjson.dumps(line, default=repr).decode()


class Lines:
    """A text file whose flush waits until the loop has done what is due.

    A system call for each line takes as long as a prediction. Outside of the loop each
    line is flushed at once.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._flushes = False
        self.write = file.write

    def flush(self) -> None:
        """Flush, at once or soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._file.flush()
            return
        if not self._flushes:
            self._flushes = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        self._file.flush()
