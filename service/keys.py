"""API keys: made, listed, revoked, stored as hashes, compared in constant time."""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from model.errors import Hsct2Error


class Scope(StrEnum):
    """What a caller may do."""

    PREDICT = "predict"
    AUDIT = "audit"
    ADMIN = "admin"


class KeysError(Hsct2Error):
    """The file of API keys is not readable or not a file of keys."""


class ApiKey(BaseModel):
    """A key as it is stored: everything but the key.

    The secret has 256 random bits, so that one SHA-256 protects it; a slow hash
    protects passwords, which people choose.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    secret_sha256: str


_PREFIX = "hsct2"
_FILE = TypeAdapter(list[ApiKey])


class KeyStore:
    """The file of keys, read again whenever it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, ApiKey] = {}
        self._stamp: tuple[int, int] | None = None

    def all(self) -> Sequence[ApiKey]:
        """Return the keys in the order in which they were made."""
        self._refresh()
        return list(self._keys.values())

    def authenticate(self, presented: str) -> ApiKey | None:
        """Return the key that was presented, or None."""
        self._refresh()
        prefix, _, rest = presented.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id)
        expected = key.secret_sha256 if key else "0" * 64
        matches = hmac.compare_digest(_hash(secret), expected)
        return key if matches and prefix == _PREFIX else None

    def create(self, name: str, scopes: Sequence[Scope], now: datetime) -> tuple[ApiKey, str]:
        """Make a key and return it with its text, which is not kept."""
        self._refresh()
        key_id, secret = secrets.token_hex(4), secrets.token_hex(32)
        key = ApiKey(
            id=key_id,
            name=name,
            scopes=list(scopes),
            created_at=now,
            secret_sha256=_hash(secret),
        )
        self._write([*self._keys.values(), key])
        return key, f"{_PREFIX}_{key_id}_{secret}"

    def revoke(self, key_id: str) -> bool:
        """Remove a key; whether there was one."""
        self._refresh()
        kept = [key for key in self._keys.values() if key.id != key_id]
        found = len(kept) < len(self._keys)
        if found:
            self._write(kept)
        return found

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            try:
                keys = _FILE.validate_json(self._path.read_bytes())
            except (OSError, ValidationError):
                raise KeysError("the file of API keys cannot be read as one") from None
            self._keys, self._stamp = {key.id: key for key in keys}, stamp

    def _write(self, keys: Sequence[ApiKey]) -> None:
        """Replace the file in one step, readable by its owner only."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(_FILE.dump_python(list(keys), mode="json"), indent=2) + "\n"
        descriptor, name = tempfile.mkstemp(dir=self._path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path)
        self._stamp = None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
