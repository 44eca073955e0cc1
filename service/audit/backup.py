"""A copy of a store while it runs, and a store made from a copy.

SQLite's copy is a SQLite file. PostgreSQL's is a file of JSON lines, one a row, from
one state of the database (`pg_dump` serves as well). JSON lines restore into either.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Table, func, insert, select

from service.audit.database import keep_private, reading, sqlite_path, writing
from service.audit.errors import StoreError
from service.audit.migrations import upgrade
from service.audit.schema import FEEDBACK, HEADS, IDEMPOTENCY, PREDICTIONS

_TABLES = {table.name: table for table in (HEADS, PREDICTIONS, IDEMPOTENCY, FEEDBACK)}
_SQLITE = b"SQLite format 3\0"
_ROWS_AT_ONCE = 500


def backup(url: str, target: Path) -> None:
    """Write one consistent state of a store to a new file, private to its owner.

    Raises
    ------
    StoreError
        If the file exists or cannot be written, or there is no store.
    """
    path = sqlite_path(url)
    with reading(url) as connection, _new_file(target) as partial:
        if path is None:
            with partial.open("w", encoding="utf-8") as file:
                _dump(connection, file)
            return
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it


def restore(url: str, source: Path) -> None:
    """Make a store from a copy.

    Raises
    ------
    StoreError
        If there is a store already, or the file is not a copy of one.
    """
    try:
        with source.open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise StoreError(f"the backup cannot be read ({error.strerror})") from None
    if is_sqlite:
        _restore_sqlite(url, source)
        return
    with _whole_or_gone(sqlite_path(url)), writing(url) as connection:
        upgrade(connection)
        heads = select(func.count()).select_from(HEADS)
        if connection.scalar(heads):
            raise StoreError("there is a store at this address already")
        with source.open(encoding="utf-8", errors="replace") as lines:
            _load(connection, lines)
        if not connection.scalar(heads):
            raise StoreError("the file is not a copy of an audit store")


def _restore_sqlite(url: str, source: Path) -> None:
    path = sqlite_path(url)
    if path is None:
        raise StoreError("a SQLite file restores into a SQLite store only")
    if path.exists():
        raise StoreError("there is a store at this address already")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        _new_file(path) as partial,
        closing(sqlite3.connect(source)) as copy,
        closing(sqlite3.connect(partial)) as target,
    ):
        copy.backup(target)
    with writing(url) as connection:
        upgrade(connection)


@contextmanager
def _whole_or_gone(path: Path | None) -> Iterator[None]:
    """Leave no SQLite file behind when it could not be filled."""
    if path is not None and path.exists():
        raise StoreError("there is a store at this address already")
    try:
        yield
    except BaseException:
        if path is not None:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        raise


def _dump(connection: Connection, file: IO[str]) -> None:
    for table in _TABLES.values():
        query = select(table).order_by(*table.primary_key.columns)
        for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
            file.write(json.dumps([table.name, *row]) + "\n")


def _load(connection: Connection, lines: IO[str]) -> None:
    while batch := list(islice(lines, _ROWS_AT_ONCE)):
        rows: dict[str, list[dict[str, Any]]] = {}
        for line in batch:
            table, row = _row(line)
            rows.setdefault(table.name, []).append(row)
        for name, values in rows.items():
            connection.execute(insert(_TABLES[name]), values)


def _row(line: str) -> tuple[Table, dict[str, Any]]:
    try:
        name, *values = json.loads(line)
        table = _TABLES[name]
        return table, dict(zip(table.columns.keys(), values, strict=True))
    except (ValueError, KeyError, TypeError):
        raise StoreError("the file is not a copy of an audit store") from None


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a private file that becomes `path`, durably, when all went well."""
    if path.exists():
        raise StoreError("the file exists already")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        keep_private(partial)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreError(f"the file cannot be written ({error.strerror})") from None
    except sqlite3.Error as error:
        raise StoreError(f"the copy failed ({type(error).__name__})") from None
    finally:
        partial.unlink(missing_ok=True)
