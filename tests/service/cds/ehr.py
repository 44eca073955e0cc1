"""A FHIR server that misbehaves: small, real, on loopback, with every request on record."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from service.cds.services import PARTS

Answer = Callable[[BaseHTTPRequestHandler], None]


def sends(content: bytes, status: int = 200, **headers: str) -> Answer:
    """Return what answers with this content; ``_`` in a header's name stands for ``-``."""
    given = {"Content_Type": "application/fhir+json", **headers}

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in given.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def sends_json(value: Any) -> Answer:
    return sends(json.dumps(value).encode())


def never_ends(request: BaseHTTPRequestHandler) -> None:
    """Send a gigabyte of a string of JSON, as fast as it is taken."""
    request.send_response(200)
    request.send_header("Content-Type", "application/fhir+json")
    request.end_headers()
    request.wfile.write(b'{"resourceType": "Bundle", "id": "')
    for _ in range(16_384):
        request.wfile.write(b"x" * 65_536)


def hangs(request: BaseHTTPRequestHandler) -> None:
    """Send a head and then nothing until the client has gone."""
    request.send_response(200)
    request.send_header("Content-Type", "application/fhir+json")
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.connection.settimeout(30)
    request.connection.recv(1)


class Ehr:
    """A server under ``/fhir`` that answers by the first word of the path, else with nothing found.

    Attributes
    ----------
    answers : by resource type, or by the whole path with its query
    requests : path and Authorization of each
    """

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.requests: list[tuple[str, str | None]] = []

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Authorization")))
                try:
                    outer._answer(self.path)(self)
                except OSError:  # the client has had enough
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.base = f"{self.address}/fhir"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def _answer(self, path: str) -> Answer:
        word = urlsplit(path).path.removeprefix("/fhir/").partition("/")[0]
        nothing = sends_json({"resourceType": "Bundle", "type": "searchset"})
        return self.answers.get(path) or self.answers.get(word, nothing)


def asked_for(key: str, patient_id: str) -> str:
    """Return the path under which a part of a patient's chart is asked for."""
    filled = PARTS[key].template.replace("{{context.patientId}}", patient_id)
    return f"/fhir/{filled}".replace("|", "%7C")


class Refusing:
    """A port of loopback on which nobody must ever knock; `knocks` counts who did."""

    def __init__(self) -> None:
        self.knocks = 0

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._done.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.knocks += 1
            connection.close()
