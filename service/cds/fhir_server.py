"""Reading a chart from the FHIR server that a CDS client names, and from nothing else.

An allowed server is known by name: https shows that it is the one, whatever address the
name has, which in a hospital is usually a private one. So no redirect is followed and no
other URL is ever asked for, the next page of a search included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.errors import Hsct2Error
from service.addresses import AddressError, base_url

if TYPE_CHECKING:
    from service.cds.chart_reader import Reader


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
        if server is None or not self.allowed:
            return None
        try:
            base = base_url(server)
        except AddressError:
            return None
        if base not in self.allowed:
            return None
        # HTTP's client is loaded where a server is allowed, and not when each service starts.
        from service.cds.chart_reader import Reader
        from service.download import Allowance

        return Reader(base, token, self.seconds, Allowance(self.max_bytes))


def next_page(bundle: Mapping[str, Any]) -> str | None:
    """Return the address of the page after a bundle, as the server gives it."""
    links = bundle.get("link", [])
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) else ""
    return None
