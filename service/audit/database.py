"""How the store's database is opened: SQLite in a file, or PostgreSQL."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from service.audit.errors import StoreError, StoreUnavailableError

_BUSY_SECONDS = 10
_PAGE_BYTES = 8192
"""A full answer's row fits; at SQLite's own 4096 it takes twice as many writes."""
_POSTGRESQL = {
    # A server that is gone without a word must not hold requests for the kernel's hours.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_PUBLIC_BITS = 0o077


def parse_url(url: str) -> URL:
    """Return a store's address.

    Raises
    ------
    StoreError
        If it is not ``sqlite:///PATH`` or ``postgresql://...``.
    """
    expected = "the audit store's address must be sqlite:///PATH or postgresql://..."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(expected) from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite" or not parsed.database or parsed.query:
        raise StoreError(expected)
    if parsed.database.startswith((":memory:", "file:")):
        raise StoreError("the audit store must be a file: memory is not durable")
    return parsed


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite store, None for PostgreSQL."""
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.drivername == "sqlite" else None


def open_writer(url: str) -> Engine:
    """Return an engine whose transactions write: commits are durable, one at a time in SQLite."""
    parsed = parse_url(url)
    if parsed.drivername != "sqlite":
        engine = _postgresql(parsed)
        event.listen(engine, "connect", _wait_for_disk)
        return engine
    path = Path(str(parsed.database))
    engine = _sqlite(parsed, "BEGIN IMMEDIATE")

    @event.listens_for(engine, "do_connect")
    def make_private(*_: object) -> None:
        keep_private(path)

    @event.listens_for(engine, "connect")
    def make_durable(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file only
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise sqlite3.OperationalError("the file system allows no write-ahead log")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten

    return engine


def open_reader(url: str, connections: int = 1) -> Engine:
    """Return an engine whose transactions each read one unchanging state."""
    parsed = parse_url(url)
    pool = {"poolclass": QueuePool, "pool_size": connections, "pool_pre_ping": True}
    if parsed.drivername != "sqlite":
        return _postgresql(parsed, isolation_level="REPEATABLE READ", **pool)
    must_exist(url)
    return _sqlite(parsed, "BEGIN", **pool)


def must_exist(url: str) -> None:
    """Refuse a SQLite store that is not there, instead of making an empty one."""
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise StoreError("there is no audit store at this address")


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """Open a store for reading one state of it."""
    engine = open_reader(url)
    try:
        with database_errors(), engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """Open a store for one transaction."""
    engine = open_writer(url)
    try:
        with database_errors(), engine.connect() as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate the database's errors, whose messages may hold values."""
    try:
        yield
    except DatabaseError as error:
        kind = type(error.orig).__name__
        raise StoreUnavailableError(f"the audit store's database failed ({kind})") from None
    except SQLAlchemyError as error:
        raise StoreError(f"the audit store cannot be used ({type(error).__name__})") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreUnavailableError(f"the audit store cannot be reached ({reason})") from None


def keep_private(path: Path) -> None:
    """Make a SQLite file that only its owner can read; take others' rights from an older one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Only made, never opened where it is: to close a file takes from the process all locks
    # on it, and another process would then remove the write-ahead log that we write to.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for suffix in ("", "-wal", "-shm"):  # SQLite gives these two the mode of the first
        with suppress(FileNotFoundError):
            beside = path.with_name(path.name + suffix)
            mode = beside.stat().st_mode
            if mode & _PUBLIC_BITS:
                beside.chmod(mode & ~_PUBLIC_BITS & 0o777)


def _postgresql(url: URL, **options: Any) -> Engine:
    arguments = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
    chosen = {"poolclass": NullPool, "connect_args": arguments, **options}
    return create_engine(url, hide_parameters=True, **chosen)


def _sqlite(url: URL, begin: str, **options: Any) -> Engine:
    arguments = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    chosen = {"poolclass": NullPool, "connect_args": arguments, **options}
    engine = create_engine(url, hide_parameters=True, **chosen)

    @event.listens_for(engine, "connect")
    def leave_transactions_to_us(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.connection.cursor().execute(begin)

    return engine


def _wait_for_disk(connection: Any, _: object) -> None:
    """Make commits wait for the disk where the server's default does not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()
