"""A request's body on its way in: read ahead by a little, and no further."""

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.batch.errors import TooLargeError

_READ_AHEAD_BYTES = 2**20


class Inbox:
    """Receives while what came before is worked on, and notices a caller who hangs up."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._left = most_bytes
        self._held = bytearray()
        self._complete = False
        self._failure: Exception | None = None
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._fill())

    @property
    def is_complete(self) -> bool:
        """Whether nothing more will come."""
        return self._complete or self._failure is not None

    @property
    def is_abandoned(self) -> bool:
        """Whether the caller has gone."""
        return isinstance(self._failure, ClientDisconnect)

    async def take(self) -> bytearray | None:
        """Return what came, once something did; None at the end.

        Raises
        ------
        TooLargeError, ProblemError
            If the body is too large or too slow, after what came before.
        ClientDisconnect
            At once, if the caller has gone.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._held or self.is_complete)
            if self.is_abandoned or (self._failure is not None and not self._held):
                assert self._failure is not None
                raise self._failure
            if not self._held:
                return None
            taken, self._held = self._held, bytearray()
            self._changed.notify_all()
            return taken

    async def close(self) -> None:
        """Receive nothing more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _fill(self) -> None:
        try:
            while True:
                message = await self._receive()
                async with self._changed:
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect  # noqa: TRY301  it is told below, as all else
                    self._keep(message.get("body", b""))
                    if not self._complete:
                        self._complete = not message.get("more_body", False)
                    self._changed.notify_all()
                    await self._changed.wait_for(
                        lambda: len(self._held) < _READ_AHEAD_BYTES or self._complete
                    )
        except Exception as error:  # whoever takes hears of it
            async with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _keep(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError(f"A batch of this content type may have {self._most_bytes} bytes.")
        self._held += data
