"""The key that signs chain heads: Ed25519, in a file that only its owner reads."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from service.audit.errors import StoreError


class PublicKeys:
    """The keys whose signatures count, by id."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys: Mapping[str, Ed25519PublicKey] = {key_id(key): key for key in keys}

    def knows(self, identifier: str) -> bool:
        """Return whether a key is among these."""
        return identifier in self._keys

    def verify(self, identifier: str, signature: str, content: bytes) -> bool:
        """Return whether a signature in hexadecimal is that key's over the content."""
        key = self._keys.get(identifier)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key()
        self.key_id = key_id(self.public_key)

    def sign(self, content: bytes) -> str:
        """Return the signature in hexadecimal."""
        return self._key.sign(content).hex()

    @classmethod
    def new(cls) -> "Signer":
        """Make a key that is kept nowhere."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of_file(cls, path: Path) -> "Signer":
        """Read the private key; make it, and `.pub` beside it, where there is none."""
        if not path.exists():
            _make(path)
        return cls(_private_key(path))


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key: the start of its digest."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key from its own file, or from the private key's."""
    content = _read(path)
    if b"PRIVATE" in content:
        return _private_key(path).public_key()
    try:
        key = serialization.load_pem_public_key(content)
    except ValueError:
        raise StoreError("the file of the public key does not hold one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise StoreError("the public key is not an Ed25519 key")
    return key


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError):
        raise StoreError("the file of the audit key does not hold a private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreError("the audit key is not an Ed25519 key")
    if path.stat().st_mode & 0o077:
        raise StoreError("the file of the audit key is open to others: chmod 600")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"the file of the key cannot be read ({error.strerror})") from None


def _make(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)  # never replaces the key of another that starts just now
        except FileExistsError:
            return
        finally:
            partial.unlink()
        path.with_name(path.name + ".pub").write_bytes(public)
    except OSError as error:
        raise StoreError(f"the audit key cannot be written ({error.strerror})") from None
