"""How tests call the service as a CDS client does, and what every card must be."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx

from tests.server import Server

PATIENT_VIEW = "/cds-services/hsct2-risk-patient-view"
ORDER_SELECT = "/cds-services/hsct2-risk-order-select"

_CARD = {
    "uuid": str,
    "summary": str,
    "detail": str,
    "indicator": str,
    "source": dict,
    "overrideReasons": list,
    "links": list,
}
_URL = re.compile(r"https?://[^\s?#]+")


def call(server: Server, body: Mapping[str, Any], path: str | None = None) -> httpx.Response:
    where = path or (ORDER_SELECT if body.get("hook") == "order-select" else PATIENT_VIEW)
    with server.client() as client:
        return client.post(where, json=body)


def cards(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the cards of an answer once each has been held against CDS Hooks 2.0."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"cards"}
    for card in body["cards"]:
        _check(card)
    found: list[dict[str, Any]] = body["cards"]
    return found


def the_card(response: httpx.Response) -> dict[str, Any]:
    (card,) = cards(response)
    return card


def outcome(response: httpx.Response, status: int) -> list[dict[str, Any]]:
    """Return the issues of an OperationOutcome once it is known to be one."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("application/fhir+json")
    body = response.json()
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"]
    for issue in body["issue"]:
        assert issue["severity"] in ("fatal", "error", "warning", "information")
        assert issue["code"]
        assert issue["details"]["text"]
    found: list[dict[str, Any]] = body["issue"]
    return found


def texts(issues: list[dict[str, Any]]) -> str:
    return "\n".join(issue["details"]["text"] for issue in issues)


def _check(card: dict[str, Any]) -> None:
    assert set(card) == set(_CARD)  # above all: no suggestions
    for name, kind in _CARD.items():
        assert type(card[name]) is kind, name
    assert str(UUID(card["uuid"])) == card["uuid"]
    assert 0 < len(card["summary"]) < 140
    assert "\n" not in card["summary"]
    assert "ynthetic" in card["summary"]
    assert "Not for clinical decisions" in card["detail"]
    assert card["indicator"] in ("info", "warning")
    _check_source(card["source"])
    for reason in card["overrideReasons"]:
        _check_coding(reason)
    for link in card["links"]:
        assert set(link) == {"label", "url", "type"}
        assert link["label"]
        assert _URL.fullmatch(link["url"])  # no query and no fragment, so no patient's value
        assert link["type"] == "absolute"


def _check_source(source: dict[str, Any]) -> None:
    assert set(source) <= {"label", "url", "topic"}
    assert source["label"]
    assert "url" not in source or _URL.fullmatch(source["url"])
    _check_coding(source["topic"])


def _check_coding(coding: dict[str, Any]) -> None:
    assert set(coding) == {"system", "code", "display"}
    assert _URL.fullmatch(coding["system"])
    assert re.fullmatch(r"\S+", coding["code"])
    assert coding["display"]
