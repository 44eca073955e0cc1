"""Stores with rows in them for tests, and what an attacker does to them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, event, text, update
from uuid_utils import uuid7

from service.audit import lookup, verify
from service.audit.chain import Link, body_of
from service.audit.database import parse_url, reading
from service.audit.heads import Head, SigningInterval, read_heads
from service.audit.records import Idempotency, Record, StoredPrediction
from service.audit.schema import METADATA, PREDICTIONS
from service.audit.signing import PublicKeys, Signer
from service.audit.store import Store

CANARY = "canary-4711"


@dataclass(frozen=True)
class Place:
    """Where a store is, and its key."""

    url: str
    key_file: Path

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def signer(self) -> Signer:
        return Signer.of_file(self.key_file)

    @property
    def keys(self) -> PublicKeys:
        return PublicKeys([self.signer.public_key])


def a_record(**changes: Any) -> Record:
    """Return a record that no other equals."""
    columns: dict[str, Any] = {
        "prediction_id": str(uuid7()),
        "created_at": datetime.now(UTC),
        "caller": "a1b2",
        "request_id": str(uuid7()),
        "channel": "v1",
        "service_version": "0.1.0",
        "model_id": "test-os",
        "model_version": "1.0.0",
        "model_sha256": "0" * 64,
        "subject_reference": "subject-1",
        "input": '{"ecog":2,"age_years":41.5}',
        "query": '{"horizon_months":[6.0],"confidence_level":0.95,"curve":false}',
        "output": '{"risk":{"category":"hoch ≥ 2"}}',
        "warnings": ["ecog_extrapolated"],
    }
    return Record(**{**columns, **changes})


def with_key(key: str, **changes: Any) -> Record:
    return a_record(idempotency=Idempotency(key, "d" * 64), **changes)


@contextmanager
def opened(
    place: Place,
    *,
    rows: int = 256,
    seconds: int = 60,
    waiting: int = 10_000,
    on_head: Callable[[Head], None] = lambda _: None,
) -> Iterator[Store]:
    store = Store.open(
        place.url,
        place.key_file,
        interval=SigningInterval(rows, seconds),
        waiting_rows=waiting,
        on_head=on_head,
    )
    try:
        yield store
    finally:
        store.close()


def append(store: Store, *records: Record) -> None:
    asyncio.run(store.append(records))


def fill(place: Place, rows: int = 6, /, **options: Any) -> list[str]:
    """Store rows by a writer of their own, one by one; return their ids."""
    records = [a_record() for _ in range(rows)]
    with opened(place, **options) as store:
        for record in records:
            append(store, record)
    return [record.prediction_id for record in records]


def all_rows(place: Place) -> list[StoredPrediction]:
    with reading(place.url) as connection:
        return list(lookup.in_chain_order(connection))


def all_heads(place: Place) -> list[Head]:
    with reading(place.url) as connection:
        return list(read_heads(connection))


def verified(place: Place, logged: Sequence[Head] = ()) -> verify.Report:
    with reading(place.url) as connection:
        rows = lookup.in_chain_order(connection)
        return verify.check(read_heads(connection), rows, place.keys, logged)


def findings(place: Place, logged: Sequence[Head] = ()) -> set[str]:
    return {problem.finding.value for problem in verified(place, logged).problems}


@contextmanager
def connected(place: Place) -> Iterator[Connection]:
    """Connect as any client would, past everything that is ours but the triggers."""
    engine = create_engine(parse_url(place.url), poolclass=NullPool)
    if place.is_sqlite:
        event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA busy_timeout = 5000"))
    with engine.begin() as connection:
        yield connection


@contextmanager
def tampering(place: Place) -> Iterator[Connection]:
    """Connect as an attacker who owns the database: the triggers do not fire."""
    with connected(place) as connection:
        if place.is_sqlite:
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for name in connection.scalars(text(triggers)).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in METADATA.tables:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        yield connection


def tamper(place: Place, statement: str) -> None:
    with tampering(place) as connection:
        assert connection.execute(text(statement)).rowcount > 0


def compute_anew(place: Place) -> None:
    """Give every row the hash that it would have if it had been written as it is now."""
    links: dict[str, Link] = {}
    rows = all_rows(place)
    with tampering(place) as connection:
        for row in rows:
            link = links.get(row.writer, Link.first(row.writer)).next(body_of(row))
            connection.execute(
                update(PREDICTIONS)
                .where(PREDICTIONS.c.writer == row.writer, PREDICTIONS.c.sequence == row.sequence)
                .values(hash=link.hash)
            )
            links[row.writer] = link
