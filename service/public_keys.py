"""The public keys of a JSON Web Key Set (RFC 7517) that may verify a signature."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from model.errors import Hsct2Error
from service.algorithms import ALGORITHMS

_OF_RSA = frozenset(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
_OF_CURVE = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
_RSA_BITS = range(2048, 8193)  # shorter is weak, longer is slow to verify with
_MOST_KEYS = 100

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class KeySetError(Hsct2Error):
    """What was received is not a set of keys."""


@dataclass(frozen=True)
class VerificationKey:
    """A public key, its `kid`, and the algorithms that it verifies."""

    id: str
    algorithms: frozenset[str]
    key: PublicKey


def read_key_set(content: bytes) -> tuple[VerificationKey, ...]:
    """Return the keys of a set that are fit to verify signatures.

    Passed over, as RFC 7517 asks, is a key of another kind or use, or without `kid`; and
    an RSA key under 2048 bits, and one that is published with its private half. A set may
    be empty: an issuer takes its last key back by that.

    Raises
    ------
    KeySetError
        If it is not a JSON object with a list of keys, or a list of more than a hundred.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise KeySetError("it is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise KeySetError("it has no list of keys")
    if len(keys) > _MOST_KEYS:
        raise KeySetError(f"it has more than {_MOST_KEYS} keys")
    return tuple(_usable(keys))


def _usable(keys: list[Any]) -> Iterator[VerificationKey]:
    for jwk in keys:
        algorithms = _algorithms(jwk) if isinstance(jwk, dict) else frozenset()
        if not algorithms:
            continue
        try:
            key = PyJWK(jwk, min(algorithms)).key
        except (PyJWTError, ValueError, TypeError):
            continue
        if _is_fit(key):
            yield VerificationKey(jwk["kid"], algorithms, key)


def _algorithms(jwk: Mapping[str, Any]) -> frozenset[str]:
    """Return what a key may verify by what it declares of itself."""
    operations = jwk.get("key_ops", ["verify"])
    if (
        not isinstance(jwk.get("kid"), str)
        or jwk.get("use", "sig") != "sig"
        or not isinstance(operations, list)
        or "verify" not in operations
    ):
        return frozenset()
    possible = _of_kind(jwk.get("kty"), jwk.get("crv"))
    return possible if "alg" not in jwk else possible & frozenset([str(jwk["alg"])])


def _of_kind(kind: object, curve: object) -> frozenset[str]:
    if kind == "RSA":
        return _OF_RSA
    named = (kind, curve) if isinstance(kind, str) and isinstance(curve, str) else ("", "")
    return _OF_CURVE.get(named, frozenset())


def _is_fit(key: object) -> bool:
    """Tell whether a key is public, and neither weak nor slow."""
    if isinstance(key, RSAPublicKey):
        return key.key_size in _RSA_BITS
    return isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey)
