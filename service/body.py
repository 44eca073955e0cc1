"""Read a JSON body strictly: bounded, UTF-8, no duplicate keys, no numbers JSON lacks."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.problems import (
    BODY_TOO_LARGE,
    INVALID_CHART,
    INVALID_JSON,
    INVALID_PATIENT,
    UNSUPPORTED_MEDIA_TYPE,
    FieldProblem,
    ProblemError,
    ProblemType,
)

_LARGE_BYTES = 262_144


@dataclass(frozen=True)
class Expected:
    """What a body must be.

    Attributes
    ----------
    noun : what the object is, for messages
    hint : what it needs, for whoever sends nothing
    kind : the problem of JSON that is no object
    as_text : whether the object is handed on as text, so that no character may be half of one
    """

    media_types: tuple[str, ...]
    noun: str
    hint: str
    kind: ProblemType
    as_text: bool = False


PATIENT = Expected(
    ("application/json",), "a patient", "a patient needs at least ecog", INVALID_PATIENT
)
CHART = Expected(
    ("application/fhir+json", "application/json"),
    "a FHIR resource",
    "a chart is one FHIR resource",
    INVALID_CHART,
    as_text=True,
)


async def read_object(
    request: Request, max_bytes: int, expected: Expected = PATIENT
) -> tuple[dict[str, Any], bytes]:
    """Return a request's JSON object and its bytes.

    Raises
    ------
    ProblemError
        413, 415, or 400 with what is wrong; 422 if it is JSON, but no object.
    """
    content = await read_json(request, max_bytes, expected)
    if len(content) > _LARGE_BYTES:  # others are served meanwhile
        return await asyncio.to_thread(parse_object, content, expected), content
    return parse_object(content, expected), content


async def read_json(request: Request, max_bytes: int, expected: Expected = PATIENT) -> bytes:
    """Return the bytes of a request that says it is JSON.

    Raises
    ------
    ProblemError
        413 or 415.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in expected.media_types:
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE,
            f"Send a JSON object as Content-Type: {' or '.join(expected.media_types)}.",
        )
    return await receive_body(request.receive, max_bytes)


async def receive_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the whole body of a request.

    Raises
    ------
    ProblemError
        413.
    """
    content = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        content += message.get("body", b"")
        more = message.get("more_body", False)
        if len(content) > max_bytes:
            raise ProblemError(
                BODY_TOO_LARGE,
                f"A body may have {max_bytes} bytes.",
                # What follows is not read, so the connection cannot be used again.
                headers={"Connection": "close"},
            )
    return bytes(content)


def parse_object(content: bytes, expected: Expected = PATIENT) -> dict[str, Any]:
    """Return the JSON object that these bytes are.

    Raises
    ------
    ProblemError
        400 with what is wrong; 422 if it is JSON, but no object.
    """
    value = _parse(content, expected)
    if not isinstance(value, dict):
        raise ProblemError(
            expected.kind,
            f"The body must be one JSON object, {expected.noun}.",
            [FieldProblem(field=None, code="object_type", message="must be a JSON object")],
        )
    return value


def _parse(content: bytes, expected: Expected) -> Any:
    if not content.strip():
        raise ProblemError(INVALID_JSON, f"The body is empty; {expected.hint}.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(INVALID_JSON, f"Not UTF-8 at byte {error.start}.") from None
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ProblemError(
            INVALID_JSON, f"Not JSON at line {error.lineno}, column {error.colno}."
        ) from None
    except (ValueError, RecursionError):
        raise ProblemError(INVALID_JSON, "A number is too long or the nesting too deep.") from None
    if expected.as_text:
        _check_characters(value, text)
    return value


def _check_characters(value: Any, text: str) -> None:
    """Refuse half a character: JSON can escape one, but no text can hold it."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ProblemError(INVALID_JSON, "A string holds half a surrogate pair.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        repeats = [str(i + 1) for i, name in enumerate(names) if name in names[:i]]
        positions = ", ".join(repeats)
        raise ProblemError(
            INVALID_JSON, f"A key is there more than once: key {positions} repeats one."
        )
    return unique


def _no_number(_: str) -> NoReturn:
    raise ProblemError(INVALID_JSON, "NaN and Infinity are not numbers in JSON.")
