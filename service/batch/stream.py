"""A batch over HTTP: the body in, the answer out, both at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.audit.errors import StoreError
from service.batch.answer import BatchFailure
from service.batch.errors import BatchError, ColumnsError, TooLargeError
from service.batch.inbox import Inbox
from service.batch.outbox import Outbox
from service.batch.patients import PatientRows
from service.batch.run import Batch, Part
from service.batch.writing import AnswerWriter
from service.problems import (
    AUDIT_UNAVAILABLE,
    BODY_TOO_LARGE,
    INVALID_COLUMNS,
    UNREADABLE_BATCH,
    ProblemError,
)


class Reader(Protocol):
    """What turns a body into patients."""

    def feed(self, data: bytes | bytearray) -> Iterator[PatientRows]: ...  # noqa: D102
    def end(self) -> Iterator[PatientRows]: ...  # noqa: D102


class BatchStream:
    """Answers a batch piece by piece.

    What is wrong before anything was answered is raised; what goes wrong later is told
    in the summary, and what was answered before stays answered and stored.
    """

    def __init__(self, inbox: Inbox, reader: Reader, batch: Batch, writer: AnswerWriter) -> None:
        self._inbox = inbox
        self._reader = reader
        self._batch = batch
        self._writer = writer
        self._pieces = self._answered()
        self._first: list[bytes] = []

    async def begin(self) -> None:
        """Answer as much as shows that the batch can be answered.

        Raises
        ------
        ProblemError
            If it cannot.
        """
        try:
            self._first.append(await anext(self._pieces))
        except BaseException:
            await self._inbox.close()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Send the answer, whose head is sent."""
        outbox = Outbox(send)
        try:
            async with aclosing(self._pieces):
                for piece in self._first:
                    await outbox.put(piece, may_wait=self._inbox.is_complete)
                async for piece in self._pieces:
                    await outbox.put(piece, may_wait=self._inbox.is_complete)
                    if self._inbox.is_abandoned:
                        raise ClientDisconnect
            await outbox.finish()
        finally:
            await outbox.abandon()
            await self._inbox.close()

    async def _answered(self) -> AsyncGenerator[bytes]:
        begun = False
        failure: BatchFailure | None = None
        try:
            async for part in self._parts():
                content = await self._batch.commit(part)
                yield content if begun else self._writer.begin() + content
                begun = True
        except (BatchError, ProblemError, StoreError) as error:
            problem = _problem(error)
            if not begun:
                raise problem from None
            failure = BatchFailure(
                code=problem.kind.name, message=problem.detail, errors=problem.errors
            )
        summary = await self._finished(failure)
        yield (b"" if begun else self._writer.begin()) + summary

    async def _finished(self, failure: BatchFailure | None) -> bytes:
        try:
            summary = await self._batch.finish(failure)
        except StoreError as error:
            problem = _problem(error)
            failure = BatchFailure(code=problem.kind.name, message=problem.detail, errors=[])
            summary = self._batch.summary(failure)
        return self._writer.end(summary)

    async def _parts(self) -> AsyncIterator[Part]:
        while (data := await self._inbox.take()) is not None:
            async for part in self._made(self._reader.feed(data)):
                yield part
        async for part in self._made(self._reader.end()):
            yield part

    async def _made(self, rows: Iterator[PatientRows]) -> AsyncIterator[Part]:
        """Read and predict in a thread, so that other calls are answered meanwhile."""
        parts = self._batch.parts(rows, self._writer)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            if self._inbox.is_abandoned:
                raise ClientDisconnect
            yield part


def _problem(error: BatchError | ProblemError | StoreError) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, StoreError):
        detail = "The predictions could not be stored; try again in a moment."
        return ProblemError(AUDIT_UNAVAILABLE, detail, headers={"Retry-After": "1"})
    closing = {"Connection": "close"}  # the rest of the body is not read
    if isinstance(error, ColumnsError):
        return ProblemError(INVALID_COLUMNS, "See errors for each column.", error.problems, closing)
    if isinstance(error, TooLargeError):
        return ProblemError(BODY_TOO_LARGE, str(error), headers=closing)
    return ProblemError(UNREADABLE_BATCH, str(error), headers=closing)
