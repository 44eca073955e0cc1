import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from service.audit import retention
from service.audit.backup import backup, restore
from service.audit.errors import StoreError
from service.audit.schema import METADATA
from tests.service.audit.stores import (
    Place,
    a_record,
    all_heads,
    all_rows,
    append,
    connected,
    fill,
    findings,
    opened,
    verified,
    with_key,
)


@pytest.fixture
def emptied(place: Place, tmp_path: Path):
    """Where to restore to: another SQLite file, of both kinds of backup."""
    return replace(place, url=f"sqlite:///{tmp_path}/restored/store.db")


def test_a_restored_store_holds_the_same_and_goes_on(place: Place, emptied: Place, tmp_path: Path):
    with opened(place) as store:
        append(store, with_key("key", subject_reference="gone"), a_record(), a_record())
    retention.erase(place.url, place.signer, "gone")
    fill(place, 2)
    backup(place.url, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    restore(emptied.url, tmp_path / "copy")
    assert all_rows(emptied) == all_rows(place)
    assert all_heads(emptied) == all_heads(place)
    assert verified(emptied, all_heads(place)).is_sound
    with opened(emptied) as store:
        append(store, a_record())
    assert verified(emptied).is_sound
    assert emptied.file.stat().st_mode & 0o777 == 0o600


def test_json_lines_restore_into_postgresql(in_postgresql: Place, tmp_path: Path):
    with opened(in_postgresql) as store:
        append(store, with_key("key"), a_record(subject_reference="Grüße ≥ 0"))
    backup(in_postgresql.url, tmp_path / "copy")
    rows, heads = all_rows(in_postgresql), all_heads(in_postgresql)
    with pytest.raises(StoreError, match="already"):
        restore(in_postgresql.url, tmp_path / "copy")
    with connected(in_postgresql) as connection:
        for table in (*METADATA.tables, "alembic_version"):
            connection.execute(text(f"DROP TABLE {table}"))
        for function in connection.scalars(
            text("SELECT proname FROM pg_proc WHERE proname LIKE 'audit%'")
        ).all():
            connection.execute(text(f"DROP FUNCTION {function}"))
    restore(in_postgresql.url, tmp_path / "copy")
    assert (all_rows(in_postgresql), all_heads(in_postgresql)) == (rows, heads)
    with opened(in_postgresql) as store:
        assert asyncio.run(store.find_idempotent("a1b2", "key")) is not None
    assert verified(in_postgresql, heads).is_sound


def test_a_backup_of_a_store_that_is_written_to_is_one_sound_state(
    place: Place, emptied: Place, tmp_path: Path
):
    stop = threading.Event()

    def write() -> None:
        async def on_and_on() -> None:
            while not stop.is_set():
                await asyncio.gather(*(store.append([a_record()]) for _ in range(4)))

        asyncio.run(on_and_on())

    with opened(place, rows=8) as store:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            while len(all_rows(place)) < 20:
                pass
            backup(place.url, tmp_path / "copy")
        finally:
            stop.set()
            thread.join()
    restore(emptied.url, tmp_path / "copy")
    assert verified(emptied).is_sound
    assert verified(emptied).rows >= 20
    assert verified(place).is_sound


def test_a_log_shows_that_an_older_backup_was_put_back(
    place: Place, emptied: Place, tmp_path: Path
):
    fill(place, 2)
    backup(place.url, tmp_path / "copy")
    fill(place, 2)
    restore(emptied.url, tmp_path / "copy")
    assert not findings(emptied)
    assert findings(emptied, all_heads(place)) == {"rolled_back"}
    fill(emptied, 2)
    assert findings(emptied, all_heads(place)) == {"head_differs_from_log"}


def test_nothing_is_overwritten(place: Place, tmp_path: Path):
    fill(place, 1)
    backup(place.url, tmp_path / "copy")
    with pytest.raises(StoreError, match="exists"):
        backup(place.url, tmp_path / "copy")
    with pytest.raises(StoreError, match=r"already|SQLite store only"):
        restore(place.url, tmp_path / "copy")
    assert verified(place).rows == 1
    assert not [path for path in tmp_path.iterdir() if "copy." in path.name]


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b'["audit_head", 1]\n', b"\xff\xfe\n"])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "file").write_bytes(content)
    place = Place(f"sqlite:///{tmp_path}/store.db", tmp_path / "key")
    with pytest.raises(StoreError, match="not a copy"):
        restore(place.url, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_there_is_no_backup_of_no_store(tmp_path: Path):
    with pytest.raises(StoreError, match="no audit store"):
        backup(f"sqlite:///{tmp_path}/store.db", tmp_path / "copy")
    assert not list(tmp_path.iterdir())
