"""Reading the parts of one chart from the FHIR server that it is on."""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

import httpx

from service.cds.fhir_server import Fetched, Query, UnreadableError, next_page
from service.download import Allowance, DownloadError, download, open_client

MOST_PAGES = 20
"""Of one search; a search that has more is not complete, and so is not used."""
_AT_ONCE = 6
_LATE = "the server did not answer in time"
_MEDIA_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})


@dataclass
class Reader:
    """Reads parts of one chart for one call, in time and within a size.

    Attributes
    ----------
    seconds_left : for all parts; only the time in which the server is asked counts
    """

    base: str
    token: str | None = field(repr=False)
    seconds_left: float
    allowance: Allowance

    async def read(self, queries: Mapping[str, Query]) -> Fetched:
        """Ask for all parts at once; each is there or says why not."""
        if not queries:
            return Fetched({}, {})
        certificates = await asyncio.to_thread(_certificates)
        seconds, began = max(0.0, self.seconds_left), time.monotonic()
        at_once = asyncio.Semaphore(_AT_ONCE)
        async with open_client(httpx.URL(self.base), certificates, seconds) as client:
            tasks = {
                key: asyncio.create_task(self._one(client, query, at_once))
                for key, query in queries.items()
            }
            _, late = await asyncio.wait(tasks.values(), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.wait(tasks.values())
        self.seconds_left -= time.monotonic() - began
        results = {
            key: UnreadableError(_LATE) if task.cancelled() else task.result()
            for key, task in tasks.items()
        }
        return Fetched(
            {k: r for k, r in results.items() if not isinstance(r, UnreadableError)},
            {k: r for k, r in results.items() if isinstance(r, UnreadableError)},
        )

    async def _one(
        self, client: httpx.AsyncClient, query: Query, at_once: asyncio.Semaphore
    ) -> Any | UnreadableError:
        url = httpx.URL(f"{self.base}/{query.path}")
        try:
            async with at_once:
                if query.is_search:
                    return await self._search(client, url, query)
                return await self._get(client, url, query.resource_type)
        except UnreadableError as error:
            return error
        except DownloadError as error:
            return UnreadableError(str(error))
        except httpx.TimeoutException:
            return UnreadableError(_LATE)
        except httpx.HTTPError as error:  # its message may quote what was received
            return UnreadableError(f"the server cannot be asked ({type(error).__name__})")

    async def _search(
        self, client: httpx.AsyncClient, url: httpx.URL, query: Query
    ) -> dict[str, Any]:
        """Return the bundle of all pages, or of as many as are enough."""
        entries: list[Any] = []
        asked: set[str] = set()
        while len(asked) < MOST_PAGES:
            asked.add(str(url))
            page = await self._get(client, url, "Bundle")
            found = page.get("entry", [])
            if not isinstance(found, list):
                raise UnreadableError("the answer is no bundle of entries")
            entries += found
            following = next_page(page)
            if following is None or (query.enough and len(entries) >= query.enough):
                return {"resourceType": "Bundle", "type": "searchset", "entry": entries}
            url = self._page(url, following)
            if str(url) in asked:
                raise UnreadableError("the pages of the search go in a circle")
        raise UnreadableError(f"the search has more than {MOST_PAGES} pages")

    def _page(self, current: httpx.URL, following: str) -> httpx.URL:
        """Return the address of a next page, which must be one of the same server."""
        try:
            url = current.join(following)
        except httpx.InvalidURL:
            raise UnreadableError("the next page has no address") from None
        base = httpx.URL(self.base)
        same = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        path, below = url.path, base.path.rstrip("/")
        inside = path == below or path.startswith(f"{below}/")
        if not same or not inside or url.userinfo or ".." in path.split("/"):
            raise UnreadableError("the next page is on another server")
        return url.copy_with(fragment=None)

    async def _get(
        self, client: httpx.AsyncClient, url: httpx.URL, resource_type: str
    ) -> dict[str, Any]:
        headers = {"Accept": "application/fhir+json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            downloaded = await download(client, url, headers, self.allowance)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            # A server may close a connection just as it is used again: that is no answer yet.
            downloaded = await download(client, url, headers, self.allowance)
        if downloaded.media_type not in _MEDIA_TYPES:
            raise UnreadableError("the answer is not JSON")
        try:
            resource = json.loads(downloaded.content, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise UnreadableError("the answer is not JSON") from None
        if not isinstance(resource, dict) or resource.get("resourceType") != resource_type:
            raise UnreadableError(f"the answer is no {resource_type}")
        return resource


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _no_number(_: str) -> NoReturn:
    raise ValueError("no number of JSON")
