"""One JSON line a request, with its id and without any value of a patient."""

import time
import traceback
from collections.abc import Sequence

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from service.problems import INTERNAL, MISDIRECTED, problem_response

REQUEST_ID_HEADER = "X-Request-Id"
_NAME = REQUEST_ID_HEADER.lower().encode()

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
"""What a log or a metric may name; any other method is a caller's own words."""


class RequestLog:
    """Give each request an id, answer only to known hosts, and log what came of it.

    The id is ours: one that a caller sends could carry a patient's value. A log
    line holds the route's template, not the address, and of a failure its kind
    and place, not its message. A failure is answered here, so that it has an id too.
    """

    def __init__(self, app: ASGIApp, answered_hosts: Sequence[str]) -> None:
        self._app = app
        self._answered_hosts = answered_hosts
        self._log = structlog.get_logger("request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid7())
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status: int | None = 500
        answering = False

        async def send_with_id(message: Message) -> None:
            nonlocal answering, status
            if message["type"] == "http.response.start":
                answering, status = True, message["status"]
                message["headers"] = [*message.get("headers", ()), (_NAME, request_id.encode())]
            await send(message)

        failure: dict[str, object] = {}
        try:
            if self._answers_to(scope):
                await self._app(scope, receive, send_with_id)
            else:
                detail = "The Host header names a host that this service does not answer to."
                response = problem_response(request_id, MISDIRECTED, detail)
                await response(scope, receive, send_with_id)
        except ClientDisconnect:  # no failure of ours, and nobody is there to be answered
            status = None
        except Exception as error:  # its message could hold values
            failure = {"error": type(error).__name__, "at": _place(error)}
            if not answering:
                detail = "The failure was logged under this request id."
                await problem_response(request_id, INTERNAL, detail)(scope, receive, send_with_id)
        finally:
            route = scope.get("route")
            self._log.info(
                "request",
                request_id=request_id,
                method=scope["method"] if scope["method"] in METHODS else "other",
                route=getattr(route, "path", None),
                status=status,
                milliseconds=round(1000 * (time.perf_counter() - started), 2),
                caller=scope["state"].get("caller"),
                **failure,
            )

    def _answers_to(self, scope: Scope) -> bool:
        if not self._answered_hosts:
            return True
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode(
            "latin-1"
        )
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return name.lower() in self._answered_hosts


def _place(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-5:]]
