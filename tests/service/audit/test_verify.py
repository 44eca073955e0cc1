import json
from dataclasses import replace

import pytest
from sqlalchemy import insert, text

from service.audit import lookup, retention, verify
from service.audit.database import reading
from service.audit.heads import BEFORE_THE_FIRST, logged_heads, read_heads
from service.audit.schema import HEADS
from service.audit.signing import PublicKeys, Signer
from tests.service.audit.stores import (
    Place,
    all_heads,
    all_rows,
    compute_anew,
    fill,
    findings,
    tamper,
    tampering,
    verified,
)

COLUMNS = {
    "prediction_id": "'x'",
    "created_at": "created_at + 1",
    "caller": "'x'",
    "request_id": "'x'",
    "channel": "'x'",
    "service_version": "'x'",
    "model_id": "'x'",
    "model_version": "'x'",
    "model_sha256": "'x'",
    "values_digest": "'x'",
    "hash": "'x'",
    "salt": "'x'",
    "subject_reference": "NULL",
    "input": "'{}'",
    "query": "'{}'",
    "output": "'{}'",
    "warnings": "'[]'",
}


def first_writer(place: Place) -> str:
    return all_heads(place)[0].writer


def test_a_store_that_nobody_touched_is_sound(place: Place):
    fill(place, 6, rows=4)
    fill(place, 3)
    fill(place, 0)
    report = verified(place)
    assert report.is_sound
    assert (report.rows, report.writers, report.heads) == (9, 3, 7)
    assert not report.unsigned


def test_a_changed_row_is_found_whatever_the_column(place: Place):
    fill(place, 3)
    for column, value in COLUMNS.items():
        before = {row.sequence: getattr(row, column) for row in all_rows(place)}
        tamper(place, f"UPDATE audit_prediction SET {column} = {value} WHERE sequence = 2")
        assert findings(place) >= {"row_changed"}, column
        with tampering(place) as connection:
            statement = f"UPDATE audit_prediction SET {column} = :before WHERE sequence = 2"
            connection.execute(text(statement), {"before": before[2]})
        assert not findings(place)


def test_a_removed_row_is_found(place: Place):
    fill(place, 5)
    tamper(place, "DELETE FROM audit_prediction WHERE sequence = 3")
    assert findings(place) == {"row_missing"}


def test_a_removed_row_is_found_though_the_rest_was_renumbered(place: Place):
    fill(place, 5)
    tamper(place, "DELETE FROM audit_prediction WHERE sequence = 3")
    for sequence in (4, 5):
        tamper(
            place,
            f"UPDATE audit_prediction SET sequence = {sequence - 1} WHERE sequence = {sequence}",
        )
    assert findings(place) == {"row_changed", "tail_cut"}


def test_rows_in_another_order_are_found(place: Place):
    fill(place, 5)
    for old, new in ((2, 99), (4, 2), (99, 4)):
        tamper(place, f"UPDATE audit_prediction SET sequence = {new} WHERE sequence = {old}")
    assert findings(place) == {"row_changed"}


def test_a_row_moved_to_another_writer_is_found(place: Place):
    fill(place, 2)
    fill(place, 2)
    other = all_heads(place)[-1].writer
    tamper(
        place,
        f"UPDATE audit_prediction SET writer = '{other}', sequence = 3"
        f" WHERE writer <> '{other}' AND sequence = 2",
    )
    assert findings(place) >= {"row_changed", "tail_cut"}


def test_a_cut_tail_is_found(place: Place):
    fill(place, 5)
    tamper(place, "DELETE FROM audit_prediction WHERE sequence > 3")
    assert findings(place) == {"tail_cut"}


def test_a_chain_computed_anew_after_a_change_is_found(place: Place):
    fill(place, 5)
    tamper(place, "UPDATE audit_prediction SET caller = 'x' WHERE sequence = 2")
    compute_anew(place)
    assert findings(place) == {"chain_rewritten"}


def test_a_chain_computed_anew_with_heads_signed_by_another_key_is_found(place: Place):
    fill(place, 5)
    tamper(place, "UPDATE audit_prediction SET caller = 'x' WHERE sequence = 2")
    compute_anew(place)
    sign_anew(place, Signer.new())
    assert findings(place) == {"head_unsigned"}
    sign_anew(place, Signer.new(), key_id=place.signer.key_id)
    assert findings(place) == {"head_unsigned"}


def sign_anew(place: Place, signer: Signer, key_id: str | None = None) -> None:
    """Sign all heads anew, over the rows as they are now."""
    hashes = {(row.writer, row.sequence): row.hash for row in all_rows(place)}
    heads = all_heads(place)
    previous = BEFORE_THE_FIRST
    with tampering(place) as connection:
        connection.execute(text("DELETE FROM audit_head"))
        for head in heads:
            digest = hashes.get((head.writer, head.sequence), head.hash)
            new = replace(head, hash=digest, key_id=key_id or signer.key_id)
            previous = new.expected_digest(previous)
            new = replace(new, digest=previous, signature=signer.sign(previous.encode()))
            connection.execute(insert(HEADS), {n: getattr(new, n) for n in new.__slots__})


def test_a_writer_whose_rows_are_gone_is_found(place: Place):
    fill(place, 3)
    fill(place, 3)
    tamper(place, f"DELETE FROM audit_prediction WHERE writer = '{first_writer(place)}'")
    assert findings(place) == {"writer_missing"}


def test_a_writer_taken_out_with_its_heads_is_found(place: Place):
    fill(place, 3)
    fill(place, 3)
    writer = first_writer(place)
    tamper(place, f"DELETE FROM audit_prediction WHERE writer = '{writer}'")
    tamper(place, f"DELETE FROM audit_head WHERE writer = '{writer}'")
    assert findings(place) == {"head_missing"}
    tamper(place, "UPDATE audit_head SET position = position - 2")
    assert findings(place) == {"head_changed"}


def test_a_writer_that_was_added_is_found(place: Place):
    fill(place, 3)
    added = "UPDATE audit_prediction SET writer = 'x', sequence = 1 WHERE sequence = 3"
    tamper(place, added)
    assert "writer_unknown" in findings(place)


def test_values_that_are_gone_without_a_signed_erasure_are_found(place: Place):
    fill(place, 3)
    tamper(
        place,
        "UPDATE audit_prediction SET salt = NULL, subject_reference = NULL, input = NULL,"
        " query = NULL, output = NULL, warnings = NULL WHERE sequence = 2",
    )
    assert findings(place) == {"erased_without_record"}


def test_an_erasure_that_was_not_signed_is_found(place: Place):
    fill(place, 3)
    heads = all_heads(place)
    forged = replace(heads[-1], position=len(heads) + 1, kind="erase")
    with tampering(place) as connection:
        connection.execute(insert(HEADS), {n: getattr(forged, n) for n in forged.__slots__})
    assert findings(place) == {"head_changed"}


def test_rows_after_the_end_of_a_closed_chain_are_found(place: Place):
    fill(place, 3)
    last = all_heads(place)[-1]
    tamper(place, f"DELETE FROM audit_head WHERE position = {last.position}")
    assert verified(place).is_sound
    assert verified(place).unsigned == {last.writer: 3}
    closed = replace(last, sequence=0, hash=all_heads(place)[0].hash)
    previous = all_heads(place)[-1].digest
    digest = closed.expected_digest(previous)
    closed = replace(closed, digest=digest, signature=place.signer.sign(digest.encode()))
    with tampering(place) as connection:
        connection.execute(insert(HEADS), {n: getattr(closed, n) for n in closed.__slots__})
    assert findings(place) == {"tail_unsigned"}


@pytest.mark.parametrize(("rows", "seconds"), [(3, 60), (256, 1)])
def test_an_unsigned_tail_longer_than_the_interval_is_found(place: Place, rows: int, seconds: int):
    fill(place, 3, rows=rows, seconds=seconds)
    if seconds == 1:
        tamper(
            place,
            "UPDATE audit_prediction SET created_at = created_at + 62000000 WHERE sequence = 3",
        )
        compute_anew(place)
    tamper(place, "DELETE FROM audit_head WHERE position > 1")
    assert findings(place) == {"tail_unsigned"}


def test_a_store_put_back_to_an_earlier_state_is_found_with_the_log(place: Place):
    fill(place, 3)
    rows, logged = 3, all_heads(place)
    fill(place, 3)
    later = all_heads(place)
    with tampering(place) as connection:
        connection.execute(text(f"DELETE FROM audit_head WHERE position > {len(logged)}"))
        connection.execute(
            text(f"DELETE FROM audit_prediction WHERE writer = '{later[-1].writer}'")
        )
    assert verified(place).is_sound
    assert verified(place).rows == rows
    assert not findings(place, logged)
    assert findings(place, later) == {"rolled_back"}


def test_a_store_written_anew_by_who_has_the_key_is_found_with_the_log(place: Place):
    fill(place, 5)
    logged = all_heads(place)
    tamper(place, "UPDATE audit_prediction SET caller = 'x' WHERE sequence = 2")
    compute_anew(place)
    sign_anew(place, place.signer)
    assert not findings(place)
    assert findings(place, logged) == {"head_differs_from_log"}


def test_heads_are_found_in_a_log_whatever_else_it_holds(place: Place):
    fill(place, 5, rows=2)
    heads = all_heads(place)
    lines = [json.dumps({"event": "x", "n": 1, **head.as_log()}) for head in heads]
    noise = ['{"audit_head": 3}', "audit_head {", '{"event": "request"}', "plain", ""]
    prefixed = [f"2026-01-01T00:00:00Z host hsct2[3]: {line}\n" for line in lines]
    assert list(logged_heads([*noise, *prefixed, *noise])) == heads


def test_a_head_by_a_former_key_counts_if_that_key_is_named(place: Place):
    fill(place, 2)
    former = place.signer.public_key
    place.key_file.rename(place.key_file.with_suffix(".former"))
    fill(place, 2)
    assert findings(place) == {"head_unsigned"}
    with reading(place.url) as connection:
        keys = PublicKeys([former, place.signer.public_key])
        rows = lookup.in_chain_order(connection)
        assert verify.check(read_heads(connection), rows, keys).is_sound


def test_a_head_signed_over_a_chain_computed_anew_takes_no_finding_back(place: Place):
    fill(place, 3)
    tamper(place, "UPDATE audit_prediction SET caller = 'x' WHERE sequence = 2")
    compute_anew(place)
    retention.erase(place.url, place.signer, "subject-1")
    assert findings(place) == {"chain_rewritten"}
