import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from service.audit.errors import (
    DuplicateRecordError,
    RecordRefusedError,
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
)
from service.audit.records import moment
from service.audit.store import Store
from tests.ports import free_port
from tests.service.audit.stores import (
    CANARY,
    Place,
    a_record,
    all_heads,
    all_rows,
    append,
    fill,
    opened,
    verified,
    with_key,
)


def test_what_was_appended_is_read_back_column_by_column(place: Place):
    record = a_record(subject_reference="Grüße ≥ 0", warnings=["a", "b"])
    with opened(place) as store:
        append(store, record)
        row = asyncio.run(store.get(record.prediction_id))
        assert asyncio.run(store.get("another")) is None
    assert row is not None
    for column in ("prediction_id", "caller", "request_id", "channel", "service_version"):
        assert getattr(row, column) == getattr(record, column)
    for column in ("model_id", "model_version", "model_sha256", "input", "query", "output"):
        assert getattr(row, column) == getattr(record, column)
    assert row.subject_reference == "Grüße ≥ 0"
    assert row.warnings == '["a", "b"]'
    assert moment(row.created_at) == record.created_at


def test_a_row_is_in_the_database_when_append_returns(place: Place):
    with opened(place) as store:
        for _ in range(3):
            record = a_record()
            append(store, record)
            assert all_rows(place)[-1].prediction_id == record.prediction_id


def test_rows_that_wait_together_share_one_transaction(place: Place):
    async def together(store: Store) -> None:
        await asyncio.gather(*(store.append([a_record()]) for _ in range(200)))

    commits: list[int] = []
    with opened(place) as store:
        engine = store._writer._engine
        event.listen(engine, "commit", lambda _: commits.append(1))
        asyncio.run(together(store))
    assert len(all_rows(place)) == 200
    assert len(commits) < 50


def test_rows_of_turns_of_the_loop_that_follow_each_other_share_one_transaction(place: Place):
    async def after(turns: int, store: Store) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.02)  # the writer's chance to be too early
        await store.append([a_record()])

    async def one_after_another(store: Store) -> None:
        await asyncio.gather(*(after(turns, store) for turns in range(5)))

    commits: list[int] = []
    with opened(place) as store:
        event.listen(store._writer._engine, "commit", lambda _: commits.append(1))
        asyncio.run(one_after_another(store))
        assert len(commits) == 1
    assert len(all_rows(place)) == 5


def test_rows_are_committed_while_the_loop_works_on(place: Place):
    async def work_on(store: Store) -> None:
        waiting = [asyncio.create_task(store.append([a_record()])) for _ in range(64)]
        await asyncio.sleep(0)
        until = time.monotonic() + 20
        while len(all_rows(place)) < len(waiting):
            assert time.monotonic() < until, "the writer waits for the loop"
        await asyncio.gather(*waiting)

    with opened(place) as store:
        asyncio.run(work_on(store))


def test_rows_of_many_threads_and_tasks_are_one_sound_chain(place: Place):
    async def tasks(store: Store) -> None:
        async def one_after_another() -> None:
            for _ in range(5):
                await store.append([a_record(), a_record()])

        await asyncio.gather(*(one_after_another() for _ in range(8)))

    with opened(place, rows=16) as store:
        threads = [threading.Thread(target=lambda: asyncio.run(tasks(store))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report = verified(place)
    assert report.is_sound
    assert report.rows == 4 * 8 * 5 * 2
    assert not report.unsigned


def test_two_writers_at_once_make_two_sound_chains(place: Place):
    async def both(first: Store, second: Store) -> None:
        await asyncio.gather(
            *(store.append([a_record()]) for _ in range(40) for store in (first, second))
        )

    with opened(place, rows=8) as first, opened(place, rows=8) as second:
        asyncio.run(both(first, second))
    report = verified(place)
    assert report.is_sound
    assert (report.rows, report.writers) == (80, 2)


def test_a_list_of_records_is_stored_all_or_none(place: Place):
    stored = a_record()
    with opened(place) as store:
        append(store, stored)
        with pytest.raises(DuplicateRecordError):
            append(store, a_record(), a_record(), stored)
        append(store)
        append(store, a_record(), a_record())
    assert len(all_rows(place)) == 3
    assert verified(place).is_sound


def test_a_duplicate_fails_alone_among_those_that_wait_with_it(place: Place):
    stored = a_record()

    async def together(store: Store) -> list[BaseException | None]:
        records = [a_record(), stored, a_record(), a_record()]
        return await asyncio.gather(
            *(store.append([record]) for record in records), return_exceptions=True
        )

    with opened(place) as store:
        append(store, stored)
        outcomes = asyncio.run(together(store))
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        DuplicateRecordError,
        type(None),
        type(None),
    ]
    assert verified(place).is_sound
    assert verified(place).rows == 4


def test_a_full_queue_refuses_instead_of_growing(place: Place):
    async def flood(store: Store) -> list[BaseException | None]:
        return await asyncio.gather(
            *(store.append([a_record()]) for _ in range(500)), return_exceptions=True
        )

    with opened(place, waiting=20) as store:
        outcomes = asyncio.run(flood(store))
        append(store, *(a_record() for _ in range(50)))  # more than may wait, but alone
        assert store.waiting_rows == 0
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert refused
    assert all(isinstance(outcome, StoreBusyError) for outcome in refused)
    assert len(all_rows(place)) == 500 - len(refused) + 50


def test_a_closed_store_refuses(place: Place):
    with opened(place) as store:
        pass
    with pytest.raises(StoreUnavailableError):
        append(store, a_record())


def test_a_caller_that_goes_away_takes_no_other_with_it(place: Place):
    async def one_leaves(store: Store) -> None:
        leaving = asyncio.ensure_future(store.append([a_record()]))
        staying = asyncio.ensure_future(store.append([a_record()]))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying

    with opened(place) as store:
        asyncio.run(one_leaves(store))
    assert len(all_rows(place)) == 2


@pytest.mark.parametrize("text", [f"{CANARY}\0", f"{CANARY}\ud800"])
def test_a_text_that_a_database_cannot_store_is_refused_alone(place: Place, text: str):
    with opened(place) as store:
        with pytest.raises(RecordRefusedError) as refused:
            append(store, a_record(subject_reference=text))
        with pytest.raises(RecordRefusedError):
            append(store, with_key(text))
        append(store, a_record())
    assert CANARY not in str(refused.value)
    assert len(all_rows(place)) == 1


def test_no_error_holds_a_value(place: Place):
    record = with_key(CANARY, subject_reference=CANARY, input=f'"{CANARY}"', caller=CANARY)
    with opened(place) as store:
        append(store, record)
        with pytest.raises(DuplicateRecordError) as duplicate:
            append(store, record)
    chain: list[BaseException | None] = [duplicate.value]
    while chain[-1] is not None:
        assert CANARY not in repr(chain[-1])
        chain.append(chain[-1].__cause__ or chain[-1].__context__)


def test_a_retry_after_a_restart_finds_the_first_answer(place: Place):
    record = with_key("key-1", caller="one", output='{"first":true}')
    with opened(place) as store:
        append(store, record)
    with opened(place) as store:
        first = asyncio.run(store.find_idempotent("one", "key-1"))
        assert asyncio.run(store.find_idempotent("two", "key-1")) is None
        with pytest.raises(DuplicateRecordError):
            append(store, with_key("key-1", caller="one"))
        append(store, with_key("key-1", caller="two"))
    assert first is not None
    assert first.output == '{"first":true}'
    assert first.prediction_id == record.prediction_id
    assert first.request_digest == "d" * 64


def test_heads_are_signed_every_so_many_rows_and_at_the_end(place: Place):
    told: list[tuple[str, int]] = []
    with opened(place, rows=4, on_head=lambda h: told.append((h.kind, h.sequence))) as store:
        for _ in range(10):
            append(store, a_record())
    assert told == [("start", 0), ("rows", 4), ("rows", 8), ("close", 10)]
    assert [(head.kind, head.sequence) for head in all_heads(place)] == told


def test_a_head_is_signed_after_so_many_seconds_though_nothing_follows(place: Place):
    signed = threading.Event()

    def on_head(head):
        if head.kind == "rows":
            signed.set()

    with opened(place, seconds=1, on_head=on_head) as store:
        append(store, a_record())
        assert not verified(place).problems
        assert sum(verified(place).unsigned.values()) == 1
        assert signed.wait(10)
        assert not verified(place).unsigned


def test_a_log_that_fails_takes_nothing_back(place: Place):
    def failing(_):
        raise OSError("the log is full")

    with opened(place, rows=1, on_head=failing) as store:
        append(store, a_record())
        append(store, a_record())
    assert verified(place).rows == 2


def test_a_sqlite_store_is_readable_by_its_owner_only(in_sqlite: Place):
    with opened(in_sqlite) as store:
        append(store, a_record())
        modes = {path.name: path.stat().st_mode & 0o777 for path in in_sqlite.file.parent.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert in_sqlite.file.parent.stat().st_mode & 0o777 == 0o700


def test_an_older_sqlite_file_that_others_can_read_is_closed_to_them(in_sqlite: Place):
    fill(in_sqlite, 1)
    in_sqlite.file.chmod(0o644)
    fill(in_sqlite, 1)
    assert in_sqlite.file.stat().st_mode & 0o777 == 0o600


def test_sqlite_commits_to_a_write_ahead_log_and_waits_for_the_disk(in_sqlite: Place):
    with opened(in_sqlite) as store:
        append(store, a_record())
        connection = store._writer._engine.connect()
        pragma = connection.exec_driver_sql
        assert pragma("PRAGMA journal_mode").scalar() == "wal"
        assert pragma("PRAGMA synchronous").scalar() == 2
        assert pragma("PRAGMA page_size").scalar() == 8192
        connection.close()


def test_a_sqlite_store_of_smaller_pages_goes_on(in_sqlite: Place):
    in_sqlite.file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(in_sqlite.file)) as older:
        older.execute("PRAGMA page_size = 4096")
        older.execute("PRAGMA journal_mode = WAL")
        older.execute("CREATE TABLE another (id)")
    fill(in_sqlite, 2)
    fill(in_sqlite, 2)
    assert verified(in_sqlite).is_sound
    assert verified(in_sqlite).rows == 4


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "mysql://host/db",
        "nonsense",
        "",
    ],
)
def test_an_address_that_is_no_durable_store_is_refused(url: str, tmp_path: Path):
    with pytest.raises(StoreError):
        Store.open(url, tmp_path / "key")


def test_a_database_that_is_not_there_is_told_without_its_password(tmp_path: Path):
    with pytest.raises(StoreUnavailableError) as gone:
        Store.open(f"postgresql://user:{CANARY}@127.0.0.1:{free_port()}/audit", tmp_path / "key")
    assert CANARY not in str(gone.value)
