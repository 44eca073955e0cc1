"""Sign artifacts, and make the key that does."""

import os
import secrets
from pathlib import Path

from model import artifact
from model.artifact import MANIFEST, SIGNATURE, Artifact
from model.errors import SignatureKeyError
from model.signature import PrivateKey

_OPEN_TO_OTHERS = 0o077


def new_key(path: Path) -> PrivateKey:
    """Make a key, write it for its owner only, and its public key beside it as `.pub`.

    Raises
    ------
    SignatureKeyError
        If the file is there already, or cannot be written.
    """
    key = PrivateKey.new()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.private_pem)
        public_file(path).write_bytes(key.public_pem)
    except OSError as error:
        raise SignatureKeyError(f"the key cannot be written ({error.strerror})") from None
    return key


def read_key(path: Path) -> PrivateKey:
    """Read a private key from a PEM file, ours or one that `openssl genpkey` made.

    Raises
    ------
    SignatureKeyError
        If it holds no such key, or others than its owner may read it.
    """
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SignatureKeyError(f"it cannot be read ({error.strerror})") from None
    if mode & _OPEN_TO_OTHERS:
        raise SignatureKeyError("others than its owner may read it: chmod 600")
    return PrivateKey.from_pem(content)


def public_file(path: Path) -> Path:
    """Return where the public key of a key's file stands."""
    return path.with_name(path.name + ".pub")


def sign(folder: Path, key: PrivateKey) -> Artifact:
    """Write the signature of a sound artifact beside its manifest; no other file is touched.

    Raises
    ------
    ArtifactError
        If the artifact could not be loaded: what is off is not signed.
    """
    sound = artifact.load(folder)
    partial = folder / f".{SIGNATURE}.{secrets.token_hex(4)}"
    partial.write_bytes(key.sign((folder / MANIFEST).read_bytes()))
    partial.replace(folder / SIGNATURE)
    return sound
