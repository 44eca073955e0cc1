"""Many callers at once, cheap enough to leave the processor to the service."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

SECONDS_TO_ANSWER = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def problem(self) -> str:
        """The name of the problem that it is."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["type"]).rpartition(":")[2]


class Caller:
    """One connection that is kept open; a broken one raises OSError."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def predict(self, patient: Mapping[str, object], **headers: str) -> Answer:
        """Ask for a prediction without its curve."""
        body = json.dumps(patient).encode()
        return await self.post("/v1/predictions?curve=false", body, **headers)

    async def post(self, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Send one request and wait for its answer."""
        named = "".join(f"{name.replace('_', '-')}: {v}\r\n" for name, v in headers.items())
        self._writer.write(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{named}\r\n".encode()
            + body
        )
        async with asyncio.timeout(SECONDS_TO_ANSWER):
            return await self._answer()

    async def _answer(self) -> Answer:
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            content = await self._reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the service closed the connection") from None
        return Answer(int(head[0].split()[1]), headers, content)


async def together(port: int, callers: int, work: Callable[[Caller, int], Awaitable[None]]) -> None:
    """Do the work of each caller over its own connection, all at once."""

    async def one(number: int) -> None:
        async with Caller(port) as caller:
            await work(caller, number)

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(one(number))
