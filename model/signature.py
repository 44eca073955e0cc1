"""The signature of an artifact: Ed25519 over the bytes of its manifest.

The manifest holds the digests of all other files, so that its signature is theirs.
The signature's file holds its 64 bytes as `openssl pkeyutl -rawin` writes them.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from model.errors import ArtifactError, SignatureKeyError


class PublicKey:
    """The key whose signature an artifact must carry."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """Read a public key.

        Raises
        ------
        SignatureKeyError
            If it is none, or of another kind.
        """
        try:
            key = serialization.load_pem_public_key(pem)
        except ValueError:
            raise SignatureKeyError("not a public key in PEM form") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SignatureKeyError("not an Ed25519 key")
        return cls(key)

    def verify(self, signature: bytes, manifest: bytes) -> None:
        """Accept a manifest's signature.

        Raises
        ------
        ArtifactError
            If it is not this key's over these bytes.
        """
        try:
            self._key.verify(signature, manifest)
        except InvalidSignature:
            raise ArtifactError(
                "the signature is not the configured key's over this manifest"
            ) from None


class PrivateKey:
    """The key that signs artifacts."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def new(cls) -> "PrivateKey":
        """Make a key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> "PrivateKey":
        """Read a private key that has no password.

        Raises
        ------
        SignatureKeyError
            If it is none, or of another kind.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            raise SignatureKeyError("not a private key in PEM form without a password") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SignatureKeyError("not an Ed25519 key")
        return cls(key)

    def sign(self, manifest: bytes) -> bytes:
        """Return the signature of a manifest."""
        return self._key.sign(manifest)

    @property
    def private_pem(self) -> bytes:
        """The key itself in PEM form."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def public_pem(self) -> bytes:
        """Its public key in PEM form."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
