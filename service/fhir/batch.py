"""A `Bundle` of type batch: one patient in each entry, answered entry by entry."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from service.fhir.elements import BatchResponse, Entry
from service.fhir.operation import Question, assess, question_of
from service.fhir.outcome import operation_outcome
from service.fhir.refusals import RefusedError, error
from service.predictor import Asked, Predictor
from service.registry import Registry

MAX_ENTRIES = 200
"""Patients in one batch."""

_OPERATION = "$hsct2-risk"


def is_batch(resource: dict[str, Any]) -> bool:
    """Return whether a resource asks for several patients."""
    return resource.get("resourceType") == "Bundle" and resource.get("type") == "batch"


def questions_of(
    bundle: dict[str, Any],
    query: Sequence[tuple[str, str]],
    registry: Registry,
    now: datetime,
) -> list[Question | RefusedError]:
    """Return what each entry asks, or why it is refused, in order.

    The `query` of the batch's own address holds for every entry, beside the entry's.

    Raises
    ------
    RefusedError
        422 if the batch as such cannot be answered.
    """
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise RefusedError(422, [error("structure", "must be a list", "Bundle.entry")])
    if len(entries) > MAX_ENTRIES:
        text = f"a batch may have {MAX_ENTRIES} entries"
        raise RefusedError(422, [error("too_many_entries", text, "Bundle.entry")])
    return [_question(entry, query, registry, now) for entry in entries]


def _question(
    entry: object, query: Sequence[tuple[str, str]], registry: Registry, now: datetime
) -> Question | RefusedError:
    try:
        resource, own_query = _opened(entry)
        return question_of(resource, [*query, *own_query], registry, now)
    except RefusedError as refused:
        return refused


def _opened(entry: object) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return an entry's chart, and the query of its address."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(resource, dict):
        text = "an entry of a batch must hold a resource, the chart of one patient"
        raise RefusedError(422, [error("required", text, "Bundle.entry.resource")])
    if is_batch(resource):
        text = "a batch cannot hold another one"
        raise RefusedError(422, [error("structure", text, "Bundle.type")])
    request = entry.get("request", {"method": "POST", "url": _OPERATION})
    method, url = (
        (request.get("method"), request.get("url")) if isinstance(request, dict) else (None, None)
    )
    try:
        address = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        address = urlsplit("")
    if method != "POST" or address.path.rpartition("/")[2] != _OPERATION:
        text = f"the request of an entry must be POST {_OPERATION}"
        raise RefusedError(404, [error("not-found", text, "Bundle.entry.request")])
    return resource, parse_qsl(address.query, keep_blank_values=True)


async def answer(
    questions: Sequence[Question | RefusedError], predictor: Predictor, asked: Asked
) -> BatchResponse:
    """Return an entry for each question, in order; a refused one sinks nothing.

    Raises
    ------
    StoreUnavailableError
        If the predictions cannot be stored, and so are not to be answered.
    """
    accepted = [question for question in questions if isinstance(question, Question)]
    assessments = iter(await assess(accepted, predictor, asked))
    response: BatchResponse = {"resourceType": "Bundle", "type": "batch-response"}
    entries: list[Entry] = []
    for question in questions:
        if isinstance(question, RefusedError):
            entries.append(_refusal(question, asked.request_id))
        else:
            assessment = next(assessments)
            full_url = assessment["identifier"][0]["value"]
            entries.append(
                {"fullUrl": full_url, "resource": assessment, "response": {"status": "200 OK"}}
            )
    if entries:
        response["entry"] = entries
    return response


def _refusal(refused: RefusedError, request_id: str) -> Entry:
    status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
    outcome = operation_outcome(refused.issues, request_id)
    return {"response": {"status": status, "outcome": outcome}}
