"""What stands between browser and service: it passes on, holds back, cuts off, or alters."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_SECONDS_HELD_AT_MOST = 60
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Passed:
    """A request that the browser sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Gateway:
    """A port of its own, from which requests go on to a service at another.

    `held`, where set, is asked for every request; the answer to one for which it
    returns an event waits for that. While `is_cut`, connections are closed without an
    answer. `altered` maps a path to a change of the body that is handed out there.
    """

    def __init__(self, service_port: int) -> None:
        self.service_port = service_port
        self.passed: list[Passed] = []
        self.held: Callable[[Passed], threading.Event | None] | None = None
        self.is_cut = False
        self.altered: dict[str, Callable[[bytes], bytes]] = {}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                gateway._handle(self)

            do_POST = do_GET  # noqa: N815 - the base class asks for this name

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def restore(self) -> None:
        """Forget what was asked for, and pass everything on again."""
        self.passed.clear()
        self.held = None
        self.is_cut = False
        self.altered.clear()

    def predictions(self) -> list[Passed]:
        """Return the requests for predictions so far."""
        return [one for one in self.passed if one.path.startswith("/v1/predictions")]

    @contextmanager
    def holding_predictions(self) -> Iterator[list[threading.Event]]:
        """Hold back the answer to each prediction until its event is set; at the end, all."""
        events: list[threading.Event] = []

        def hold(request: Passed) -> threading.Event | None:
            if request.method != "POST" or not request.path.startswith("/v1/predictions"):
                return None
            events.append(threading.Event())
            return events[-1]

        self.held = hold
        try:
            yield events
        finally:
            self.held = None
            for event in events:
                event.set()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Passed(handler.command, handler.path, dict(handler.headers), body)
        self.passed.append(request)
        event = self.held(request) if self.held and not self.is_cut else None
        if event:
            event.wait(_SECONDS_HELD_AT_MOST)
        if self.is_cut:
            handler.close_connection = True
            return
        try:
            self._pass_on(handler, request)
        except (OSError, http.client.HTTPException):
            handler.close_connection = True

    def _pass_on(self, handler: BaseHTTPRequestHandler, request: Passed) -> None:
        service = http.client.HTTPConnection("127.0.0.1", self.service_port, timeout=60)
        try:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in _OF_ONE_CONNECTION | {"accept-encoding"}
            }
            service.request(request.method, request.path, request.body, headers)
            answer = service.getresponse()
            content = answer.read()
        finally:
            service.close()
        alter = self.altered.get(request.path.partition("?")[0])
        if alter:
            content = alter(content)
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)
