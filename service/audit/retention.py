"""Erasing a subject's values and pruning old rows, so that the chain still verifies.

Both first add a signed head, without which the database refuses the change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from service.audit import lookup, verify
from service.audit.chain import Link
from service.audit.database import must_exist, open_writer, writing
from service.audit.errors import StoreError
from service.audit.heads import Head, Kind, SigningInterval, add_head, lock_heads, read_heads
from service.audit.records import microseconds
from service.audit.schema import FEEDBACK, HEADS, IDEMPOTENCY, PREDICTIONS, VALUES
from service.audit.signing import PublicKeys, Signer


@dataclass(frozen=True)
class Retained:
    """What was erased or pruned: how many rows, and the heads to log."""

    rows: int
    heads: Sequence[Head]


def erase(url: str, signer: Signer, subject_reference: str) -> Retained:
    """Erase all values of a subject, what would answer their idempotency keys, and feedback.

    What is left of a row tells who asked which model when, and that its values are gone.
    """
    row = PREDICTIONS.c
    must_exist(url)
    with writing(url) as connection:
        lock_heads(connection)
        found = connection.execute(
            select(row.writer, row.sequence, row.hash, row.prediction_id)
            .where(row.subject_reference == subject_reference)
            .order_by(row.writer, row.sequence)
        ).all()
        heads = []
        for writer, sequence, digest, prediction_id in found:
            link = Link(writer, sequence, digest)
            heads.append(
                add_head(connection, signer, _interval(connection, writer), Kind.ERASE, link)
            )
            connection.execute(
                update(PREDICTIONS)
                .where(row.writer == writer, row.sequence == sequence)
                .values(dict.fromkeys(VALUES))
            )
            connection.execute(
                delete(IDEMPOTENCY).where(IDEMPOTENCY.c.prediction_id == prediction_id)
            )
            connection.execute(delete(FEEDBACK).where(FEEDBACK.c.card == prediction_id))
    _forget_old_pages(url)
    return Retained(len(found), heads)


def prune(url: str, signer: Signer, keys: PublicKeys, older_than: datetime) -> Retained:
    """Remove the rows before a moment, from the start of each chain.

    Raises
    ------
    StoreError
        If the store does not verify: pruning would remove the evidence.
    """
    must_exist(url)
    with writing(url) as connection:
        lock_heads(connection)
        rows = lookup.in_chain_order(connection)
        if not verify.check(read_heads(connection), rows, keys).is_sound:
            raise StoreError("the store does not verify: nothing was pruned")
        heads = []
        removed = 0
        for link in _last_before(connection, microseconds(older_than)):
            interval = _interval(connection, link.writer)
            heads.append(add_head(connection, signer, interval, Kind.PRUNE, link))
            removed += _remove(connection, link)
        _remove_feedback(connection, microseconds(older_than))
    _forget_old_pages(url)
    return Retained(removed, heads)


def _last_before(connection: Connection, created_at: int) -> Sequence[Link]:
    """Return for each writer the last row of those before a moment that begin its chain."""
    row = PREDICTIONS.c
    first_kept = (
        select(row.writer, func.min(row.sequence).label("sequence"))
        .where(row.created_at >= created_at)
        .group_by(row.writer)
        .subquery()
    )
    last = (
        select(row.writer, func.max(row.sequence).label("sequence"))
        .outerjoin(first_kept, first_kept.c.writer == row.writer)
        .where(first_kept.c.sequence.is_(None) | (row.sequence < first_kept.c.sequence))
        .group_by(row.writer)
        .subquery()
    )
    ends = select(row.writer, row.sequence, row.hash).join(
        last, (last.c.writer == row.writer) & (last.c.sequence == row.sequence)
    )
    return [Link(*end) for end in connection.execute(ends.order_by(row.writer))]


def _remove(connection: Connection, link: Link) -> int:
    row = PREDICTIONS.c
    old = (row.writer == link.writer) & (row.sequence <= link.sequence)
    ids = select(row.prediction_id).where(old)
    keys = connection.scalars(
        select(IDEMPOTENCY.c.prediction_id).where(IDEMPOTENCY.c.prediction_id.in_(ids))
    ).all()
    removed = connection.execute(delete(PREDICTIONS).where(old)).rowcount
    for prediction_id in keys:
        connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.prediction_id == prediction_id))
    return removed


def _remove_feedback(connection: Connection, created_at: int) -> None:
    """Remove old feedback, but not that on a prediction which is kept."""
    kept = select(PREDICTIONS.c.prediction_id).where(PREDICTIONS.c.salt.is_not(None))
    old = (FEEDBACK.c.created_at < created_at) & FEEDBACK.c.card.not_in(kept)
    connection.execute(delete(FEEDBACK).where(old))


def _interval(connection: Connection, writer: str) -> SigningInterval:
    """Return the interval that a writer's own heads state, for heads added on its chain."""
    rows, seconds = connection.execute(
        select(HEADS.c.unsigned_rows, HEADS.c.unsigned_seconds)
        .where(HEADS.c.writer == writer)
        .order_by(HEADS.c.position)
        .limit(1)
    ).one()
    return SigningInterval(rows, seconds)


def _forget_old_pages(url: str) -> None:
    """Overwrite what the database itself still holds of removed values.

    PostgreSQL keeps its log until the server recycles it; backups keep what they hold.
    """
    engine = open_writer(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.execute(
                    text(f"VACUUM {PREDICTIONS.name}, {IDEMPOTENCY.name}, {FEEDBACK.name}")
                )
            else:
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except SQLAlchemyError as error:
        raise StoreError(
            "the values are erased, but old copies in the database's files could not be"
            f" overwritten ({type(error).__name__}): run it again"
        ) from None
    finally:
        engine.dispose()
