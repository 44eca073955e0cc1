"""The process around the app: its signals, its slow connections and its end."""

import asyncio
import gc
import signal
import socket
import time
from contextlib import suppress
from typing import Any, cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.lifecycle import Lifecycle
from service.limits import BODY_IS_HERE
from service.registry import ReloadError
from service.settings import Settings

SECONDS_TO_ASK = 10.0
"""How long a connection may take to send the head of its next request."""

_SECONDS_TO_READ = 30.0
_OBJECTS_UNTIL_COLLECTED = 20_000
_FINAL_HEADS = tuple(b"HTTP/1.1 %d" % first for first in (2, 3, 4, 5))


class _OneWrite:
    """A transport that holds the head of an answer back until its body comes.

    uvicorn writes them apart, and a system call takes as long as a prediction.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._head and data.startswith(_FINAL_HEADS):
            self._head = data
            return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def close(self) -> None:
        self.write(b"")
        self._transport.close()


class _Connection(H11Protocol):
    """A connection that ends unless each request's head comes, and its answer is read, in time.

    uvicorn's own limit begins with the end of an answer and ends with the next byte: a
    connection that never asks, or never reads, would be held for ever.
    """

    _too_late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _heard_at = 0.0
    _awaits_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", _OneWrite(transport))
        self._await_a_head()

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.more_body:
            self.cycle.scope["state"][BODY_IS_HERE] = True

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        super().data_received(data)
        self._await_a_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(_SECONDS_TO_READ, self._give_up)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        """End the connection, unless the client still sends: it may read once all is sent."""
        silent = self.loop.time() - self._heard_at
        if self.conn.their_state is h11.SEND_BODY and silent < _SECONDS_TO_READ:
            self._unread = self.loop.call_later(_SECONDS_TO_READ - silent, self._give_up)
        else:
            self.transport.abort()

    def _await_a_head(self) -> None:
        """Note since when a head is awaited; the one timer of a connection looks at it."""
        if self.conn.their_state is not h11.IDLE:
            self._awaits_since = None
            return
        if self._awaits_since is None:
            self._awaits_since = self.loop.time()
        if self._too_late is None:
            self._look_again(self._awaits_since)

    def _look_again(self, since: float) -> None:
        self._too_late = self.loop.call_at(since + SECONDS_TO_ASK, self._end_if_too_late)

    def _end_if_too_late(self) -> None:
        self._too_late = None
        if self._awaits_since is None:
            return
        if self.loop.time() - self._awaits_since < SECONDS_TO_ASK:
            self._look_again(self._awaits_since)
        else:
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None


class Server(uvicorn.Server):
    """Reloads the models on SIGHUP, and after SIGTERM turns callers away before it ends.

    First it is not ready but answers, for a load balancer to notice; then it takes no
    more connections, and requests in flight finish, within a bounded time.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            # httptools drops the body of a request that offers to upgrade to HTTP/2.
            http=_Connection,
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
        super().__init__(config)
        self._lifecycle: Lifecycle = app.state.lifecycle
        self._drain_seconds = settings.drain_seconds
        self._exit_at: float | None = None
        self._reloads: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, to connections and to SIGHUP."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._begin_reload)
        # What is loaded stays, and a request leaves nothing in cycles: with Python's own threshold
        # a sixth of its time would go into looking for some.
        gc.freeze()
        gc.set_threshold(_OBJECTS_UNTIL_COLLECTED)
        gc.enable()  # after `service.__main__` disabled it
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end: some time after the signal, unless it comes again."""
        if not await super().on_tick(counter):
            return False
        now = time.monotonic()
        if self._exit_at is None:
            self._lifecycle.draining = True
            self._exit_at = now + self._drain_seconds
        return self.force_exit or now >= self._exit_at

    def _begin_reload(self) -> None:
        task = asyncio.create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        with suppress(ReloadError):  # it was logged, and nobody waits for an answer
            await self._lifecycle.reload()
