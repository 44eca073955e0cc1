"""What clinicians said of cards: stored as it comes, read with the prediction it is about."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from service.audit.database import database_errors
from service.audit.records import microseconds, moment
from service.audit.schema import FEEDBACK


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of one card.

    Attributes
    ----------
    id : of this row
    service : the CDS service that gave the card
    card : its uuid, which is the prediction's id; a card that names a missing value has none
    outcome : ``accepted`` or ``overridden``
    override_reason : code, system and display of the reason and a comment, as JSON
    outcome_timestamp : when it was decided, as the client sent it
    """

    id: str
    created_at: datetime
    caller: str
    request_id: str
    service: str
    card: str
    outcome: str
    accepted_suggestions: Sequence[str]
    override_reason: str | None
    outcome_timestamp: str | None


def add(engine: Engine, rows: Sequence[Feedback]) -> None:
    """Store rows, all or none; durable when it returns."""
    with database_errors(), engine.begin() as connection:
        connection.execute(insert(FEEDBACK), [_columns(row) for row in rows])


def of_card(connection: Connection, card: str) -> list[dict[str, Any]]:
    """Return everything that was said of a card, first things first, for people to read."""
    query = select(FEEDBACK).where(FEEDBACK.c.card == card)
    rows = connection.execute(query.order_by(FEEDBACK.c.created_at, FEEDBACK.c.id)).mappings()
    return [_as_json(dict(row)) for row in rows]


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    reason = row["override_reason"]
    row["created_at"] = moment(row["created_at"]).isoformat()
    row["accepted_suggestions"] = json.loads(row["accepted_suggestions"])
    row["override_reason"] = None if reason is None else json.loads(reason)
    return row


def _columns(row: Feedback) -> dict[str, str | int | None]:
    return {
        "id": row.id,
        "created_at": microseconds(row.created_at),
        "caller": row.caller,
        "request_id": row.request_id,
        "service": row.service,
        "card": row.card,
        "outcome": row.outcome,
        "accepted_suggestions": json.dumps(list(row.accepted_suggestions)),
        "override_reason": row.override_reason,
        "outcome_timestamp": row.outcome_timestamp,
    }
