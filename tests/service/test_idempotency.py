"""``Idempotency-Key``: a retry gets the first answer."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.server import field_errors, problem


def post(client: httpx.Client, key: str | None, query: str = "", **patient: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/v1/predictions{query}", json=patient or {"ecog": 1}, headers=headers)


def test_a_retry_gets_the_first_answer_byte_for_byte_and_says_so(client: httpx.Client) -> None:
    key = str(uuid4())
    first, again = post(client, key), post(client, key)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]


def test_without_a_key_every_answer_is_new(client: httpx.Client) -> None:
    ids = {post(client, None).json()["prediction_id"] for _ in range(2)}
    assert len(ids) == 2


def test_other_keys_get_other_answers(client: httpx.Client) -> None:
    ids = {post(client, str(uuid4())).json()["prediction_id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_key_is_not_used_for_another_patient(client: httpx.Client) -> None:
    key = str(uuid4())
    first = post(client, key, ecog=1)
    problem(post(client, key, ecog=2), 422, "idempotency-key-reused")
    assert post(client, key, ecog=1).content == first.content


def test_a_key_is_not_used_for_another_query(client: httpx.Client) -> None:
    key = str(uuid4())
    assert post(client, key).status_code == 200
    problem(post(client, key, "?curve=false"), 422, "idempotency-key-reused")


def test_a_refused_request_does_not_use_its_key_up(client: httpx.Client) -> None:
    key = str(uuid4())
    problem(post(client, key, ecog=5), 422, "invalid-patient")
    answer = post(client, key, ecog=1)
    assert answer.status_code == 200
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["two words", "tab\tbed", "x" * 201, "", "\xe9t\xe9"])
def test_a_malformed_key_is_refused(key: str, client: httpx.Client) -> None:
    response = client.post(
        "/v1/predictions",
        json={"ecog": 1},
        headers=[(b"Idempotency-Key", key.encode("latin-1"))],
    )
    body = problem(response, 422, "invalid-request")
    assert [field for field, _ in field_errors(body)] == ["Idempotency-Key"]


@pytest.mark.parametrize("key", ["x", "x" * 200, '"quoted/and:marked"'])
def test_any_printable_key_of_up_to_200_characters_is_taken(key: str, client: httpx.Client) -> None:
    own = key[:160] + uuid4().hex if len(key) > 1 else key
    own = own.ljust(len(key), "y") if len(key) == 200 else own
    assert post(client, own, ecog=3).status_code == 200
