import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from service.audit import retention
from service.audit.errors import StoreError
from service.audit.records import microseconds
from tests.service.audit.stores import (
    CANARY,
    Place,
    a_record,
    all_heads,
    all_rows,
    append,
    fill,
    findings,
    opened,
    tamper,
    verified,
    with_key,
)

NOW = datetime.now(UTC)


def of_subject(subject: str):
    return a_record(subject_reference=subject, input=f'"{subject}"', output=f'"{subject}"')


def test_an_erased_subject_is_gone_and_the_chain_still_verifies(place: Place):
    with opened(place) as store:
        for subject in ("a", CANARY, "b", CANARY, "c"):
            append(store, of_subject(subject))
    done = retention.erase(place.url, place.signer, CANARY)
    rows = {row.sequence: row for row in all_rows(place)}
    assert done.rows == 2
    assert [(head.kind, head.sequence) for head in done.heads] == [("erase", 2), ("erase", 4)]
    for sequence in (2, 4):
        assert rows[sequence].erased
        assert CANARY not in repr(rows[sequence])
        assert rows[sequence].prediction_id
        assert rows[sequence].model_sha256
    assert [rows[n].subject_reference for n in (1, 3, 5)] == ["a", "b", "c"]
    report = verified(place)
    assert report.is_sound
    assert (report.rows, report.erased) == (5, 2)


def test_erasing_while_a_service_writes_disturbs_neither(place: Place):
    with opened(place, rows=2) as store:
        append(store, of_subject(CANARY))
        retention.erase(place.url, place.signer, CANARY)
        append(store, of_subject("a"))
        append(store, of_subject("b"))
        assert verified(place).is_sound
    assert verified(place).is_sound
    assert [row.erased for row in all_rows(place)] == [True, False, False]


def test_an_erased_answer_is_not_given_to_a_retry(place: Place):
    with opened(place) as store:
        append(store, with_key("key", subject_reference=CANARY))
        retention.erase(place.url, place.signer, CANARY)
        assert asyncio.run(store.find_idempotent("a1b2", "key")) is None
        append(store, with_key("key"))


def test_erased_values_are_in_no_file_of_a_sqlite_store(in_sqlite: Place):
    def files() -> bytes:
        return b"".join(path.read_bytes() for path in in_sqlite.file.parent.iterdir())

    with opened(in_sqlite) as store:
        append(store, *(of_subject(CANARY) for _ in range(20)))
        assert CANARY.encode() in files()
        retention.erase(in_sqlite.url, in_sqlite.signer, CANARY)
        assert CANARY.encode() not in files()


def test_an_erased_row_that_gets_values_again_is_found(place: Place):
    with opened(place) as store:
        append(store, of_subject(CANARY))
    retention.erase(place.url, place.signer, CANARY)
    tamper(place, "UPDATE audit_prediction SET output = 'x'")
    assert findings(place) == {"row_changed"}
    tamper(place, "UPDATE audit_prediction SET salt = 'x'")
    assert findings(place) == {"row_changed"}


def test_an_unknown_subject_erases_nothing(place: Place):
    fill(place, 2)
    assert retention.erase(place.url, place.signer, "nobody").rows == 0
    assert len(all_heads(place)) == 2


def aged(place: Place, days: list[int]) -> None:
    with opened(place) as store:
        for number in days:
            append(store, with_key(f"{number}", created_at=NOW - timedelta(days=number)))


def test_pruned_rows_leave_a_signed_gap(place: Place):
    aged(place, [400, 300, 3, 2])
    done = retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
    assert done.rows == 2
    assert [(head.kind, head.sequence) for head in done.heads] == [("prune", 2)]
    assert [row.sequence for row in all_rows(place)] == [3, 4]
    report = verified(place)
    assert report.is_sound
    assert (report.rows, report.pruned) == (2, 2)


def test_only_the_start_of_a_chain_is_pruned(place: Place):
    aged(place, [400, 3, 300, 2])
    assert retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30)).rows == 1
    assert [row.sequence for row in all_rows(place)] == [2, 3, 4]
    assert verified(place).is_sound


def test_a_chain_may_be_pruned_whole_and_again(place: Place):
    aged(place, [400, 300])
    aged(place, [200, 100])
    for days, left in ((250, 2), (150, 1), (150, 1), (50, 0)):
        retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=days))
        assert len(all_rows(place)) == left
        assert verified(place).is_sound
    assert verified(place).pruned == 4


def test_a_live_chain_that_is_pruned_goes_on(place: Place):
    with opened(place, rows=2) as store:
        append(store, a_record(created_at=NOW - timedelta(days=400)))
        retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
        append(store, a_record())
        append(store, a_record())
    assert [row.sequence for row in all_rows(place)] == [2, 3]
    assert verified(place).is_sound


def test_a_row_removed_after_the_gap_is_found(place: Place):
    aged(place, [400, 300, 3, 2])
    retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
    tamper(place, "DELETE FROM audit_prediction WHERE sequence = 3")
    assert findings(place) == {"row_missing"}


def test_a_gap_widened_by_hand_is_found(place: Place):
    aged(place, [400, 300, 3, 2])
    retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
    tamper(place, "UPDATE audit_head SET sequence = 3 WHERE kind = 'prune'")
    tamper(place, "DELETE FROM audit_prediction WHERE sequence = 3")
    assert findings(place) >= {"head_changed"}


def test_a_store_that_does_not_verify_is_not_pruned(place: Place):
    aged(place, [400, 300, 3])
    tamper(place, "UPDATE audit_prediction SET caller = 'x' WHERE sequence = 1")
    with pytest.raises(StoreError, match="does not verify"):
        retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
    assert len(all_rows(place)) == 3


def test_pruning_takes_the_idempotency_keys_along(place: Place):
    aged(place, [400, 3])
    retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
    with opened(place) as store:
        assert asyncio.run(store.find_idempotent("a1b2", "400")) is None
        assert asyncio.run(store.find_idempotent("a1b2", "3")) is not None
        append(store, with_key("400"))


def test_times_are_stored_to_the_microsecond():
    assert microseconds(datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) == 1767225600000001
