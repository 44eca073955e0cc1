"""The tables of the audit store; `migrations` makes them, and the triggers that guard them.

Digests and signatures are stored as hexadecimal text and JSON as text, so that any
database client shows what is there.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

PREDICTIONS = Table(
    "audit_prediction",
    METADATA,
    Column("writer", String(36), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("prediction_id", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("caller", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("service_version", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Column("values_digest", String(64), nullable=False, comment="of salt and the values below"),
    Column("salt", String(64)),
    Column("subject_reference", Text),
    Column("input", Text),
    Column("query", Text),
    Column("output", Text),
    Column("warnings", Text),
    PrimaryKeyConstraint("writer", "sequence"),
    UniqueConstraint("prediction_id", name="audit_prediction_id"),
    # Its migration leaves null out. To say so here would load PostgreSQL's dialect for SQLite too.
    Index("audit_prediction_subject", "subject_reference"),
)
"""One row a prediction. What follows `values_digest` goes when a subject is erased."""

HEADS = Table(
    "audit_head",
    METADATA,
    Column("position", BigInteger, nullable=False, autoincrement=False),
    Column("kind", String(10), nullable=False),
    Column("writer", String(36), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("unsigned_rows", BigInteger, nullable=False),
    Column("unsigned_seconds", BigInteger, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
    PrimaryKeyConstraint("position"),
    Index("audit_head_writer", "writer", "sequence"),
)
"""Signed statements of what a chain is at a sequence, themselves one chain."""

IDEMPOTENCY = Table(
    "audit_idempotency",
    METADATA,
    Column("caller", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("prediction_id", String(64), nullable=False),
    PrimaryKeyConstraint("caller", "key"),
    Index("audit_idempotency_prediction_id", "prediction_id"),
)
"""Which prediction answered a caller's idempotency key. Not in the chain."""

SEEN_TOKENS = Table(
    "seen_token",
    METADATA,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of issuer and jti"),
    Column("expires_at", BigInteger, nullable=False, index=True, comment="seconds since 1970"),
)
"""One row for each bearer token that was used, until it has expired. Its key makes one of
two inserts fail, whichever replica they come from. No part of the audit."""

FEEDBACK = Table(
    "audit_feedback",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("created_at", BigInteger, nullable=False, comment="microseconds since 1970, UTC"),
    Column("caller", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("card", String(36), nullable=False, comment="prediction_id, where one was"),
    Column("outcome", Text, nullable=False),
    Column("accepted_suggestions", Text, nullable=False, comment="JSON list of ids"),
    Column("override_reason", Text, comment="JSON"),
    Column("outcome_timestamp", Text),
    Index("audit_feedback_card", "card"),
)
"""What clinicians said of the cards of CDS Hooks. Not in the chain."""

VALUES = ("salt", "subject_reference", "input", "query", "output", "warnings")
"""The columns that erasing a subject sets to null."""


class PreparedInsert:
    """An insert past SQLAlchemy, whose own work costs as much as SQLite's; errors are the driver's.

    It is on the path of every commit.
    """

    def __init__(self, table: Table, dialect: Dialect) -> None:
        mark = "?" if dialect.paramstyle == "qmark" else "%s"
        names = ", ".join(table.columns.keys())
        marks = ", ".join([mark] * len(table.columns))
        self._sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608  constants

    def execute(self, connection: Connection, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows, each with every column in the table's order."""
        cursor = connection.connection.cursor()
        cursor.executemany(self._sql, rows)
        cursor.close()
