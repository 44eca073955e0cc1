"""CDS clients show who they are by a JWT of their own; each of them is its own issuer.

The token is for one call of one endpoint: `aud` holds that endpoint's public URL, as we
were told it and not as the request has it, and `jti` is taken once.
"""

from collections.abc import Collection, Mapping
from typing import Any

import httpx
import jwt

from service.addresses import host_of, secure_address
from service.jwks import KeySet
from service.replay import SeenTokens
from service.tokens import Refusal, TokenError, TokenRules, TokenVerifier, VerifiedToken

ALGORITHMS = frozenset({"ES384", "RS384"})
_MAX_LENGTH = 16_384


class CdsClients:
    """Verifies the tokens of the issuers that are allowed.

    Parameters
    ----------
    key_sets : for each issuer the one address of its keys; a token whose `jku` names
        another is refused, and nothing is fetched
    public_url : by which clients reach the service
    paths : of the endpoints that ask for a token
    """

    def __init__(
        self,
        key_sets: Mapping[str, str],
        public_url: str,
        paths: Collection[str],
        seen: SeenTokens,
        max_lifetime_seconds: int,
    ) -> None:
        self._key_sets = {issuer: secure_address(url) for issuer, url in key_sets.items()}
        self._verifiers = {
            (issuer, path): TokenVerifier(
                TokenRules(
                    issuer=issuer,
                    audience=public_url + path,
                    algorithms=ALGORITHMS,
                    subject_required=False,
                    max_lifetime_seconds=max_lifetime_seconds,
                ),
                keys,
                seen,
            )
            for issuer, keys in self._opened().items()
            for path in paths
        }

    def asks_at(self, path: str) -> bool:
        """Whether an endpoint is one that these clients call."""
        return any(of_path == path for _, of_path in self._verifiers)

    async def verify(self, token: str, path: str) -> VerifiedToken:
        """Return what a token says, once it is known to be meant for this very endpoint.

        Raises
        ------
        TokenError
            If it is refused.
        KeysUnavailableError, SeenTokensUnavailableError
            If it cannot be checked now.
        """
        header, claims = _unverified(token)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._key_sets:
            raise TokenError(Refusal.ISSUER)
        if "jku" in header and not _is_same(header["jku"], self._key_sets[issuer]):
            raise TokenError(Refusal.KEY)
        if "iat" not in claims:
            raise TokenError(Refusal.CLAIM)
        return await self._verifiers[issuer, path].verify(token)

    def _opened(self) -> dict[str, KeySet]:
        return {issuer: KeySet(str(url), [host_of(url)]) for issuer, url in self._key_sets.items()}


def _is_same(url: object, allowed: httpx.URL) -> bool:
    return isinstance(url, str) and url == str(allowed)


def _unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and claims as the token has them, only to know whose keys to ask for."""
    if len(token) > _MAX_LENGTH:
        raise TokenError(Refusal.MALFORMED)
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError):
        raise TokenError(Refusal.MALFORMED) from None
    return header, claims
