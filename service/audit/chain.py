"""The hash chain: what each row's hash covers.

A row's hash is SHA-256 over the previous row's hash, the writer, the sequence and
every column. The values of the patient enter through their own digest, which is
salted: once values and salt are gone the digest tells nothing of them, not even to
someone who tries every plausible patient, and the chain still verifies.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from service.audit.errors import RecordRefusedError
from service.audit.records import Record, StoredPrediction, microseconds

_ROW = b"hsct2-risk audit row 1\n"  # raise the number when what is covered changes
_GENESIS = b"hsct2-risk audit writer 1\n"
_ABSENT = b"\xff" * 8
_SALT_BYTES = 16
_SALTS_AT_ONCE = 64
_SALTS: list[str] = []
os.register_at_fork(after_in_child=_SALTS.clear)


def framed(fields: Iterable[str | None]) -> bytes:
    """Return fields as bytes that no other fields give: each with its length before it."""
    parts: list[bytes] = []
    for field in fields:
        if field is None:
            parts.append(_ABSENT)
        else:
            encoded = field.encode()
            parts += (len(encoded).to_bytes(8, "big"), encoded)
    return b"".join(parts)


class Link(NamedTuple):
    """The end of a writer's chain."""

    writer: str
    sequence: int
    hash: str

    @classmethod
    def first(cls, writer: str) -> "Link":
        """Return where a writer's chain begins: sequence 0, before its first row."""
        return cls(writer, 0, hashlib.sha256(_GENESIS + writer.encode()).hexdigest())

    def next(self, body: bytes) -> "Link":
        """Return the chain's end after one more row."""
        sequence = self.sequence + 1
        place = framed((self.hash, self.writer, str(sequence)))
        return Link(self.writer, sequence, hashlib.sha256(_ROW + place + body).hexdigest())


class SealedRecord(NamedTuple):
    """A record ready for any place in a chain: its columns after `hash`, and their bytes."""

    columns: tuple[Any, ...]
    body: bytes


def seal(record: Record) -> SealedRecord:
    """Salt and digest a record's values.

    Raises
    ------
    RecordRefusedError
        If a text holds what not every database stores: NUL, or half a surrogate pair.
    """
    salt = _salt()
    warnings = _json_list(tuple(record.warnings))
    values = (
        salt,
        record.subject_reference,
        record.input,
        record.query,
        record.output,
        warnings,
    )
    request = (
        record.prediction_id,
        microseconds(record.created_at),
        record.caller,
        record.request_id,
    )
    served = (
        record.channel,
        record.service_version,
        record.model_id,
        record.model_version,
        record.model_sha256,
    )
    try:
        digest = hashlib.sha256(framed(values)).hexdigest()
        body = framed(map(str, request)) + _framed_once(served) + framed((digest,))
        if record.idempotency is not None:
            record.idempotency.key.encode()
    except UnicodeEncodeError:
        raise RecordRefusedError("a text holds half a surrogate pair") from None
    if _holds_nul(record):
        raise RecordRefusedError("a text holds the character NUL")
    return SealedRecord((*request, *served, digest, *values), body)


def _salt() -> str:
    """Return a salt that nobody has had.

    Several are drawn at once: each time, the thread waits while others run.
    """
    try:
        return _SALTS.pop()
    except IndexError:
        drawn = secrets.token_hex(_SALT_BYTES * _SALTS_AT_ONCE)
        size = 2 * _SALT_BYTES
        salts = [drawn[at : at + size] for at in range(0, len(drawn), size)]
        _SALTS.extend(salts[1:])
        return salts[0]


@lru_cache
def _json_list(codes: tuple[str, ...]) -> str:
    return json.dumps(codes)


@lru_cache
def _framed_once(served: tuple[str, ...]) -> bytes:
    """Return fields framed that are those of many records."""
    return framed(served)


def values_digest(row: StoredPrediction) -> str:
    """Return the digest of a stored row's salt and values."""
    values = (row.salt, row.subject_reference, row.input, row.query, row.output, row.warnings)
    return hashlib.sha256(framed(values)).hexdigest()


def body_of(row: StoredPrediction) -> bytes:
    """Return the bytes by which a stored row enters the chain."""
    return framed(
        (
            row.prediction_id,
            str(row.created_at),
            row.caller,
            row.request_id,
            row.channel,
            row.service_version,
            row.model_id,
            row.model_version,
            row.model_sha256,
            row.values_digest,
        )
    )


def _holds_nul(record: Record) -> bool:
    texts = (
        record.prediction_id,
        record.caller,
        record.request_id,
        record.channel,
        record.subject_reference or "",
        record.input,
        record.query,
        record.output,
        record.idempotency.key if record.idempotency else "",
    )
    return "\0" in "".join(texts)
