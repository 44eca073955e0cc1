"""Bearer tokens: a signed JWT (RFC 7519, checked as RFC 8725 advises) says who calls."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import jwt
from jwt.types import Options

from model.errors import Hsct2Error
from service.algorithms import ALGORITHMS
from service.jwks import KeySet
from service.keys import Scope
from service.replay import SeenTokens

_SMART_RESOURCES = ("RiskAssessment", "*")
_SMART_PERMISSIONS = (
    "write",  # SMART 1
    "*",
    # SMART 2: create, and what may follow it, in this order
    *("c" + "".join(rest) for n in range(5) for rest in combinations("ruds", n)),
)

SCOPE_NAMES: Mapping[str, Scope] = {
    "predict": Scope.PREDICT,
    "audit": Scope.AUDIT,
    "admin": Scope.ADMIN,
    **{
        f"system/{resource}.{permission}": Scope.PREDICT
        for resource in _SMART_RESOURCES
        for permission in _SMART_PERMISSIONS
    },
}
"""The scope that each name in a token stands for; other names stand for none.

SMART Backend Services name theirs ``system/...``: whoever may create a RiskAssessment
may have a risk assessed. No such name stands for scope audit or admin.
"""

_MAX_LENGTH = 16_384
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515, 3.1
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}  # RFC 9068, 4
_SIGNATURE_ONLY: Options = {  # claims are checked here, against a clock that is passed in
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
_LATEST = 1e12  # seconds; past it, times are no times, and integers may not fit a float


class Refusal(StrEnum):
    """Why a token is refused: a stable code, and all that the caller is told."""

    MALFORMED = "malformed"
    TYPE = "wrong_type"
    ALGORITHM = "wrong_algorithm"
    KEY = "unknown_key"
    SIGNATURE = "wrong_signature"
    CLAIM = "missing_or_invalid_claim"
    ISSUER = "wrong_issuer"
    AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet_valid"
    LIFETIME = "lifetime_too_long"
    REPLAYED = "replayed"


class TokenError(Hsct2Error):
    """A token is refused; neither the message nor a cause holds any of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"the token is refused: {refusal.value}")
        self.refusal = refusal


@dataclass(frozen=True)
class TokenRules:
    """What a token must be like.

    Parameters
    ----------
    issuer : must equal `iss`
    audience : must equal `aud`, or one of its entries
    algorithms : those accepted, some of `ALGORITHMS`
    single_use : whether `jti` is required, and refused when it was seen before
    subject_required : whether `sub` is; tokens of CDS Hooks have none, and their issuer
        is the caller
    max_lifetime_seconds : between `iat` and `exp`, and from now to `exp`
    leeway_seconds : how far the issuer's clock may be off
    """

    issuer: str
    audience: str
    algorithms: frozenset[str] = ALGORITHMS
    single_use: bool = True
    subject_required: bool = True
    max_lifetime_seconds: int = 3600
    leeway_seconds: int = 30

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience:
            raise ValueError("issuer and audience must be given")
        if not self.algorithms or not self.algorithms <= ALGORITHMS:
            raise ValueError(f"algorithms must be among {', '.join(sorted(ALGORITHMS))}")


@dataclass(frozen=True)
class VerifiedToken:
    """What a token says that may be believed."""

    caller_id: str
    scopes: frozenset[Scope]
    claims: Mapping[str, Any]


class TokenVerifier:
    """Verifies the tokens of one issuer."""

    def __init__(
        self,
        rules: TokenRules,
        keys: KeySet,
        seen: SeenTokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._keys = keys
        self._seen = seen
        self._clock = clock

    async def verify(self, token: str) -> VerifiedToken:
        """Return what a token says, once it is known to be genuine, current and meant for us.

        With single use it counts as used from then on, whatever becomes of the call.

        Raises
        ------
        TokenError
            If it is refused.
        KeysUnavailableError, SeenTokensUnavailableError
            If it cannot be checked now.
        """
        claims = await self._signed_claims(token)
        self._check_parties(claims)
        expires_at = self._check_times(claims)
        if self._rules.single_use:
            jti = _text(claims, "jti")
            until = expires_at + self._rules.leeway_seconds
            if not await self._seen.first_time(self._rules.issuer, jti, until):
                raise TokenError(Refusal.REPLAYED)
        subject = claims.get("sub", "")
        return VerifiedToken(caller_id(self._rules.issuer, subject), _scopes(claims), claims)

    async def _signed_claims(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_LENGTH or not _COMPACT.fullmatch(token):
            raise TokenError(Refusal.MALFORMED)
        key_id, algorithm = self._header(token)
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise TokenError(Refusal.KEY)
        accepted = sorted(self._rules.algorithms & key.algorithms)
        try:
            claims: dict[str, Any] = jwt.decode(token, key.key, accepted, _SIGNATURE_ONLY)
        except jwt.InvalidSignatureError:
            raise TokenError(Refusal.SIGNATURE) from None
        except jwt.PyJWTError:
            raise TokenError(Refusal.MALFORMED) from None
        return claims

    def _header(self, token: str) -> tuple[str, str]:
        """Return key id and algorithm as the token claims them, unverified."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenError(Refusal.MALFORMED) from None
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise TokenError(Refusal.TYPE)
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms:
            raise TokenError(Refusal.ALGORITHM)
        if not isinstance(key_id, str):
            raise TokenError(Refusal.KEY)
        return key_id, algorithm

    def _check_parties(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != self._rules.issuer:
            raise TokenError(Refusal.ISSUER)
        audience = claims.get("aud")
        if self._rules.audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenError(Refusal.AUDIENCE)
        if self._rules.subject_required or "sub" in claims:
            _text(claims, "sub")

    def _check_times(self, claims: Mapping[str, Any]) -> float:
        """Return when the token expires."""
        now, rules = self._clock(), self._rules
        expires_at = _seconds(claims, "exp")
        if expires_at is None:
            raise TokenError(Refusal.CLAIM)
        issued_at, not_before = _seconds(claims, "iat"), _seconds(claims, "nbf")
        if expires_at + rules.leeway_seconds <= now:
            raise TokenError(Refusal.EXPIRED)
        if max(issued_at or 0, not_before or 0) > now + rules.leeway_seconds:
            raise TokenError(Refusal.NOT_YET)
        begins_at = now + rules.leeway_seconds if issued_at is None else issued_at
        if expires_at - begins_at > rules.max_lifetime_seconds:
            raise TokenError(Refusal.LIFETIME)
        return expires_at


def caller_id(issuer: str, subject: str) -> str:
    """Return the id by which a caller is known in logs and in the audit store.

    A subject may be a person's name or address, which a log must not hold: the id is half
    of the SHA-256 of both, as a JSON list. Whoever knows a subject can find its calls.
    """
    digest = hashlib.sha256(json.dumps([issuer, subject]).encode()).hexdigest()
    return f"jwt-{digest[:32]}"


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """Return the scopes of `scope` (RFC 8693), or of `scp`, as some issuers call it."""
    granted = claims.get("scope", claims.get("scp", ""))
    names = granted.split() if isinstance(granted, str) else granted
    if not isinstance(names, list):
        return frozenset()
    return frozenset(SCOPE_NAMES[n] for n in names if isinstance(n, str) and n in SCOPE_NAMES)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenError(Refusal.CLAIM)
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time in seconds since 1970, or None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _LATEST:
        raise TokenError(Refusal.CLAIM)
    return float(value)
