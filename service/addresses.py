"""Addresses of other servers, and whether anything may be fetched from them."""

from collections.abc import Collection
from ipaddress import ip_address
from typing import TYPE_CHECKING

from model.errors import Hsct2Error

if TYPE_CHECKING:
    import httpx


class AddressError(Hsct2Error):
    """Nothing may be fetched from this address."""


def secure_address(url: str) -> "httpx.URL":
    """Return an address whose host is known for what it is when it answers.

    Raises
    ------
    AddressError
        If it is not https (or http on a loopback host), or names a user.
    """
    import httpx  # a service that asks no other server starts sooner without it

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise AddressError("it is not a URL") from None
    if parsed.scheme != "https" and not (parsed.scheme == "http" and is_loopback(parsed)):
        raise AddressError("it must begin with https:// (http:// on a loopback host only)")
    if parsed.userinfo or parsed.fragment:
        raise AddressError("it must hold neither user, password nor fragment")
    return parsed


def checked_address(url: str, allowed_hosts: Collection[str]) -> "httpx.URL":
    """Return an address that keys may be fetched from.

    Raises
    ------
    AddressError
        If it is not https (or http on a loopback host), names a user, or its host is not
        among the allowed ones.
    """
    parsed = secure_address(url)
    if host_of(parsed) not in {allowed.lower() for allowed in allowed_hosts}:
        raise AddressError("its host is not among the allowed ones")
    return parsed


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


def host_of(url: "httpx.URL") -> str:
    """Return the host of an address in lower case, as it goes over the wire."""
    return url.raw_host.decode("ascii").lower()


def is_loopback(url: "httpx.URL") -> bool:
    """Whether an address names this machine."""
    host = host_of(url)
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
