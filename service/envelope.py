"""What goes around every request: its id, its headers, its count, and one line in the log."""

import time
import traceback
from collections.abc import Sequence

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from service.headers import WithDocumentPolicy, secured
from service.metrics import Metrics
from service.problems import INTERNAL, MISDIRECTED, problem_response

REQUEST_ID_HEADER = "X-Request-Id"
_NAME = REQUEST_ID_HEADER.lower().encode()

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
"""What a log or a metric may name; any other method is a caller's own words."""


class Envelope:
    """Give each request an id, answer only to known hosts, log and count what came of it.

    The id is ours: one that a caller sends could carry a patient's value. A log
    line holds the route's template, not the address, and of a failure its kind
    and place, not its message. A failure is answered here, so that it has an id too.
    """

    def __init__(self, app: ASGIApp, answered_hosts: Sequence[str], metrics: Metrics) -> None:
        self._app = app
        self._answered_hosts = answered_hosts
        self._metrics = metrics
        self._log = structlog.get_logger("request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = str(uuid7())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        answer = _Answer(send, scope["path"], request_id)
        failure: dict[str, object] = {}
        gone = False
        self._metrics.began()
        try:
            if not self._answered_hosts or self._answers_to(scope):
                await self._app(scope, receive, answer.send)
            else:
                detail = "The Host header names a host that this service does not answer to."
                response = problem_response(request_id, MISDIRECTED, detail)
                await response(scope, receive, answer.send)
        except ClientDisconnect:  # no failure of ours, and nobody is there to be answered
            gone = True
        except Exception as error:  # its message could hold values
            failure = {"error": type(error).__name__, "at": _place(error)}
            if answer.status is None:
                detail = "The failure was logged under this request id."
                await problem_response(request_id, INTERNAL, detail)(scope, receive, answer.send)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", None)
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.answered(route or "none", method, answer.status, seconds)
            self._log.info(
                "request",
                request_id=request_id,
                method=method,
                route=route,
                status=None if gone else answer.status or 500,
                milliseconds=round(1000 * seconds, 2),
                caller=state.get("caller"),
                **failure,
            )

    def _answers_to(self, scope: Scope) -> bool:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode(
            "latin-1"
        )
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return name.lower() in self._answered_hosts


class _Answer:
    """What is sent of an answer, with the headers that every answer has.

    Attributes
    ----------
    status : of the answer; None before it begins
    """

    __slots__ = ("_path", "_request_id", "_send", "status")

    def __init__(self, send: Send, path: str, request_id: str) -> None:
        self._send = WithDocumentPolicy.around(send, path)
        self._path = path
        self._request_id = request_id.encode()
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *secured(message.get("headers", ()), self._path),
                (_NAME, self._request_id),
            ]
        await self._send(message)


def _place(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-5:]]
