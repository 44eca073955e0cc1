"""What clinicians said of cards, in each kind of store."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from service.audit import feedback, retention
from service.audit.backup import backup, restore
from service.audit.database import reading
from service.audit.errors import StoreUnavailableError
from service.audit.feedback import Feedback
from tests.service.audit.stores import (
    CANARY,
    Place,
    a_record,
    append,
    connected,
    opened,
    tampering,
    verified,
)

NOW = datetime.now(UTC)


def said(card: str, comment: str = "no", **changes: Any) -> Feedback:
    columns: dict[str, Any] = {
        "id": str(uuid4()),
        "created_at": NOW,
        "caller": "a1b2",
        "request_id": "r",
        "service": "hsct2-risk-patient-view",
        "card": card,
        "outcome": "overridden",
        "accepted_suggestions": [],
        "override_reason": f'{{"userComment": "{comment}"}}',
        "outcome_timestamp": "2026-11-22T10:00:00Z",
    }
    return Feedback(**{**columns, **changes})


def comments(place: Place, card: str) -> list[str]:
    with reading(place.url) as connection:
        return [f["override_reason"]["userComment"] for f in feedback.of_card(connection, card)]


def test_repeats_are_stored_as_they_come(place: Place):
    card = str(uuid4())
    with opened(place) as store:
        for comment, minutes in (("second", 1), ("first", 0), ("first", 0)):
            row = said(card, comment, created_at=NOW + timedelta(minutes=minutes))
            asyncio.run(store.add_feedback([row]))
        assert verified(place).is_sound
    assert comments(place, card) == ["first", "first", "second"]


def test_all_of_one_message_is_stored_or_nothing(place: Place):
    card = str(uuid4())
    first, again = said(card), said(card, id="the same")
    with opened(place) as store:
        asyncio.run(store.add_feedback([again]))
        with pytest.raises(StoreUnavailableError):
            asyncio.run(store.add_feedback([first, again]))
    assert comments(place, card) == ["no"]


def test_an_erased_subject_takes_what_was_said_of_its_cards_along(place: Place):
    erased, kept = (
        a_record(subject_reference="a", input=f'"{CANARY}"'),
        a_record(subject_reference="b"),
    )
    with opened(place) as store:
        append(store, erased, kept)
        rows = [said(erased.prediction_id, CANARY), said(kept.prediction_id)]
        asyncio.run(store.add_feedback(rows))
        retention.erase(place.url, place.signer, "a")
    assert comments(place, erased.prediction_id) == []
    assert comments(place, kept.prediction_id) == ["no"]
    assert verified(place).is_sound
    if place.is_sqlite:
        files = place.file.parent.iterdir()
        assert CANARY.encode() not in b"".join(path.read_bytes() for path in files)


def test_old_feedback_goes_with_old_rows_and_that_on_kept_ones_stays(place: Place):
    long_ago = NOW - timedelta(days=400)
    old, new = a_record(created_at=long_ago), a_record()
    without_prediction = [str(uuid4()), str(uuid4())]
    with opened(place) as store:
        append(store, old, new)
        rows = [
            said(old.prediction_id, created_at=long_ago),
            said(new.prediction_id, created_at=long_ago),
            said(without_prediction[0], created_at=long_ago),
            said(without_prediction[1]),
        ]
        asyncio.run(store.add_feedback(rows))
    retention.prune(place.url, place.signer, place.keys, NOW - timedelta(days=30))
    cards = (old.prediction_id, new.prediction_id, *without_prediction)
    assert [len(comments(place, card)) for card in cards] == [0, 1, 0, 1]


def test_the_database_refuses_to_change_what_was_said(place: Place):
    record = a_record()
    with opened(place) as store:
        append(store, record)
        asyncio.run(store.add_feedback([said(record.prediction_id)]))
    statements = [
        "UPDATE audit_feedback SET outcome = 'accepted'",
        "DELETE FROM audit_feedback",
        "INSERT OR REPLACE INTO audit_feedback SELECT * FROM audit_feedback"
        if place.is_sqlite
        else "TRUNCATE audit_feedback",
    ]
    for statement in statements:
        with pytest.raises(DatabaseError, match="append-only"), connected(place) as connection:
            connection.execute(text(statement))
    assert comments(place, record.prediction_id) == ["no"]


def test_a_copy_of_a_store_holds_what_was_said(place: Place):
    card = str(uuid4())
    with opened(place) as store:
        asyncio.run(store.add_feedback([said(card)]))
    copy = place.key_file.with_name("copy")
    target = Place(f"sqlite:///{place.key_file.with_name('restored.db')}", place.key_file)
    backup(place.url, copy)
    restore(target.url, copy)
    assert comments(target, card) == ["no"]


def test_feedback_that_cannot_be_stored_says_so_without_its_words(place: Place):
    with opened(place) as store:
        with tampering(place) as connection:
            connection.execute(text("DROP TABLE audit_feedback"))
        with pytest.raises(StoreUnavailableError) as raised:
            asyncio.run(store.add_feedback([said(str(uuid4()), CANARY)]))
    assert CANARY not in repr(raised.value)
    assert raised.value.__cause__ is None
