"""Alembic's migrations of the audit store, run at start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from service.audit.errors import StoreError

_LOCK = 0x6873637433  # of PostgreSQL's advisory locks; one more than that of the heads


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date within the connection's transaction.

    Any number of processes may start at once: one migrates, the others wait and
    find it done.

    Raises
    ------
    StoreError
        If a newer version of the service made the store.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise StoreError(
            "the audit store was made by a newer version of the service: run that version"
        ) from None
