"""What clinicians said of the cards that they were shown.

Rows are only added, and go with the values of the prediction that they are about: a
comment may name the patient. The chain does not cover them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IS_GONE = (
    "NOT EXISTS (SELECT 1 FROM audit_prediction"
    " WHERE prediction_id = OLD.card AND salt IS NOT NULL)"
)
_REFUSED = "audit_feedback is append-only"


def upgrade() -> None:
    """Make the table and its triggers."""
    op.create_table(
        "audit_feedback",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "created_at", sa.BigInteger, nullable=False, comment="microseconds since 1970, UTC"
        ),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("card", sa.String(36), nullable=False, comment="prediction_id, where one was"),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("accepted_suggestions", sa.Text, nullable=False, comment="JSON list of ids"),
        sa.Column("override_reason", sa.Text, comment="JSON"),
        sa.Column("outcome_timestamp", sa.Text),
    )
    op.create_index("audit_feedback_card", "audit_feedback", ["card"])
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _guard_sqlite() -> None:
    conditions = {
        "update": "BEFORE UPDATE ON audit_feedback",
        "delete": f"BEFORE DELETE ON audit_feedback WHEN NOT ({_IS_GONE})",
        # INSERT OR REPLACE would take a row away without asking the trigger on DELETE.
        "insert": "BEFORE INSERT ON audit_feedback"
        " WHEN EXISTS (SELECT 1 FROM audit_feedback WHERE id = NEW.id)",
    }
    for change, condition in conditions.items():
        op.execute(
            f"CREATE TRIGGER audit_feedback_{change} {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
        )


def _guard_postgresql() -> None:
    allowed = {"update": "false", "delete": _IS_GONE}
    for change, condition in allowed.items():
        name = f"audit_feedback_{change}"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {condition} THEN RETURN OLD; END IF;"
            f" RAISE EXCEPTION '{_REFUSED}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {change} ON audit_feedback"
            f" FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
    op.execute(
        "CREATE FUNCTION audit_feedback_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" RAISE EXCEPTION '{_REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_feedback_truncate BEFORE TRUNCATE ON audit_feedback"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_feedback_truncate()"
    )
