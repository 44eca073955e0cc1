"""Whether the store holds what was written to it, all of it, in order.

Found from the store and the public key alone: a row that was changed, removed or
moved, a cut tail, a chain computed anew, a writer taken out. With the heads that were
logged elsewhere, also a store put back to an earlier state, or written anew with the key.
The rows after a chain's last head are linked but not signed; their number is told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from service.audit.chain import Link, body_of, values_digest
from service.audit.heads import BEFORE_THE_FIRST, Head, Kind
from service.audit.records import StoredPrediction
from service.audit.signing import PublicKeys

_CLOCK_SLACK_SECONDS = 60
_MICROSECONDS = 1_000_000


class Finding(StrEnum):
    """What can be wrong with a store."""

    ROW_CHANGED = "row_changed"
    ROW_MISSING = "row_missing"
    TAIL_CUT = "tail_cut"
    CHAIN_REWRITTEN = "chain_rewritten"
    WRITER_MISSING = "writer_missing"
    WRITER_UNKNOWN = "writer_unknown"
    ERASED_WITHOUT_RECORD = "erased_without_record"
    TAIL_UNSIGNED = "tail_unsigned"
    HEAD_CHANGED = "head_changed"
    HEAD_MISSING = "head_missing"
    HEAD_UNSIGNED = "head_unsigned"
    ROLLED_BACK = "rolled_back"
    HEAD_DIFFERS_FROM_LOG = "head_differs_from_log"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong; `sequence` is of the writer's chain, or a head's position."""

    finding: Finding
    writer: str | None
    sequence: int
    message: str


@dataclass(frozen=True)
class Report:
    """What was found; the store is sound if there are no problems.

    Attributes
    ----------
    unsigned : by writer, the rows after its last head, where there are any
    """

    rows: int
    erased: int
    pruned: int
    writers: int
    heads: int
    unsigned: Mapping[str, int]
    problems: Sequence[Problem]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass
class _Stated:
    """What the signed heads state of one writer."""

    hashes: dict[int, str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    pruned: Link | None = None
    last: int = 0
    begun: bool = False
    closed: bool = False
    unsigned_rows: int = 0
    unsigned_seconds: int = 0


class _Check:
    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys
        self._stated: dict[str, _Stated] = {}
        self._seen: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.unsigned: dict[str, int] = {}
        self.problems: list[Problem] = []

    def _find(self, finding: Finding, writer: str | None, sequence: int, message: str) -> None:
        self.problems.append(Problem(finding, writer, sequence, message))

    def heads(self, heads: Iterable[Head], logged: Sequence[Head]) -> None:
        awaited = {head.position: head for head in logged}
        position, previous = 0, BEFORE_THE_FIRST
        for head in heads:
            if head.position != position + 1:
                self._find(
                    Finding.HEAD_MISSING, None, position + 1, "a head is missing before this one"
                )
            else:
                self._head(head, previous)
            position, previous = head.position, head.digest
            self._state(head)
            in_log = awaited.pop(position, head)
            if in_log != head:
                message = "the head is not the one that was logged: the store was written anew"
                self._find(Finding.HEAD_DIFFERS_FROM_LOG, head.writer, position, message)
        self.counts["heads"] = position
        for lost in awaited.values():
            message = "a head that was logged is not in the store: it was put back or cut"
            self._find(Finding.ROLLED_BACK, lost.writer, lost.position, message)

    def _head(self, head: Head, previous: str) -> None:
        if head.expected_digest(previous) != head.digest:
            self._find(
                Finding.HEAD_CHANGED, head.writer, head.position, "the head is not as it was signed"
            )
        elif not head.is_signed_by(self._keys):
            known = self._keys.knows(head.key_id)
            message = "the signature is wrong" if known else "the key that signed it is not known"
            self._find(Finding.HEAD_UNSIGNED, head.writer, head.position, message)

    def _state(self, head: Head) -> None:
        stated = self._stated.setdefault(head.writer, _Stated())
        if head.kind == Kind.ERASE:
            stated.erased.add(head.sequence)
        elif head.kind == Kind.PRUNE:
            stated.pruned = Link(head.writer, head.sequence, head.hash)
        stated.begun |= head.kind == Kind.START
        stated.closed |= head.kind == Kind.CLOSE
        if stated.hashes.setdefault(head.sequence, head.hash) != head.hash:
            message = "two heads sign different chains up to here: it was computed anew"
            self._find(Finding.CHAIN_REWRITTEN, head.writer, head.sequence, message)
        stated.last = max(stated.last, head.sequence)
        stated.unsigned_rows = head.unsigned_rows
        stated.unsigned_seconds = head.unsigned_seconds

    def chain(self, writer: str, rows: Iterable[StoredPrediction]) -> None:
        stated = self._stated.get(writer)
        self._seen.add(writer)
        if stated is None or not stated.begun:
            message = "the heads do not list this writer: it was added, or its heads taken out"
            self._find(Finding.WRITER_UNKNOWN, writer, 0, message)
            stated = stated or _Stated()
        link = stated.pruned or Link.first(writer)
        first_unsigned: int | None = None
        last_created = 0
        for row in rows:
            link = self._row(row, link, stated)
            if row.sequence > stated.last:
                first_unsigned = first_unsigned or row.created_at
                last_created = row.created_at
        self._tail(link, stated, last_created - (first_unsigned or last_created))

    def _row(self, row: StoredPrediction, link: Link, stated: _Stated) -> Link:
        self.counts["rows"] += 1
        expected = link.next(body_of(row))
        if row.sequence != expected.sequence:
            message = f"rows {expected.sequence} to {row.sequence - 1} are missing"
            if row.sequence < expected.sequence:
                message = "a row stands in the place of one that was pruned"
            self._find(Finding.ROW_MISSING, row.writer, expected.sequence, message)
        elif row.hash != expected.hash:
            message = "the row, or its place in the chain, is not as it was written"
            self._find(Finding.ROW_CHANGED, row.writer, row.sequence, message)
        elif stated.hashes.get(row.sequence, row.hash) != row.hash:
            message = "the chain up to here is not the one that was signed: it was computed anew"
            self._find(Finding.CHAIN_REWRITTEN, row.writer, row.sequence, message)
        self._values(row, stated)
        return Link(row.writer, row.sequence, row.hash)

    def _values(self, row: StoredPrediction, stated: _Stated) -> None:
        if not row.erased:
            if values_digest(row) != row.values_digest:
                message = "the values are not those that were written"
                self._find(Finding.ROW_CHANGED, row.writer, row.sequence, message)
            return
        self.counts["erased"] += 1
        if row.sequence not in stated.erased:
            message = "the values are gone and no signed record of an erasure says so"
            self._find(Finding.ERASED_WITHOUT_RECORD, row.writer, row.sequence, message)
        elif any((row.subject_reference, row.input, row.query, row.output, row.warnings)):
            message = "an erased row holds values"
            self._find(Finding.ROW_CHANGED, row.writer, row.sequence, message)

    def _tail(self, link: Link, stated: _Stated, microseconds: int) -> None:
        unsigned = link.sequence - stated.last
        if unsigned < 0:
            message = f"rows {link.sequence + 1} to {stated.last} were signed and are gone"
            self._find(Finding.TAIL_CUT, link.writer, link.sequence + 1, message)
        if unsigned <= 0:
            return
        self.unsigned[link.writer] = unsigned
        seconds = microseconds / _MICROSECONDS
        if (
            stated.closed
            or unsigned >= stated.unsigned_rows
            or seconds > stated.unsigned_seconds + _CLOCK_SLACK_SECONDS
        ):
            message = f"{unsigned} rows are unsigned, more than the signing interval explains"
            self._find(Finding.TAIL_UNSIGNED, link.writer, stated.last + 1, message)

    def writers_without_rows(self) -> None:
        for writer, stated in self._stated.items():
            pruned = stated.pruned.sequence if stated.pruned else 0
            self.counts["pruned"] += pruned
            if writer not in self._seen and stated.last > pruned:
                message = f"the writer signed {stated.last} rows and none is there"
                self._find(Finding.WRITER_MISSING, writer, 1, message)

    def report(self) -> Report:
        return Report(
            rows=self.counts["rows"],
            erased=self.counts["erased"],
            pruned=self.counts["pruned"],
            writers=len(self._stated),
            heads=self.counts["heads"],
            unsigned=self.unsigned,
            problems=self.problems,
        )


def check(
    heads: Iterable[Head],
    rows: Iterable[StoredPrediction],
    keys: PublicKeys,
    logged: Sequence[Head] = (),
) -> Report:
    """Check a store's rows against its heads.

    Parameters
    ----------
    heads : by position
    rows : by writer and sequence
    keys : those that may have signed
    logged : heads that were kept elsewhere
    """
    checking = _Check(keys)
    checking.heads(heads, logged)
    for writer, chain in groupby(rows, key=lambda row: row.writer):
        checking.chain(writer, chain)
    checking.writers_without_rows()
    return checking.report()
