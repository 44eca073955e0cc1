"""An answer on its way out.

Many clients send the whole of a body before they read anything. If an answer only waited
for such a client, and the client for the service, neither would go on. So what a client
does not read while it still sends goes to a temporary file without a name; from when the
body is there, the answer waits for its reader.
"""

import asyncio
import tempfile
from collections import deque
from contextlib import suppress
from typing import IO

from starlette.types import Send

MOST_HELD_BYTES = 2**20
MOST_SPOOLED_BYTES = 2**32
_READ_BYTES = 2**18


class Outbox:
    """Sends pieces in their order, while the next ones are made."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._spool: IO[bytes] | None = None
        self._written = self._read = 0
        self._closed = False
        self._failure: BaseException | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._drain())

    async def put(self, piece: bytes, *, may_wait: bool) -> None:
        """Send a piece in its turn; return once there is a place for it.

        Parameters
        ----------
        may_wait : whether the client only has to read for the answer to go on
        """
        if not piece:
            return
        async with self._changed:
            if may_wait:
                await self._changed.wait_for(lambda: self._failure or self._has_room())
            if self._failure is not None:
                raise self._failure
            if self._spooled == 0 and self._held_bytes < MOST_HELD_BYTES:
                self._held.append(piece)
                self._held_bytes += len(piece)
            elif self._written >= MOST_SPOOLED_BYTES:
                raise OSError("more is unread than is kept")
            else:
                self._to_spool(piece)
            self._changed.notify_all()

    async def finish(self) -> None:
        """Return once everything is sent."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
        await self._task
        self._close_spool()

    async def abandon(self) -> None:
        """Send nothing more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task
        self._close_spool()

    @property
    def _spooled(self) -> int:
        return self._written - self._read

    def _has_room(self) -> bool:
        return self._spooled == 0 and self._held_bytes < MOST_HELD_BYTES

    def _to_spool(self, piece: bytes) -> None:
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(prefix="hsct2-risk-")  # noqa: SIM115  closed below
        self._spool.seek(self._written)
        self._spool.write(piece)
        self._written += len(piece)

    def _from_spool(self) -> bytes:
        assert self._spool is not None
        self._spool.seek(self._read)
        piece = self._spool.read(min(_READ_BYTES, self._spooled))
        self._read += len(piece)
        if self._spooled == 0:
            self._written = self._read = 0
            self._spool.truncate(0)
        return piece

    async def _drain(self) -> None:
        try:
            while (piece := await self._next()) is not None:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:
            async with self._changed:
                self._failure = error
                self._changed.notify_all()
            raise

    async def _next(self) -> bytes | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._held or self._spooled or self._closed)
            if self._held:
                piece = self._held.popleft()
                self._held_bytes -= len(piece)
            elif self._spooled:
                piece = self._from_spool()
            else:
                return None
            self._changed.notify_all()
            return piece

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None
