"""Reading a chart from the FHIR server that a CDS client names, and from nothing else.

An allowed server is known by name: https shows that it is the one, whatever address the
name has, which in a hospital is usually a private one. So no redirect is followed and no
other URL is ever asked for, the next page of a search included.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

import httpx

from model.errors import Hsct2Error
from service.download import (
    AddressError,
    Allowance,
    DownloadError,
    download,
    open_client,
    secure_address,
)

MOST_PAGES = 20
"""Of one search; a search that has more is not complete, and so is not used."""
_AT_ONCE = 6
_LATE = "the server did not answer in time"
_MEDIA_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})


class UnreadableError(Hsct2Error):
    """A part of the chart could not be read; holds nothing of what was received."""


@dataclass(frozen=True)
class Query:
    """One part of a chart.

    Attributes
    ----------
    path : below the server's base URL, as ``Condition?patient=1``
    resource_type : of what is read, or of what is searched for
    enough : how many entries of a search are wanted, None for all of them
    """

    path: str
    resource_type: str
    enough: int | None = None

    @property
    def is_search(self) -> bool:
        """Whether it may find several resources."""
        return "?" in self.path


def base_url(url: str) -> str:
    """Return the base URL of a FHIR server as it is compared: without a slash at the end.

    Raises
    ------
    AddressError
        If it is not https (or http on loopback), or has a user, query or fragment.
    """
    parsed = secure_address(url)
    if parsed.query:
        raise AddressError("it must hold no query")
    return str(parsed).rstrip("/")


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Fetched:
    """Parts of a chart by key, and why others could not be read."""

    resources: Mapping[str, Any]
    failures: Mapping[str, UnreadableError]


@dataclass(frozen=True)
class FhirServers:
    """The servers that a chart may be read from, and how long and how much.

    Attributes
    ----------
    allowed : their base URLs, see `base_url`
    seconds : most time that reading for one call may take
    max_bytes : most that it may bring in
    """

    allowed: frozenset[str]
    seconds: float
    max_bytes: int

    @classmethod
    def of(cls, urls: Sequence[str], seconds: float, max_bytes: int) -> "FhirServers":
        """Return the servers at these base URLs."""
        return cls(frozenset(map(base_url, urls)), seconds, max_bytes)

    def reader(self, server: str | None, token: str | None) -> "Reader | None":
        """Return what reads from the server that a client names; None if nothing may."""
        if server is None:
            return None
        try:
            base = base_url(server)
        except AddressError:
            return None
        if base not in self.allowed:
            return None
        return Reader(base, token, self.seconds, Allowance(self.max_bytes))


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


def next_page(bundle: Mapping[str, Any]) -> str | None:
    """Return the address of the page after a bundle, as the server gives it."""
    links = bundle.get("link", [])
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) else ""
    return None


def _no_number(_: str) -> NoReturn:
    raise ValueError("no number of JSON")
