"""An issuer's key set (JWKS): fetched over HTTP with care, kept, and followed as it rotates."""

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Collection

import httpx
import structlog

from model.errors import Hsct2Error
from service.addresses import checked_address
from service.download import Allowance, DownloadError, download, open_client
from service.public_keys import KeySetError, VerificationKey, read_key_set

REFRESH_SECONDS = 300
"""Age from which keys are fetched again while they are used."""
IDLE_SECONDS = 900
"""Age from which a call waits for that fetch, unless the last one failed."""
STALE_SECONDS = 24 * 3600
"""Age past which keys that cannot be fetched anew are no longer believed."""
RETRY_SECONDS = 10
"""Least time between two fetches, whatever asks for them."""
FETCH_SECONDS = 5.0
"""Most time that one fetch may take, from connecting to the last byte."""
MAX_BYTES = 256 * 1024


class KeysUnavailableError(Hsct2Error):
    """There are no keys, and none could be fetched; try again after some seconds."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("the issuer's keys cannot be fetched")
        self.retry_after_seconds = retry_after_seconds


class KeySet:
    """The keys at one address, fetched when they are first asked for.

    A key that is not known is looked for once more, though never twice in
    `RETRY_SECONDS`: tokens with invented key ids don't turn into requests. Calls that
    come while a fetch is under way share it. Where a fetch fails, the keys of the last
    one stay for `STALE_SECONDS`.
    """

    def __init__(
        self,
        url: str,
        allowed_hosts: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = checked_address(url, allowed_hosts)
        self._clock = clock
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None
        self._failing = False
        self._log = structlog.get_logger("jwks")

    async def find(self, key_id: str, algorithm: str) -> VerificationKey | None:
        """Return the key of this id for this algorithm, or None.

        Raises
        ------
        KeysUnavailableError
            If there are no keys to look among.
        """
        await self._keep_fresh()
        if self._age() > STALE_SECONDS:
            wait = self._tried_at + RETRY_SECONDS - self._clock()
            raise KeysUnavailableError(max(1, math.ceil(wait)))
        key = self._known(key_id, algorithm)
        if key is None:
            await self._wait_for(self._fetch_unless_just_tried())
            key = self._known(key_id, algorithm)
        return key

    def _known(self, key_id: str, algorithm: str) -> VerificationKey | None:
        fitting = (k for k in self._keys if k.id == key_id and algorithm in k.algorithms)
        return next(fitting, None)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    async def _keep_fresh(self) -> None:
        age = self._age()
        if age <= REFRESH_SECONDS:
            return
        fetching = self._fetch_unless_just_tried()
        if age > STALE_SECONDS or (age > IDLE_SECONDS and not self._failing):
            await self._wait_for(fetching)

    def _fetch_unless_just_tried(self) -> asyncio.Task[None] | None:
        """Return the fetch that is under way, if need be begun now."""
        now = self._clock()
        if self._fetching is None and now - self._tried_at >= RETRY_SECONDS:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    @staticmethod
    async def _wait_for(fetching: asyncio.Task[None] | None) -> None:
        if fetching is not None:
            await asyncio.shield(fetching)  # others wait for it too

    async def _fetch(self) -> None:
        # Reading the certificates holds no request up, and is no time of the server's.
        certificates = await asyncio.to_thread(httpx.create_ssl_context)
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = read_key_set(await self._download(certificates))
        except (httpx.HTTPError, TimeoutError, DownloadError, KeySetError) as error:
            # The message of httpx may quote what was received.
            ours = isinstance(error, DownloadError | KeySetError)
            reason = str(error) if ours else type(error).__name__
            self._failing = True
            self._log.warning("keys not fetched", host=self._url.host, reason=reason)
        else:
            self._keys, self._failing = keys, False
            self._fetched_at = self._tried_at
            self._log.info("keys fetched", host=self._url.host, usable=len(keys))
        finally:
            self._fetching = None

    async def _download(self, certificates: ssl.SSLContext) -> bytes:
        accepted = {"Accept": "application/json"}
        async with open_client(self._url, certificates, FETCH_SECONDS) as client:
            downloaded = await download(client, self._url, accepted, Allowance(MAX_BYTES))
        return downloaded.content
