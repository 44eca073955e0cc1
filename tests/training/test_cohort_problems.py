"""A cohort that is not sound: every problem at once, by row and column, without the values."""

import csv
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import CohortError
from tests.cohorts import DECLARATION, Row, csv_text, rows, write_cohort
from training.cohort import read_cohort

CANARY = "CANARY"


@pytest.fixture
def table() -> list[Row]:
    return rows(12)


def problems(path: Path) -> list[str]:
    with pytest.raises(CohortError) as refused:
        read_cohort(path)
    assert str(refused.value) == "\n".join(refused.value.problems)
    assert CANARY not in str(refused.value)
    assert refused.value.problems
    return refused.value.problems


def changed(table: list[Row], row: int, **values: Any) -> str:
    copy: list[dict[str, Any]] = [dict(r) for r in table]
    copy[row].update(values)
    return csv_text(copy)


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        book.writestr("xl/workbook.xml", f"<workbook>{CANARY}</workbook>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (workbook(), "a spreadsheet; save it as CSV (UTF-8)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "a spreadsheet; save it as CSV (UTF-8)"),
        (csv_text(rows(3)).encode("utf-16"), "not UTF-8 text"),
        ("ecog,ärger\n1,2\n".encode("latin-1"), "not UTF-8 text"),
        (b"", "empty"),
        (b"\n , \n,,,\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b'ecog,os_months,death\n1,"2,1\n', "not CSV (unexpected end of data)"),
        (b"ecog,os_months,death\n1," + b"2" * 140_000 + b",1\n", "not CSV (field larger than"),
    ],
    ids=[
        "xlsx",
        "xls",
        "utf-16",
        "latin-1",
        "empty",
        "blank",
        "only a mark",
        "quote",
        "long field",
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes, expected: str):
    csv.field_size_limit(131_072)  # Python's default; packages that tests import raise it
    (problem,) = problems(write_cohort(tmp_path, content))
    assert problem.startswith(f"cohort.csv: {expected}")


def test_a_missing_file_and_a_missing_declaration_are_both_named(tmp_path: Path):
    declaration, file = problems(tmp_path / "absent.csv")
    assert file == "absent.csv: No such file or directory"
    assert declaration.startswith("absent.cohort.json: No such file or directory; it declares name")


@pytest.mark.parametrize(
    "content", [b"", b"{", CANARY.encode(), b'{"name": "a"', b"\x3d\xd8\xff", b"[" * 99_999]
)
def test_a_declaration_that_is_no_json_is_named(tmp_path: Path, table: list[Row], content: bytes):
    path = write_cohort(tmp_path, csv_text(table))
    (tmp_path / "cohort.cohort.json").write_bytes(content)
    assert problems(path) == ["cohort.cohort.json: not a JSON object"]


@pytest.mark.parametrize("declared", [[], 1, None, CANARY, [DECLARATION]])
def test_a_declaration_that_is_no_object_is_named(tmp_path: Path, table: list[Row], declared: Any):
    (problem,) = problems(write_cohort(tmp_path, csv_text(table), declared))
    assert problem.startswith("cohort.cohort.json: ")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d.pop("name"), ["name"]),
        (lambda d: d.pop("synthetic"), ["synthetic"]),
        (lambda d: [d.pop("institution"), d.update(name="")], ["name", "institution"]),
        (lambda d: d.update(synthetic="false"), ["synthetic"]),
        (lambda d: d.update(synthetic=0), ["synthetic"]),
        (lambda d: d.update(end_of_follow_up=CANARY), ["end_of_follow_up"]),
        (lambda d: d.update(end_of_follow_up="2024-02-30"), ["end_of_follow_up"]),
        (lambda d: d.update(end_of_follow_up=20240630), ["end_of_follow_up"]),
        (lambda d: d.update(author="x", seed="1"), ["author", "seed"]),
    ],
)
def test_every_fault_of_a_declaration_is_named_by_field(
    tmp_path: Path, table: list[Row], change: Callable[[Any], Any], named: list[str]
):
    declared = dict(DECLARATION)
    change(declared)
    found = problems(write_cohort(tmp_path, csv_text(table), declared))
    assert sorted(problem.split(": ")[1] for problem in found) == sorted(named)


def test_faults_of_file_and_declaration_are_reported_together(tmp_path: Path, table: list[Row]):
    of_declaration = ["institution", "synthetic"]
    found = problems(write_cohort(tmp_path, "ecog,months,dead\n", {"name": "x"}))
    assert [problem.split(": ")[1] for problem in found[:2]] == of_declaration
    assert [problem.split(": ")[0] for problem in found[2:]] == ["header", "header"]
    found = problems(write_cohort(tmp_path, changed(table, 6, ecog=9, death=9), {"name": "x"}))
    assert [problem.split(": ")[1] for problem in found[:2]] == of_declaration
    assert [problem.split(": ")[0] for problem in found[2:]] == ["row 8, ecog", "row 8, death"]


def test_a_file_without_a_header_is_named(tmp_path: Path, table: list[Row]):
    text = csv_text(table).split("\n", 1)[1]
    assert problems(write_cohort(tmp_path, text)) == [
        f"header: column {name} is missing" for name in ("ecog", "os_months", "death")
    ]


def test_a_header_without_rows_is_named(tmp_path: Path, table: list[Row]):
    text = csv_text(table).splitlines()[0]
    assert problems(write_cohort(tmp_path, text)) == ["the file has a header and no rows"]


def test_semicolons_are_named(tmp_path: Path, table: list[Row]):
    text = csv_text(table).replace(",", ";")
    assert problems(write_cohort(tmp_path, text)) == [
        "header: columns are separated by semicolons, commas are expected"
    ]


@pytest.mark.parametrize("name", ["ECOG", "ecog_ps", "ecog."])
def test_a_required_column_under_a_similar_name_is_hinted_at(
    tmp_path: Path, table: list[Row], name: str
):
    text = csv_text(table).replace("ecog", name, 1)
    (problem,) = problems(write_cohort(tmp_path, text))
    assert problem == "header: column ecog is missing; a column of a similar name is there"


@pytest.mark.parametrize("name", ["ecog", "ldh_u_l", "os_months", "death", "complete_remission"])
def test_a_column_twice_is_named(tmp_path: Path, table: list[Row], name: str):
    twice = [{**row, "complete_remission": 1, "again": 1} for row in table]
    text = csv_text(twice).replace("again", name, 1)
    assert problems(write_cohort(tmp_path, text)) == [
        f"header: column {name} is there more than once"
    ]


def test_a_ragged_row_is_named(tmp_path: Path, table: list[Row]):
    lines = csv_text(table).splitlines()
    lines[3] += f",{CANARY}"
    lines[7] = lines[7].rsplit(",", 2)[0]
    assert problems(write_cohort(tmp_path, "\n".join(lines))) == [
        "row 4: 15 cells, the header has 14",
        "row 8: 12 cells, the header has 14",
    ]


def test_rows_are_counted_as_in_the_file_though_some_are_blank(tmp_path: Path, table: list[Row]):
    lines = changed(table, 4, ecog=CANARY).splitlines()
    text = "\n".join([*lines[:3], "", ",,,", *lines[3:]])
    (problem,) = problems(write_cohort(tmp_path, text))
    assert problem.startswith("row 8, ecog: ")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ecog", None, "is empty, and is never imputed"),
        ("ecog", 5, "Input is grade 5, dead: a prognosis exists for grades 0 to 4 only"),
        ("ecog", CANARY, "Input should be a number"),
        ("ecog", 1.5, "Input should be a valid integer, got a number with a fractional part"),
        ("os_months", 0, "must be a number above 0"),
        ("os_months", -3.5, "must be a number above 0"),
        ("os_months", "1e999", "must be a number above 0"),
        ("os_months", "nan", "must be a number above 0"),
        ("os_months", "1_0", "must be a number above 0"),
        ("os_months", CANARY, "must be a number above 0"),
        ("os_months", None, "must be a number above 0"),
        ("death", None, "must be 0 or 1"),
        ("death", 2, "must be 0 or 1"),
        ("death", "yes", "must be 0 or 1"),
        ("age_years", 111, "Input should be less than or equal to 110"),
        ("age_years", -1, "Input should be greater than or equal to 0"),
        ("ldh_u_l", CANARY, "Input should be a number"),
        ("ldh_u_l", "nan", "Input should be a finite number"),
        ("disease", CANARY, "Input should be 'AML' or 'ALL'"),
        ("post_transplant_cyclophosphamide", CANARY, "Input should be a valid boolean"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(
    tmp_path: Path, table: list[Row], name: str, value: Any, expected: str
):
    path = write_cohort(tmp_path, changed(table, 6, **{name: value}))
    assert problems(path) == [f"row 8, {name}: {expected}"]


def test_remission_is_0_or_1_or_empty(tmp_path: Path, table: list[Row]):
    told: list[dict[str, Any]] = [{**row, "complete_remission": None} for row in table]
    told[2]["complete_remission"] = CANARY
    path = write_cohort(tmp_path, csv_text(told))
    assert problems(path) == ["row 4, complete_remission: must be 0 or 1"]


def test_a_hundred_rows_of_garbage_are_all_reported_and_none_echoed(tmp_path: Path):
    rng = random.Random(5)
    header = "ecog,age_years,disease,ldh_u_l,os_months,death,surname"
    pieces = [f"{CANARY}{i}" for i in range(9)] + ["-77.31", "-9e99", "''", "\x00", "Ünïcode"]
    lines = [",".join(rng.choice(pieces) for _ in range(7)) for _ in range(100)]
    found = problems(write_cohort(tmp_path, "\n".join([header, *lines])))
    for line in range(2, 102):
        for name in ("ecog", "age_years", "disease", "ldh_u_l", "os_months", "death"):
            assert any(p.startswith(f"row {line}, {name}: ") for p in found), (line, name)
    text = "\n".join(found)
    assert all(piece not in text for piece in ("-77.31", "-9e99", "\x00", "Ünïcode"))
    assert "surname" not in text


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_a_cohort_or_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
):
    folder = tmp_path_factory.mktemp("bytes")
    for prefix in (b"", b"ecog,os_months,death\n"):
        path = write_cohort(folder, prefix + content)
        try:
            months = read_cohort(path).months
        except CohortError as refused:
            found = refused.problems
        else:
            found = ["a cohort"] if len(months) else []
        assert found
        assert json.dumps(found)
