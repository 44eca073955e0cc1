"""Chain heads: signed statements of what a writer's chain is at a sequence.

The heads of all writers are one chain of their own, numbered without a gap, so that
neither a head nor a writer can be taken out. Heads that were logged elsewhere show
in addition that the store was not put back to an earlier state, nor written anew by
someone who had the key.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, insert, select, text

from service.audit.chain import Link, framed
from service.audit.schema import HEADS
from service.audit.signing import PublicKeys, Signer

LOG_FIELD = "audit_head"
"""The key under which a log line of JSON holds a head."""

BEFORE_THE_FIRST = hashlib.sha256(b"hsct2-risk audit heads 1\n").hexdigest()
_HEADS_LOCK = 0x6873637432  # of PostgreSQL's advisory locks; the digits are ASCII "hsct2"


class Kind(StrEnum):
    """Why a head was signed."""

    START = "start"  # a writer begins
    ROWS = "rows"  # rows were added
    CLOSE = "close"  # a writer ends: nothing follows
    ERASE = "erase"  # the values of this one row were erased
    PRUNE = "prune"  # the rows up to this one were removed


@dataclass(frozen=True, slots=True)
class SigningInterval:
    """How much of a chain may at any time be without a signature."""

    rows: int = 256
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head, its columns in their order; `created_at` in microseconds since 1970."""

    position: int
    kind: str
    writer: str
    sequence: int
    hash: str
    created_at: int
    unsigned_rows: int
    unsigned_seconds: int
    key_id: str
    digest: str
    signature: str

    def expected_digest(self, previous: str) -> str:
        """Return the digest that this head has if `previous` is that of the one before."""
        covered = [str(getattr(self, name)) for name in _COVERED]
        return hashlib.sha256(framed((previous, *covered))).hexdigest()

    def is_signed_by(self, keys: PublicKeys) -> bool:
        """Return whether one of the keys signed the digest."""
        return keys.verify(self.key_id, self.signature, self.digest.encode())

    def as_log(self) -> dict[str, Any]:
        """Return the head as what a line of log holds; it has no value of a patient."""
        return {LOG_FIELD: asdict(self)}


_COVERED = tuple(f.name for f in fields(Head) if f.name not in ("digest", "signature"))

OnHead = Callable[[Head], None]


def add_head(
    connection: Connection, signer: Signer, interval: SigningInterval, kind: Kind, link: Link
) -> Head:
    """Sign a head and add it after the last, within the connection's transaction."""
    lock_heads(connection)
    position, previous = connection.execute(
        select(HEADS.c.position, HEADS.c.digest).order_by(HEADS.c.position.desc()).limit(1)
    ).one_or_none() or (0, BEFORE_THE_FIRST)
    unsigned = Head(
        position=position + 1,
        kind=kind.value,
        writer=link.writer,
        sequence=link.sequence,
        hash=link.hash,
        created_at=time.time_ns() // 1000,
        unsigned_rows=interval.rows,
        unsigned_seconds=interval.seconds,
        key_id=signer.key_id,
        digest="",
        signature="",
    )
    digest = unsigned.expected_digest(previous)
    signed = {**asdict(unsigned), "digest": digest, "signature": signer.sign(digest.encode())}
    connection.execute(insert(HEADS), signed)
    return Head(**signed)


def lock_heads(connection: Connection) -> None:
    """Let no other add a head until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _HEADS_LOCK})


def read_heads(connection: Connection) -> Iterator[Head]:
    """Return all heads in order."""
    for row in connection.execute(select(HEADS).order_by(HEADS.c.position)):
        yield Head(*row)


def last_signed(connection: Connection, writer: str) -> int | None:
    """Return the last sequence of a writer that a head covers; None if it has no head."""
    found: int | None = connection.scalar(
        select(func.max(HEADS.c.sequence)).where(HEADS.c.writer == writer)
    )
    return found


def logged_heads(lines: Iterable[str]) -> Iterator[Head]:
    """Return the heads that are among the lines of a log, whatever else it holds."""
    for line in lines:
        if LOG_FIELD not in line:
            continue
        try:
            yield Head(**json.loads(line[line.index("{") :])[LOG_FIELD])
        except (ValueError, KeyError, TypeError):
            continue
