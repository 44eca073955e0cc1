"""Reading from another server with care: in time, within a size, and never redirected."""

import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import httpx

from model.errors import Hsct2Error
from service.addresses import is_loopback


class DownloadError(Hsct2Error):
    """What the other server answered is not what was asked for; holds none of it."""


class Allowance:
    """How many bytes one or several downloads may bring in, all together."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left = max_bytes

    def take(self, received: int) -> None:
        """Count bytes that came in.

        Raises
        ------
        DownloadError
            If they are more than are left.
        """
        self._left -= received
        if self._left < 0:
            raise DownloadError(f"the answer is longer than {self._max_bytes} bytes")


@dataclass(frozen=True)
class Downloaded:
    """What a server answered with status 200; `media_type` is in lower case."""

    content: bytes
    media_type: str


def open_client(
    url: httpx.URL, certificates: ssl.SSLContext, seconds: float
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """Return a client for one server: it follows no redirect, and takes no step past `seconds`."""
    return httpx.AsyncClient(
        verify=certificates,
        trust_env=not is_loopback(url),
        follow_redirects=False,
        timeout=seconds,
    )


async def download(
    client: httpx.AsyncClient, url: httpx.URL, headers: Mapping[str, str], allowance: Allowance
) -> Downloaded:
    """Return the answer to one GET.

    Raises
    ------
    DownloadError
        If it has another status than 200, is compressed, or is longer than allowed.
    httpx.HTTPError
        If there is none; its message may quote what was received.
    """
    # A body that grows when it is unpacked would escape the limit.
    asked = {**headers, "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=asked) as response:
        if response.status_code != httpx.codes.OK:
            raise DownloadError(f"the answer has status {response.status_code}")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadError("the answer is compressed")
        content = bytearray()
        async for part in response.aiter_raw():
            allowance.take(len(part))
            content += part
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Downloaded(bytes(content), media_type)
