from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit import verify
from service.audit.chain import Link, framed, seal
from service.audit.heads import BEFORE_THE_FIRST, Head, Kind
from service.audit.records import COLUMNS, StoredPrediction
from service.audit.schema import PREDICTIONS, VALUES
from service.audit.signing import PublicKeys, Signer
from tests.service.audit.stores import a_record

SIGNER = Signer.new()
KEYS = PublicKeys([SIGNER.public_key])
ROWS = 5


def stored(rows: int = ROWS) -> list[StoredPrediction]:
    link, chain = Link.first("writer"), []
    for _ in range(rows):
        sealed = seal(a_record())
        link = link.next(sealed.body)
        chain.append(StoredPrediction(link.writer, link.sequence, link.hash, *sealed.columns))
    return chain


def signed(*places: tuple[Kind, int, str]) -> list[Head]:
    heads: list[Head] = []
    previous = BEFORE_THE_FIRST
    for position, (kind, sequence, digest) in enumerate(places, 1):
        head = Head(
            position, kind.value, "writer", sequence, digest, 0, 256, 60, SIGNER.key_id, "", ""
        )
        digest = head.expected_digest(previous)
        heads.append(replace(head, digest=digest, signature=SIGNER.sign(digest.encode())))
        previous = digest
    return heads


CHAIN = stored()
HEADS = signed(
    (Kind.START, 0, Link.first("writer").hash),
    (Kind.ROWS, 3, CHAIN[2].hash),
    (Kind.CLOSE, ROWS, CHAIN[-1].hash),
)


def is_sound(rows: list[StoredPrediction], heads: list[Head] = HEADS) -> bool:
    return verify.check(heads, rows, KEYS).is_sound


def changed(value: object, *, nullable: bool = False) -> st.SearchStrategy[object]:
    others: st.SearchStrategy[object] = st.text()
    if isinstance(value, int):
        others = st.integers(-(2**62), 2**62)
    elif nullable:
        others = st.one_of(st.none(), st.text())
    return others.filter(lambda other: other != value)


def test_the_untouched_chain_is_sound():
    assert is_sound(CHAIN)


def test_a_stored_row_has_the_columns_of_the_table():
    assert tuple(PREDICTIONS.columns.keys()) == COLUMNS


@given(st.data(), st.integers(0, ROWS - 1), st.sampled_from(COLUMNS))
def test_any_change_of_any_column_of_any_row_is_found(data, position: int, column: str):
    value = data.draw(changed(getattr(CHAIN[position], column), nullable=column in VALUES))
    rows = list(CHAIN)
    rows[position] = replace(rows[position], **{column: value})
    assert not is_sound(rows)


@given(st.permutations(range(ROWS)))
def test_any_other_order_is_found(order: list[int]):
    moved = [CHAIN[position] for position in order]
    renumbered = [replace(row, sequence=n) for n, row in enumerate(moved, 1)]
    assert is_sound(renumbered) == (order == list(range(ROWS)))


@given(st.sets(st.integers(0, ROWS - 1), min_size=1))
def test_any_rows_taken_out_are_found(gone: set[int]):
    kept = [row for position, row in enumerate(CHAIN) if position not in gone]
    assert not is_sound(kept)
    assert not is_sound([replace(row, sequence=n) for n, row in enumerate(kept, 1)])


@given(st.integers(0, ROWS))
def test_a_row_that_was_added_is_found(position: int):
    rows = [*CHAIN[:position], stored(1)[0], *CHAIN[position:]]
    assert not is_sound([replace(row, sequence=n) for n, row in enumerate(rows, 1)])


@given(st.data(), st.integers(0, 2), st.sampled_from(Head.__slots__))
def test_any_change_of_any_column_of_any_head_is_found(data, position: int, column: str):
    value = data.draw(changed(getattr(HEADS[position], column)))
    heads = list(HEADS)
    heads[position] = replace(heads[position], **{column: value})
    assert not is_sound(CHAIN, heads)


@pytest.mark.parametrize("position", [0, 1])
def test_a_head_taken_out_is_found(position: int):
    heads = [*HEADS[:position], *HEADS[position + 1 :]]
    assert not is_sound(CHAIN, heads)
    renumbered = [replace(head, position=n) for n, head in enumerate(heads, 1)]
    assert not is_sound(CHAIN, renumbered)


@given(st.lists(st.one_of(st.none(), st.text())), st.lists(st.one_of(st.none(), st.text())))
def test_other_fields_never_give_the_same_bytes(one: list[str | None], other: list[str | None]):
    assert (framed(one) == framed(other)) == (one == other)


def test_the_same_values_never_have_the_same_digest():
    record = a_record()
    digest = COLUMNS.index("values_digest") - COLUMNS.index("hash") - 1
    assert seal(record).columns[digest] != seal(record).columns[digest]


def test_no_two_records_share_a_salt():
    salts = [row.salt for row in stored(200)]
    assert len(set(salts)) == len(salts)
    assert all(salt is not None and len(salt) == 32 for salt in salts)
