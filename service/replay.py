"""Which tokens were seen before, so that one that was overheard is of no further use."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Engine, delete, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from model.errors import Hsct2Error
from service.audit.schema import SEEN_TOKENS

_CLEAN_UP_SECONDS = 60
_KEEP_SECONDS = 300  # past expiry: the clocks of two replicas may differ
_MOST_IN_MEMORY = 1_000_000


class SeenTokensUnavailableError(Hsct2Error):
    """Whether a token was seen before cannot be told now; try again later."""

    retry_after_seconds = 5


class SeenTokens(Protocol):
    """What remembers tokens."""

    async def first_time(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Remember a token until it expires; whether it was not remembered already.

        Of any number of concurrent calls with one token, one gets True.

        Raises
        ------
        SeenTokensUnavailableError
            If it cannot be told.
        """


class SeenInMemory:
    """Tokens seen by this process: forgotten when it ends, unknown to other replicas."""

    def __init__(self, clock: Callable[[], float] = time.time, most: int = _MOST_IN_MEMORY) -> None:
        self._clock = clock
        self._most = most
        self._expires_at: dict[str, float] = {}
        self._clean_up_at = clock() + _CLEAN_UP_SECONDS

    async def first_time(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Remember a token; see `SeenTokens`."""
        now = self._clock()
        if now >= self._clean_up_at:
            self._clean_up_at = now + _CLEAN_UP_SECONDS
            self._expires_at = {d: e for d, e in self._expires_at.items() if e > now}
        digest = _digest(issuer, jti)
        if digest in self._expires_at:
            return False
        if len(self._expires_at) >= self._most:
            raise SeenTokensUnavailableError("too many tokens are remembered")
        self._expires_at[digest] = expires_at
        return True


class SeenInDatabase:
    """Tokens seen by every replica that shares an audit store.

    Parameters
    ----------
    engine : one whose transactions write, such as the audit store's
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self._clean_up_at = clock()

    async def first_time(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Remember a token; see `SeenTokens`. The database is asked in a thread."""
        return await asyncio.to_thread(self._insert, _digest(issuer, jti), int(expires_at) + 1)

    def _insert(self, digest: str, expires_at: int) -> bool:
        now = self._clock()
        try:
            with self._engine.begin() as connection:
                if now >= self._clean_up_at:
                    self._clean_up_at = now + _CLEAN_UP_SECONDS
                    past = SEEN_TOKENS.c.expires_at < int(now) - _KEEP_SECONDS
                    connection.execute(delete(SEEN_TOKENS).where(past))
                row = {"digest": digest, "expires_at": expires_at}
                connection.execute(insert(SEEN_TOKENS), row)
        except IntegrityError:
            return False
        except (SQLAlchemyError, OSError):
            raise SeenTokensUnavailableError("the store of seen tokens failed") from None
        return True


def _digest(issuer: str, jti: str) -> str:
    """Return a key of fixed length: a `jti` may be long, or hold what a database refuses."""
    return hashlib.sha256(json.dumps([issuer, jti]).encode()).hexdigest()
