"""Alembic's migrations of the audit store, run at start."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

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
    if _revision(connection) != newest_revision():
        _migrate(connection)


def newest_revision() -> str:
    """Return the revision that the migrations lead to, by the name of the last one's file."""
    names = [path.name for path in (Path(__file__).parent / "versions").glob("v*_*.py")]
    return max(names)[1:].partition("_")[0]


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _migrate(connection: Connection) -> None:
    # A sixth of the time to start is Alembic's import; most starts find nothing to do.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

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
