"""``POST /cds-services/{id}/feedback``: what became of cards."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.audit.database import reading
from service.audit.feedback import of_card
from tests.server import Server
from tests.service.cds.calls import ORDER_SELECT, PATIENT_VIEW, call, outcome, the_card
from tests.service.cds.charts import patient_view

CANARY = "canary-comment"
REASON = {"code": "not-now", "system": "https://hsct2-risk.example/x", "display": "Not now"}


def said(card: str, **changes: Any) -> dict[str, Any]:
    return {
        "card": card,
        "outcome": "overridden",
        "overrideReason": {"reason": REASON, "userComment": f"{CANARY} \u0000 ü"},
        "outcomeTimestamp": "2026-11-22T10:05:31.5Z",
        **changes,
    }


def send(server: Server, *feedback: Any, path: str = PATIENT_VIEW) -> httpx.Response:
    with server.client() as client:
        return client.post(f"{path}/feedback", json={"feedback": list(feedback)})


def stored(server: Server, card: str) -> list[dict[str, Any]]:
    with reading(str(server.settings["audit_url"])) as connection:
        return of_card(connection, card)


def test_feedback_is_stored_with_the_card_that_it_is_about(cds: Server) -> None:
    card = the_card(call(cds, patient_view()))["uuid"]
    response = send(cds, said(card))
    assert (response.status_code, response.json()) == (200, {})
    (row,) = stored(cds, card)
    assert row["service"] == "hsct2-risk-patient-view"
    assert row["request_id"] == response.headers["X-Request-Id"]
    assert row["outcome"] == "overridden"
    assert row["override_reason"] == {"reason": REASON, "userComment": f"{CANARY} \u0000 ü"}
    assert row["outcome_timestamp"] == "2026-11-22T10:05:31.5Z"
    assert CANARY not in cds.log_up_to_now()


def test_repeats_and_feedback_on_several_cards_are_all_stored(cds: Server) -> None:
    first, second = str(uuid4()), str(uuid4())
    accepted = {"card": first.upper(), "outcome": "accepted", "acceptedSuggestions": [{"id": "a"}]}
    for _ in range(2):
        assert send(cds, accepted, said(second), path=ORDER_SELECT).status_code == 200
    rows = stored(cds, first)
    assert [row["accepted_suggestions"] for row in rows] == [["a"], ["a"]]
    assert {row["service"] for row in rows} == {"hsct2-risk-order-select"}
    assert len(stored(cds, second)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"card": CANARY},
        {"card": None},
        {"outcome": CANARY},
        {"overrideReason": CANARY},
        {"overrideReason": {"userComment": CANARY * 400}},
        {"overrideReason": {"reason": {"display": CANARY}}},
        {"outcomeTimestamp": CANARY},
        {"acceptedSuggestions": [CANARY]},
    ],
)
def test_feedback_that_is_none_is_refused_whole(change: dict[str, Any], cds: Server) -> None:
    good = str(uuid4())
    response = send(cds, said(good), said(str(uuid4())) | change)
    outcome(response, 422)
    assert CANARY not in response.text
    assert stored(cds, good) == []


def test_an_empty_message_is_refused(cds: Server) -> None:
    outcome(send(cds), 422)


def test_where_nothing_is_stored_there_is_nowhere_to_send_feedback(tmp_path: Path) -> None:
    with Server(tmp_path / "log", audit_url="off") as server:
        outcome(send(server, said(str(uuid4()))), 404)
        the_card(call(server, patient_view()))
