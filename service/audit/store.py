"""The store as the service uses it: append and wait, look up, find a first answer."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.audit import feedback, lookup
from service.audit.chain import SealedRecord, seal
from service.audit.database import database_errors, open_reader, open_writer
from service.audit.feedback import Feedback
from service.audit.heads import OnHead, SigningInterval
from service.audit.migrations import upgrade
from service.audit.records import FirstAnswer, Record, StoredPrediction
from service.audit.signing import Signer
from service.audit.waiting import WaitingQueue
from service.audit.writer import IdempotencyRow, Waiting, Writer

T = TypeVar("T")

_READERS = 2
_ROWS_WORTH_A_COMMIT = 64
"""So many wait for no more. Fewer would have the writer and the loop take turns at the interpreter
more often than the commit that they share is worth."""
_QUIET_TURNS = 3
"""More than a request takes from its socket to the store."""


class Store:
    """An open audit store; `close` it, or the last rows stay without a signature."""

    def __init__(self, writer: Writer, queue: WaitingQueue[Waiting], url: str) -> None:
        self._writer = writer
        self._queue = queue
        self._appended = 0
        self._waking: asyncio.AbstractEventLoop | None = None
        self._reader = open_reader(url, _READERS)
        self._feedback = open_writer(url)
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="audit-reader")

    @classmethod
    def open(
        cls,
        url: str,
        key_file: Path,
        *,
        on_head: OnHead = lambda _: None,
        interval: SigningInterval = SigningInterval(),  # noqa: B008  it is frozen
        waiting_rows: int = 10_000,
    ) -> "Store":
        """Open a store, made or migrated if need be, and begin a chain.

        Parameters
        ----------
        url : ``sqlite:///PATH`` or ``postgresql://...``
        key_file : the private key that signs heads; made where there is none
        on_head : called with each head once it is stored, to log it elsewhere
        waiting_rows : how many rows may wait before `append` refuses

        Raises
        ------
        StoreError
            If the address, the key or the database cannot be used.
        """
        engine = open_writer(url)
        signer = Signer.of_file(key_file)
        queue: WaitingQueue[Waiting] = WaitingQueue(waiting_rows)
        with database_errors():
            with engine.connect() as connection, connection.begin():
                upgrade(connection)
            writer = Writer(engine, signer, interval, queue, on_head)
            writer.start()
        return cls(writer, queue, url)

    @property
    def waiting_rows(self) -> int:
        """How many rows wait to be stored."""
        return self._queue.rows

    @property
    def lag_seconds(self) -> float:
        """How long the oldest row that is not yet durable has waited; 0 where none does."""
        return self._queue.lag_seconds

    @property
    def is_available(self) -> bool:
        """Whether the last attempt to write succeeded."""
        return self._writer.is_available

    async def append(self, records: Sequence[Record]) -> None:
        """Store records, all or none, and return when they are durable.

        Raises
        ------
        StoreUnavailableError
            If they cannot be stored now; StoreBusyError if too many wait. They may have
            been stored all the same where a confirmation was lost; no answer was sent.
        DuplicateRecordError
            If an id or idempotency key is in the store; `find_idempotent` has the answer.
        RecordRefusedError
            If a text cannot be stored.
        """
        keys = [
            (
                record.caller,
                record.idempotency.key,
                record.idempotency.request_digest,
                record.prediction_id,
            )
            for record in records
            if record.idempotency is not None
        ]
        await self.append_sealed([seal(r) for r in records], keys)

    async def append_sealed(
        self, rows: Sequence[SealedRecord], keys: Sequence[IdempotencyRow] = ()
    ) -> None:
        """Store records that are sealed already, as `append` does."""
        if not rows:
            return
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._queue.put(Waiting(rows, keys, loop, stored), len(rows))
        self._appended += 1
        if self._queue.rows >= _ROWS_WORTH_A_COMMIT:
            self._queue.wake()
        elif self._waking is not loop:
            self._waking = loop
            loop.call_soon(self._wake_when_quiet, loop, self._appended, 1)
        await stored

    async def get(self, prediction_id: str) -> StoredPrediction | None:
        """Return what is stored of a prediction, or None."""
        return await self._read(lambda: lookup.get(self._reader, prediction_id))

    async def find_idempotent(self, caller: str, key: str) -> FirstAnswer | None:
        """Return what a caller's idempotency key got first, or None."""
        return await self._read(lambda: lookup.find_idempotent(self._reader, caller, key))

    async def add_feedback(self, rows: Sequence[Feedback]) -> None:
        """Store what was said of cards, all or none, and return when it is durable.

        Raises
        ------
        StoreUnavailableError
            If it cannot be stored now.
        """
        await asyncio.to_thread(feedback.add, self._feedback, rows)

    def close(self) -> None:
        """Store what waits, sign the end of the chain, and close."""
        self._queue.close()
        self._writer.join()
        self._threads.shutdown()
        self._reader.dispose()
        self._feedback.dispose()

    def _wake_when_quiet(self, loop: asyncio.AbstractEventLoop, appended: int, turns: int) -> None:
        """Wake the writer once the loop brought no more rows in so many turns."""
        if appended == self._appended and turns == _QUIET_TURNS:
            self._waking = None
            self._queue.wake()
            return
        turns = turns + 1 if appended == self._appended else 1
        loop.call_soon(self._wake_when_quiet, loop, self._appended, turns)

    async def _read(self, read: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, read)
