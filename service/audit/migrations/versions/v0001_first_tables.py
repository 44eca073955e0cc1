"""The first tables, and the triggers that let rows only be added.

Values may be set to null where a signed head says that the row was erased, and rows
removed where a signed head says that all up to it were pruned; nothing else changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COVERED = (
    "writer",
    "sequence",
    "hash",
    "prediction_id",
    "created_at",
    "caller",
    "request_id",
    "channel",
    "service_version",
    "model_id",
    "model_version",
    "model_sha256",
    "values_digest",
)
_VALUES = ("salt", "subject_reference", "input", "query", "output", "warnings")
_MICROSECONDS = "microseconds since 1970, UTC"

_NO_VALUES = " AND ".join(f"NEW.{column} IS NULL" for column in _VALUES)
_IS_SIGNED_ERASURE = (
    "EXISTS (SELECT 1 FROM audit_head WHERE kind = 'erase'"
    " AND writer = OLD.writer AND sequence = OLD.sequence)"
)
_PRUNES = (
    "EXISTS (SELECT 1 FROM audit_head WHERE kind = 'prune'"
    " AND writer = OLD.writer AND sequence >= OLD.sequence)"
)
_IS_GONE = (
    "NOT EXISTS (SELECT 1 FROM audit_prediction"
    " WHERE prediction_id = OLD.prediction_id AND salt IS NOT NULL)"
)
_ALLOWED = {
    ("audit_prediction", "UPDATE"): f"{_NO_VALUES} AND {_IS_SIGNED_ERASURE}",
    ("audit_prediction", "DELETE"): _PRUNES,
    ("audit_head", "UPDATE"): "1 = 0",
    ("audit_head", "DELETE"): "1 = 0",
    ("audit_idempotency", "UPDATE"): "1 = 0",
    ("audit_idempotency", "DELETE"): _IS_GONE,
}
_KEYS = {
    "audit_prediction": "(writer = NEW.writer AND sequence = NEW.sequence)"
    " OR prediction_id = NEW.prediction_id",
    "audit_head": "position = NEW.position",
    "audit_idempotency": "caller = NEW.caller AND key = NEW.key",
}


def upgrade() -> None:
    """Make tables and triggers."""
    op.create_table(
        "audit_prediction",
        sa.Column("writer", sa.String(36), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, comment=_MICROSECONDS),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("service_version", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.Text, nullable=False),
        sa.Column(
            "values_digest", sa.String(64), nullable=False, comment="of salt and the values below"
        ),
        sa.Column("salt", sa.String(64)),
        sa.Column("subject_reference", sa.Text),
        sa.Column("input", sa.Text),
        sa.Column("query", sa.Text),
        sa.Column("output", sa.Text),
        sa.Column("warnings", sa.Text),
        sa.PrimaryKeyConstraint("writer", "sequence"),
        sa.UniqueConstraint("prediction_id", name="audit_prediction_id"),
    )
    op.create_index(
        "audit_prediction_subject",
        "audit_prediction",
        ["subject_reference"],
        sqlite_where=sa.text("subject_reference IS NOT NULL"),
        postgresql_where=sa.text("subject_reference IS NOT NULL"),
    )
    op.create_table(
        "audit_head",
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("writer", sa.String(36), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, comment=_MICROSECONDS),
        sa.Column("unsigned_rows", sa.BigInteger, nullable=False),
        sa.Column("unsigned_seconds", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("audit_head_writer", "audit_head", ["writer", "sequence"])
    op.create_table(
        "audit_idempotency",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key"),
    )
    op.create_index("audit_idempotency_prediction_id", "audit_idempotency", ["prediction_id"])
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _condition(table: str, change: str, same: str) -> str:
    allowed = _ALLOWED[table, change]
    if (table, change) == ("audit_prediction", "UPDATE"):
        unchanged = " AND ".join(f"NEW.{column} {same} OLD.{column}" for column in _COVERED)
        return f"{unchanged} AND {allowed}"
    return allowed


def _guard_sqlite() -> None:
    for table, change in _ALLOWED:
        op.execute(
            f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table}"
            f" WHEN NOT ({_condition(table, change, 'IS')})"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    for table, same_key in _KEYS.items():
        # INSERT OR REPLACE would take a row away without asking the trigger on DELETE.
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same_key})"  # noqa: S608  constants
        op.execute(
            f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} WHEN {exists}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def _guard_postgresql() -> None:
    for table, change in _ALLOWED:
        name = f"{table}_{change.lower()}"
        result = "NEW" if change == "UPDATE" else "OLD"
        condition = _condition(table, change, "IS NOT DISTINCT FROM")
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {condition} THEN RETURN {result}; END IF;"
            f" RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {change} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
    for table in _KEYS:
        op.execute(
            f"CREATE FUNCTION {table}_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_truncate()"
        )
