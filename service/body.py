"""Read a JSON body strictly: bounded, UTF-8, no duplicate keys, no numbers JSON lacks."""

import json
from typing import Any, NoReturn

from fastapi import Request

from service.problems import (
    BODY_TOO_LARGE,
    INVALID_JSON,
    INVALID_PATIENT,
    UNSUPPORTED_MEDIA_TYPE,
    FieldProblem,
    ProblemError,
)


async def read_object(request: Request, max_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Return a request's JSON object and its bytes.

    Raises
    ------
    ProblemError
        413, 415, or 400 with what is wrong; 422 if it is JSON, but no object.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ProblemError(
            UNSUPPORTED_MEDIA_TYPE, "Send a JSON object as Content-Type: application/json."
        )
    content = await _read(request, max_bytes)
    value = _parse(content)
    if not isinstance(value, dict):
        raise ProblemError(
            INVALID_PATIENT,
            "The body must be one JSON object, a patient.",
            [FieldProblem(field=None, code="object_type", message="must be a JSON object")],
        )
    return value, content


async def _read(request: Request, max_bytes: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > max_bytes:
            raise ProblemError(
                BODY_TOO_LARGE,
                f"A body may have {max_bytes} bytes.",
                # What follows is not read, so the connection cannot be used again.
                headers={"Connection": "close"},
            )
    return bytes(content)


def _parse(content: bytes) -> Any:
    if not content.strip():
        raise ProblemError(INVALID_JSON, "The body is empty; a patient needs at least ecog.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProblemError(INVALID_JSON, f"Not UTF-8 at byte {error.start}.") from None
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ProblemError(
            INVALID_JSON, f"Not JSON at line {error.lineno}, column {error.colno}."
        ) from None
    except (ValueError, RecursionError):
        raise ProblemError(INVALID_JSON, "A number is too long or the nesting too deep.") from None


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
