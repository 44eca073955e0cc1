"""Tokens that were used, so that replicas refuse one that comes again.

They are kept only until they expire, so no trigger guards them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "seen_token",
        sa.Column("digest", sa.String(64), primary_key=True, comment="SHA-256 of issuer and jti"),
        sa.Column(
            "expires_at",
            sa.BigInteger,
            nullable=False,
            index=True,
            comment="seconds since 1970",
        ),
    )
