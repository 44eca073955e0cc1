"""What a browser may do with an answer, route by route.

Strict transport security is the gateway's, which ends TLS.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

Header = tuple[bytes, bytes]

POLICY_HEADER = "Content-Security-Policy"

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_DOCUMENTATION = frozenset({"/docs", "/docs/oauth2-redirect"})
_STATIC = "/static-offline-docs/"
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_OURS = frozenset(name for name, _ in _ALWAYS)
_POLICY = ((POLICY_HEADER.lower().encode(), _NOTHING.encode()),)
_POLICY_AND_NO_STORE = (*_POLICY, (b"cache-control", b"no-store"))
_INLINE = re.compile(r"<(script|style)(?![^>]*\ssrc=)[^>]*>(.*?)</\1>", re.DOTALL)


@lru_cache(maxsize=32)
def document_policy(page: str, resources: str = "") -> str:
    """Return the policy under which a page's own inline scripts and styles work, and no others.

    `resources` are further directives; a `script-src` or `style-src` takes sources
    beside the hashes only from here.
    """
    directives = dict(d.strip().partition(" ")[::2] for d in resources.split(";") if d.strip())
    for kind, content in _INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        name = f"{kind}-src"
        directives[name] = f"{directives.get(name, '')} 'sha256-{digest}'".strip()
    return "; ".join([_NOTHING, *(f"{name} {value}" for name, value in directives.items())])


def secured(headers: Iterable[Header], path: str) -> list[Header]:
    """Return an answer's headers with those that every answer has; what a route sets stays."""
    kept = [header for header in headers if header[0] not in _OURS]
    present = {name for name, _ in kept}
    # What is the same for everyone has an ETag and may be kept.
    defaults = _POLICY if path.startswith(_STATIC) else _POLICY_AND_NO_STORE
    return [*kept, *_ALWAYS, *(default for default in defaults if default[0] not in present)]


class WithDocumentPolicy:
    """Hold the head of a page back until its text is there, and the policy with it."""

    _RESOURCES = "connect-src 'self'; img-src 'self' data:; script-src 'self'; style-src 'self'"

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None

    @classmethod
    def around(cls, send: Send, path: str) -> Send:
        """Return what the documentation's pages are sent by, and any other answer as before."""
        return cls(send).send if path in _DOCUMENTATION else send

    async def send(self, message: Message) -> None:
        """Send a message of an answer."""
        if message["type"] == "http.response.start":
            self._head = message
            return
        if self._head is not None:
            page = message.get("body", b"").decode()
            policy = document_policy(page, self._RESOURCES)
            MutableHeaders(scope=self._head)[POLICY_HEADER] = policy
            await self._send(self._head)
            self._head = None
        await self._send(message)
