"""A retried request gets the first answer."""

import hashlib
import re
from dataclasses import dataclass

from cachetools import TTLCache

from service.audit.store import Store
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
class FirstRequest:
    """A caller's idempotency key with the digest of the request that came with it."""

    caller: str
    key: str
    digest: str


def first_request(caller: str, key: str | None, content: bytes) -> FirstRequest | None:
    """Return what identifies a request that may be retried, or None without a key.

    Raises
    ------
    ProblemError
        If the key is malformed.
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
    return FirstRequest(caller, key, hashlib.sha256(content).hexdigest())


class Answers:
    """The first answers to requests that carried an `Idempotency-Key`.

    They are found in the audit store, where they are for as long as their rows; without
    one they are held in memory for a day, up to a number.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._held: TTLCache[tuple[str, str], tuple[str, str]] = TTLCache(_ANSWERS, _SECONDS)

    async def find(self, request: FirstRequest | None) -> str | None:
        """Return the answer that the request got first, or None.

        Raises
        ------
        ProblemError
            If the key was used for another request.
        """
        if request is None:
            return None
        digest, answer = await self._first(request)
        if answer is not None and digest != request.digest:
            raise ProblemError(
                IDEMPOTENCY_KEY_REUSED, "Use a new key for a new request, the old one to retry."
            )
        return answer

    def hold(self, request: FirstRequest | None, answer: str) -> None:
        """Keep a first answer, where no store does."""
        if request is not None and self._store is None:
            self._held[request.caller, request.key] = (request.digest, answer)

    async def _first(self, request: FirstRequest) -> tuple[str | None, str | None]:
        if self._store is None:
            return self._held.get((request.caller, request.key), (None, None))
        first = await self._store.find_idempotent(request.caller, request.key)
        return (first.request_digest, first.output) if first else (None, None)
