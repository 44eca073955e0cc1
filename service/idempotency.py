"""A retried request gets the first answer."""

import hashlib
import re
from dataclasses import dataclass

from cachetools import TTLCache

from service.problems import (
    IDEMPOTENCY_KEY_REUSED,
    INVALID_REQUEST,
    FieldProblem,
    ProblemError,
)

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"

_SECONDS = 24 * 3600
_ANSWERS = 10_000
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class _First:
    request_digest: bytes
    answer: bytes


class Answers:
    """The answers of the last day to requests that carried an `Idempotency-Key`.

    They are held in memory, up to a number; after a restart, or past that number,
    a retry is computed anew.
    """

    def __init__(self) -> None:
        self._first: TTLCache[tuple[str, str], _First] = TTLCache(_ANSWERS, _SECONDS)

    def first(self, caller: str, key: str | None, request: bytes) -> bytes | None:
        """Return the answer that a caller's key got, or None.

        Raises
        ------
        ProblemError
            If the key is malformed, or was used for another request.
        """
        if key is None:
            return None
        if not _KEY.fullmatch(key):
            message = "must be 1 to 200 printable ASCII characters"
            raise ProblemError(
                INVALID_REQUEST,
                "See errors for each parameter.",
                [FieldProblem(field=HEADER, code="idempotency_key", message=message)],
            )
        first = self._first.get((caller, key))
        if first is None:
            return None
        if first.request_digest != _digest(request):
            raise ProblemError(
                IDEMPOTENCY_KEY_REUSED, "Use a new key for a new request, the old one to retry."
            )
        return first.answer

    def keep(self, caller: str, key: str | None, request: bytes, answer: bytes) -> None:
        """Keep the first answer to a request."""
        if key is not None:
            self._first[caller, key] = _First(_digest(request), answer)


def _digest(request: bytes) -> bytes:
    return hashlib.sha256(request).digest()
