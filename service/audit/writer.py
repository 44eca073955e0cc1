"""The one thread that writes: what waits together is committed together.

One fsync serves all requests that wait for it. The chain's end in memory moves only
after a commit, and after a failure the end is read back from the database, as a
commit whose confirmation was lost may have happened all the same.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, Engine, func, select

from service.audit.chain import Link, SealedRecord
from service.audit.errors import DuplicateRecordError, StoreError, StoreUnavailableError
from service.audit.heads import (
    Head,
    Kind,
    OnHead,
    SigningInterval,
    add_head,
    last_signed,
    lock_heads,
)
from service.audit.schema import HEADS, IDEMPOTENCY, PREDICTIONS, PreparedInsert
from service.audit.signing import Signer
from service.audit.waiting import WaitingQueue

_SECONDS_TO_RETRY_SIGNING = 5.0

IdempotencyRow = tuple[str, str, str, str]
"""Caller, key, request digest and prediction id."""


class Waiting(NamedTuple):
    """Rows that wait to be stored together, and the future of the loop that awaits them."""

    rows: Sequence[SealedRecord]
    keys: Sequence[IdempotencyRow]
    loop: asyncio.AbstractEventLoop
    stored: asyncio.Future[None]


class Writer:
    """Writes one chain over one connection.

    Attributes
    ----------
    is_available : whether the last transaction succeeded
    """

    def __init__(
        self,
        engine: Engine,
        signer: Signer,
        interval: SigningInterval,
        queue: WaitingQueue[Waiting],
        on_head: OnHead,
    ) -> None:
        self._engine = engine
        self._signer = signer
        self._interval = interval
        self._queue = queue
        self._on_head = on_head
        driver = engine.dialect.loaded_dbapi
        self._refusals = (driver.IntegrityError, driver.DataError)
        self._insert_rows = PreparedInsert(PREDICTIONS, engine.dialect)
        self._insert_keys = PreparedInsert(IDEMPOTENCY, engine.dialect)
        self._connection: Connection | None = None
        self._end: Link | None = None
        self._unsigned = 0
        self._sign_at = float("inf")
        self.is_available = False
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    def start(self) -> None:
        """Begin a chain and the thread; a database that cannot be used raises."""
        with self._engine.connect() as connection, connection.begin():
            heads = _sign_what_others_left(connection, self._signer, self._interval)
        self._announce(heads)
        try:
            self._transact(())
        except BaseException:
            self._disconnect()
            raise
        self._thread.start()

    def join(self) -> None:
        """Wait until the thread has stored what waited and ended the chain."""
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._queue.take(self._sign_at - time.monotonic())) is not None:
            self._write(batch)
        self._write((), ends=True)
        self._disconnect()
        self._engine.dispose()

    def _write(self, batch: Sequence[Waiting], *, ends: bool = False) -> None:
        try:
            self._transact(batch, ends=ends)
        except self._refusals:
            self._disconnect()
            self._write_apart(batch)
        except Exception:  # whatever failed, those who wait must hear of it
            self._disconnect()
            self.is_available = False
            self._sign_at = time.monotonic() + _SECONDS_TO_RETRY_SIGNING
            _tell(batch, StoreUnavailableError("the audit store cannot be written now"))

    def _write_apart(self, batch: Sequence[Waiting]) -> None:
        """Store the good of a batch; what is in the store already fails alone."""
        if len(batch) <= 1:
            _tell(batch, DuplicateRecordError("the id or idempotency key is stored already"))
            return
        for waiting in batch:
            self._write((waiting,))

    def _transact(self, batch: Sequence[Waiting], *, ends: bool = False) -> None:
        connection = self._connection or self._connect()
        heads: list[Head] = []
        with connection.begin():
            end = self._end or self._begin(connection, heads)
            end, rows, keys = _linked(end, batch)
            if rows:
                self._insert_rows.execute(connection, rows)
            if keys:
                self._insert_keys.execute(connection, keys)
            unsigned = self._unsigned + len(rows)
            if ends or (unsigned and self._is_due(unsigned)):
                kind = Kind.CLOSE if ends else Kind.ROWS
                heads.append(add_head(connection, self._signer, self._interval, kind, end))
        self._committed(end, unsigned, heads)
        _tell(batch, None)
        self._announce(heads)

    def _announce(self, heads: Sequence[Head]) -> None:
        for head in heads:
            with suppress(Exception):  # a log that fails takes nothing back that is stored
                self._on_head(head)

    def _is_due(self, unsigned: int) -> bool:
        return unsigned >= self._interval.rows or time.monotonic() >= self._sign_at

    def _committed(self, end: Link, unsigned: int, heads: Sequence[Head]) -> None:
        self._end = end
        self.is_available = True
        if heads and heads[-1].sequence == end.sequence:
            self._unsigned, self._sign_at = 0, float("inf")
            return
        if unsigned and self._unsigned == 0:
            self._sign_at = time.monotonic() + self._interval.seconds
        self._unsigned = unsigned

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        try:
            if self._end is not None:
                self._catch_up(connection, self._end)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _begin(self, connection: Connection, heads: list[Head]) -> Link:
        end = Link.first(str(uuid4()))
        self._unsigned = 0
        heads.append(add_head(connection, self._signer, self._interval, Kind.START, end))
        return end

    def _catch_up(self, connection: Connection, known: Link) -> None:
        """Continue the chain from the database's end, if what we know is still in it.

        Otherwise an older state of the database was put back: the chain is left as it
        is, for `verify` to tell, and another begins.
        """
        with connection.begin():
            signed = last_signed(connection, known.writer)
            at_known = _link(connection, known.writer, known.sequence)
            last = connection.scalar(
                select(func.max(PREDICTIONS.c.sequence)).where(PREDICTIONS.c.writer == known.writer)
            )
            end = _link(connection, known.writer, last or 0)
        if signed is None or end is None or at_known != known:
            self._end, self._unsigned, self._sign_at = None, 0, float("inf")
            return
        self._end = end
        self._unsigned = max(end.sequence - signed, 0)
        if self._unsigned:
            self._sign_at = min(self._sign_at, time.monotonic() + self._interval.seconds)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:  # a broken connection may fail to close
                connection.invalidate()


def _linked(
    end: Link, batch: Sequence[Waiting]
) -> tuple[Link, list[tuple[Any, ...]], list[IdempotencyRow]]:
    rows: list[tuple[Any, ...]] = []
    keys: list[IdempotencyRow] = []
    for waiting in batch:
        keys += waiting.keys
        for columns, body in waiting.rows:
            end = end.next(body)
            rows.append((end.writer, end.sequence, end.hash, *columns))
    keys.sort()  # in one order everywhere, or two replicas with the same keys lock each other out
    return end, rows, keys


def _link(connection: Connection, writer: str, sequence: int) -> Link | None:
    if sequence == 0:
        return Link.first(writer)
    found = connection.scalar(
        select(PREDICTIONS.c.hash).where(
            PREDICTIONS.c.writer == writer, PREDICTIONS.c.sequence == sequence
        )
    )
    return None if found is None else Link(writer, sequence, found)


def _sign_what_others_left(
    connection: Connection, signer: Signer, interval: SigningInterval
) -> list[Head]:
    """Sign the ends of chains whose writers did not: killed ones, and replicas between two heads.

    A head of a replica's chain is as good as its own, and without it the rows that a
    killed writer left unsigned would stay so.
    """
    lock_heads(connection)
    closed = select(HEADS.c.writer).where(HEADS.c.kind == Kind.CLOSE.value)
    signed = connection.execute(
        select(HEADS.c.writer, func.max(HEADS.c.sequence))
        .where(HEADS.c.writer.not_in(closed))
        .group_by(HEADS.c.writer)
    ).all()
    heads: list[Head] = []
    for writer, sequence in signed:
        last = connection.scalar(
            select(func.max(PREDICTIONS.c.sequence)).where(PREDICTIONS.c.writer == writer)
        )
        end = _link(connection, writer, last or 0)
        if end is not None and end.sequence > sequence:
            heads.append(add_head(connection, signer, interval, Kind.ROWS, end))
    return heads


def _tell(batch: Sequence[Waiting], error: StoreError | None) -> None:
    """Wake each loop once, however many of its requests waited."""
    for loop in {waiting.loop for waiting in batch}:
        futures = [waiting.stored for waiting in batch if waiting.loop is loop]
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: Sequence[asyncio.Future[None]], error: StoreError | None) -> None:
    for stored in futures:
        if stored.done():  # whoever asked has gone
            continue
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(type(error)(*error.args))  # a traceback of its own each
