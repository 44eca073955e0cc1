"""How much a caller may ask, how much is done at once, how long a body may take."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cachetools import TTLCache
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import (
    BODY_TOO_SLOW,
    OVERLOADED,
    RATE_LIMITED,
    ProblemError,
    problem_response,
)

EXEMPT = frozenset({"/livez", "/readyz", "/metrics"})
"""What is answered whatever the load: an overloaded service is not a dead one."""

STREAMED = frozenset({"/v1/predictions/batch"})
"""What has a limit of its own on how many are served at once: its answer begins before its
body ends. Only the time that its body takes is watched here."""

BODY_IS_HERE = "body_is_here"
"""Set in a request's state by a server that has its whole body: there is nothing to wait for."""

LIMITED = (RATE_LIMITED, OVERLOADED)
"""The problems of a route that asks who its caller is."""

_WINDOW_SECONDS = 60
_CALLERS = 10_000
_SECONDS_TO_RETRY = 1
_BYTES_PER_FURTHER_SECOND = 16_384


@dataclass(frozen=True)
class Quota:
    """What a caller has left, as the `RateLimit` fields say it.

    Attributes
    ----------
    per_minute : what a caller may ask in a minute, all at once or spread
    remaining : calls that would be answered now
    seconds : until there is one more
    """

    per_minute: int
    remaining: int
    seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"caller";q={self.per_minute};w={_WINDOW_SECONDS}',
            "RateLimit": f'"caller";r={self.remaining};t={self.seconds}',
        }


class Rates:
    """A token bucket for each caller; 0 calls a minute means no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._per_second = per_minute / _WINDOW_SECONDS
        self._clock = clock
        # A bucket that nobody touched for a window is full, so that it can be forgotten.
        self._buckets: TTLCache[str, tuple[float, float]] = TTLCache(
            _CALLERS, _WINDOW_SECONDS, timer=clock
        )

    def take(self, caller: str) -> Quota | None:
        """Count one call of a caller, and return what is left; None without a limit.

        Raises
        ------
        ProblemError
            429 once the caller has nothing left.
        """
        if self._per_minute == 0:
            return None
        now = self._clock()
        tokens, at = self._buckets.get(caller, (float(self._per_minute), now))
        tokens = min(tokens + (now - at) * self._per_second, self._per_minute)
        allowed = tokens >= 1
        left = tokens - 1 if allowed else tokens
        self._buckets[caller] = (left, now)
        wait = math.ceil((math.floor(left) + 1 - left) / self._per_second)
        quota = Quota(self._per_minute, math.floor(left), max(wait, 1))
        if not allowed:
            raise ProblemError(
                RATE_LIMITED,
                f"A caller may make {self._per_minute} calls a minute.",
                headers={"Retry-After": str(quota.seconds), **quota.headers},
            )
        return quota


class Limits:
    """Serve a bounded number of requests at once, and wait for no body without end.

    A request counts from when its body is there to the end of its answer, but not while
    it waits for a slow client: then it does no work and keeps nobody out. A body has its time,
    and more as it arrives, so that a large one may take long and a trickle may not.
    """

    def __init__(self, app: ASGIApp, max_in_flight: int, body_seconds: float) -> None:
        self._app = app
        self._max_in_flight = max_in_flight
        self._body_seconds = body_seconds
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self._app(scope, receive, send)
            return
        entered = False

        async def enter() -> None:
            nonlocal entered
            if self._in_flight >= self._max_in_flight:
                raise _overloaded()
            self._in_flight += 1
            entered = True
            # What arrived together is counted before any of it is served.
            await asyncio.sleep(0)

        async def send_with_quota(message: Message) -> None:
            quota: Quota | None = scope["state"].get("quota")
            if quota is not None and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(quota.headers)
            # While a client is slow to read, its place is free.
            self._in_flight -= entered
            try:
                await send(message)
            finally:
                self._in_flight += entered

        try:
            if scope["path"] in STREAMED:
                receive = _Body(receive, _never, self._body_seconds).receive
            elif scope["state"].get(BODY_IS_HERE) or not _has_body(scope):
                await enter()
            else:
                receive = _Body(receive, enter, self._body_seconds).receive
            await self._app(scope, receive, send_with_quota)
        except ProblemError as error:  # from `enter` alone: the app answers its own
            request_id = scope["state"]["request_id"]
            response = problem_response(request_id, error.kind, error.detail, (), error.headers)
            await response(scope, receive, send)
        finally:
            self._in_flight -= entered


class _Body:
    """A request's body on its way: ends in time, and then asks to be served."""

    def __init__(
        self, receive: Receive, enter: Callable[[], Awaitable[None]], seconds: float
    ) -> None:
        self._receive = receive
        self._enter = enter
        self._seconds_left = seconds
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds_left):
                message = await self._receive()
        except TimeoutError:
            raise ProblemError(
                BODY_TOO_SLOW,
                "The body did not arrive in time.",
                headers={"Connection": "close"},  # the rest of the body is not read
            ) from None
        # Only waiting counts, not what the service does between two parts of a body.
        self._seconds_left -= time.monotonic() - began
        self._seconds_left += len(message.get("body", b"")) / _BYTES_PER_FURTHER_SECOND
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._complete = True
            await self._enter()
        return message


async def _never() -> None:
    """Take no place."""


def _overloaded() -> ProblemError:
    return ProblemError(
        OVERLOADED,
        "The service does as much at once as it can; try again.",
        headers={"Retry-After": str(_SECONDS_TO_RETRY)},
    )


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
