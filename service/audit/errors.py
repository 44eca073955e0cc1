"""What can go wrong with the audit store; no message holds a patient's value.

The database's own messages do hold values: they are never chained to these.
"""

from model.errors import Hsct2Error


class StoreError(Hsct2Error):
    """The audit store, its key or a file made from it is not usable."""


class StoreUnavailableError(StoreError):
    """Nothing can be stored now: the disk is full or the database is gone. Try again later."""


class StoreBusyError(StoreUnavailableError):
    """As many rows wait to be stored as may wait. Try again later."""


class RecordRefusedError(StoreError):
    """A record holds text that a database cannot store."""


class DuplicateRecordError(StoreError):
    """The prediction id, or the caller's idempotency key, is in the store already."""
