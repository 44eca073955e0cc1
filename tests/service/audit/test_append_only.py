import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from tests.service.audit.stores import (
    Place,
    all_heads,
    all_rows,
    append,
    connected,
    fill,
    opened,
    verified,
    with_key,
)

REFUSED = [
    "UPDATE audit_prediction SET output = 'x'",
    "UPDATE audit_prediction SET caller = 'x' WHERE sequence = 2",
    "UPDATE audit_prediction SET sequence = sequence + 100",
    "UPDATE audit_prediction SET subject_reference = NULL",
    (
        "UPDATE audit_prediction SET salt = NULL, subject_reference = NULL, input = NULL,"
        " query = NULL, output = NULL, warnings = NULL"
    ),
    "DELETE FROM audit_prediction",
    "DELETE FROM audit_prediction WHERE sequence = 3",
    "UPDATE audit_head SET kind = 'prune'",
    "DELETE FROM audit_head",
    "DELETE FROM audit_head WHERE position = 3",
    "UPDATE audit_idempotency SET prediction_id = 'x'",
    "DELETE FROM audit_idempotency",
]
OF_SQLITE = [
    "INSERT OR REPLACE INTO audit_prediction SELECT * FROM audit_prediction",
    "INSERT OR REPLACE INTO audit_head SELECT * FROM audit_head",
    "INSERT OR REPLACE INTO audit_idempotency SELECT * FROM audit_idempotency",
    "UPDATE OR REPLACE audit_prediction SET sequence = 2 WHERE sequence = 1",
]
OF_POSTGRESQL = [
    "TRUNCATE audit_prediction",
    "TRUNCATE audit_head",
    "TRUNCATE audit_idempotency",
    (
        "INSERT INTO audit_head SELECT * FROM audit_head"
        " ON CONFLICT (position) DO UPDATE SET kind = 'prune'"
    ),
]


def test_the_database_refuses_every_change_of_what_was_written(place: Place):
    fill(place, 3)
    with opened(place) as store:
        append(store, with_key("key"))
    rows, heads = all_rows(place), all_heads(place)
    for statement in REFUSED + (OF_SQLITE if place.is_sqlite else OF_POSTGRESQL):
        with pytest.raises(DatabaseError, match="append-only"), connected(place) as connection:
            connection.execute(text(statement))
    assert (all_rows(place), all_heads(place)) == (rows, heads)
    with opened(place) as store:
        assert asyncio.run(store.find_idempotent("a1b2", "key")) is not None
    assert verified(place).is_sound
