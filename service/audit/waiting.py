"""A bounded queue whose taker gets all that waits at once."""

import threading
import time
from collections import deque
from typing import Generic, TypeVar

from service.audit.errors import StoreBusyError, StoreUnavailableError

T = TypeVar("T")


class WaitingQueue(Generic[T]):
    """Items with the rows that each holds; no more than `limit` rows wait.

    An item with more rows than that is taken in when nothing else waits. Handing single
    items to another thread, and committing each, costs more than half of what a prediction
    costs: so the taker leaves what waits until `wake` is called.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[T] = deque()
        self._rows = 0
        self._closed = False
        self._worth_taking = False
        self._oldest: float | None = None
        self._oldest_taken: float | None = None
        self._lock = threading.Lock()  # taken itself where nothing is waited for: that is cheaper
        self._changed = threading.Condition(self._lock)

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._rows

    @property
    def lag_seconds(self) -> float:
        """How long the oldest row has been here: waiting, or taken and not yet done with."""
        with self._lock:
            since = [at for at in (self._oldest_taken, self._oldest) if at is not None]
        return time.monotonic() - min(since) if since else 0.0

    def put(self, item: T, rows: int) -> None:
        """Add an item; `wake` the taker when no more come with it, or enough wait.

        Raises
        ------
        StoreBusyError
            If too many rows wait.
        StoreUnavailableError
            If the queue is closed.
        """
        with self._lock:
            if self._closed:
                raise StoreUnavailableError("the audit store is closed")
            if self._rows and self._rows + rows > self._limit:
                raise StoreBusyError("too many rows wait for the audit store")
            if self._oldest is None:
                self._oldest = time.monotonic()
            self._items.append(item)
            self._rows += rows

    def wake(self) -> None:
        """Let the taker have what waits, now or once it is done with what it took."""
        with self._lock:
            self._worth_taking = bool(self._items)
            self._changed.notify()

    def take(self, seconds: float) -> list[T] | None:
        """Return all that waits, once woken for it or when the seconds are over.

        Returns
        -------
        list or None
            None when the queue is closed and empty.
        """
        with self._changed:
            self._oldest_taken = None  # whoever takes more is done with what was taken
            if not self._worth_taking and not self._closed:
                timeout = None if seconds == float("inf") else max(seconds, 0)
                self._changed.wait(timeout)
            if not self._items and self._closed:
                return None
            self._worth_taking = False
            taken = list(self._items)
            self._items.clear()
            self._rows = 0
            self._oldest, self._oldest_taken = None, self._oldest
            return taken

    def close(self) -> None:
        """Take nothing more in."""
        with self._changed:
            self._closed = True
            self._changed.notify()
