"""What is no call of CDS Hooks is told so, without a word of it."""

from typing import Any
from uuid import uuid4

import pytest

from tests.server import Server
from tests.service.cds.calls import ORDER_SELECT, PATIENT_VIEW, call, outcome, texts, the_card
from tests.service.cds.charts import order, order_select, patient_view

CANARY = "canary-zebedee"


def changed(path: str, value: Any) -> dict[str, Any]:
    body = patient_view(hookInstance=str(uuid4()))
    body["context"] = dict(body["context"])
    inner = body
    *outer, name = path.split(".")
    for key in outer:
        inner = inner.setdefault(key, {})
    if value is ...:
        del inner[name]
    else:
        inner[name] = value
    return body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("hook", ...),
        ("hook", "order-select"),
        ("hook", CANARY),
        ("hook", 1),
        ("hookInstance", ...),
        ("hookInstance", CANARY),
        ("hookInstance", 7),
        ("context", ...),
        ("context", []),
        ("context.patientId", ...),
        ("context.patientId", 5),
        ("context.patientId", f"Patient/{CANARY}"),
        ("context.userId", ...),
        ("context.userId", CANARY),
        ("context.encounterId", f"{CANARY} x"),
        ("prefetch", []),
        ("prefetch", CANARY),
        ("fhirServer", 1),
        ("fhirServer", CANARY * 500),
        ("fhirAuthorization", {"access_token": CANARY, "token_type": "Bearer"}),  # for no server
        ("fhirAuthorization", CANARY),
    ],
)
def test_a_member_that_is_not_what_it_should_be_is_named(
    path: str, value: Any, cds: Server
) -> None:
    response = call(cds, changed(path, value), PATIENT_VIEW)
    issues = outcome(response, 422)
    named = {expression for issue in issues for expression in issue.get("expression", [])}
    whole = path == "fhirAuthorization" and isinstance(value, dict)
    assert whole or any(path in expression for expression in named)
    assert CANARY not in response.text


@pytest.mark.parametrize(
    "token",
    [
        {"access_token": f"{CANARY}\r\nX: 1", "token_type": "Bearer"},
        {"access_token": "", "token_type": "Bearer"},
        {"access_token": CANARY, "token_type": "Basic"},
        {"access_token": CANARY},
        {"token_type": "Bearer"},
        {"access_token": CANARY, "token_type": "Bearer", "expires_in": "300"},
    ],
)
def test_a_token_that_is_none_is_refused(token: dict[str, Any], cds: Server) -> None:
    body = patient_view(fhirServer="https://ehr.example/fhir", fhirAuthorization=token)
    response = call(cds, body)
    outcome(response, 422)
    assert CANARY not in response.text


@pytest.mark.parametrize(
    "change",
    [
        {"selections": []},
        {"selections": ["order-1"]},
        {"selections": "ServiceRequest/order-1"},
        {"draftOrders": [order()]},
        {"draftOrders": None},
    ],
)
def test_selected_orders_that_are_none_are_refused(change: dict[str, Any], cds: Server) -> None:
    body = order_select([order()], ["ServiceRequest/order-1"])
    body["context"] |= change
    outcome(call(cds, body, ORDER_SELECT), 422)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"hook": NaN}', 400),
        (b'{"hook": "patient-view", "hook": "patient-view"}', 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"null", 422),
    ],
)
def test_what_is_no_json_object_is_an_outcome(content: bytes, status: int, cds: Server) -> None:
    with cds.client() as client:
        headers = {"Content-Type": "application/json"}
        outcome(client.post(PATIENT_VIEW, content=content, headers=headers), status)


def test_another_media_type_is_an_outcome(cds: Server) -> None:
    with cds.client() as client:
        headers = {"Content-Type": "application/xml"}
        outcome(client.post(PATIENT_VIEW, content=b"<a/>", headers=headers), 415)


def test_members_that_vendors_add_are_passed_over(cds: Server) -> None:
    body = patient_view(extension={"com.example": {"x": 1}}, more=CANARY)
    body["context"]["more"] = CANARY
    response = call(cds, body)
    the_card(response)
    assert CANARY not in response.text


def test_a_call_for_another_hook_is_refused(cds: Server) -> None:
    issues = outcome(call(cds, patient_view(), ORDER_SELECT), 422)
    assert "order-select" in texts(issues)
