"""Reading a cohort that is sound, however it is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.patient import COVARIATES
from tests.cohorts import DECLARATION, Row, cohort_of, csv_text, rows, write_cohort
from training.cohort import Cohort, read_cohort


@pytest.fixture
def table() -> list[Row]:
    return rows(40)


def same(one: Cohort, other: Cohort) -> bool:
    return (
        one.names == other.names
        and np.array_equal(one.numbers, other.numbers, equal_nan=True)
        and np.array_equal(one.months, other.months)
        and np.array_equal(one.death, other.death)
    )


def codes(cohort: Cohort) -> list[str]:
    return [finding.code for finding in cohort.findings]


def test_a_cohort_is_read_as_it_stands(tmp_path: Path, table: list[Row]):
    cohort = read_cohort(write_cohort(tmp_path, csv_text(table)))
    assert same(cohort, cohort_of(table))
    assert cohort.names == tuple(COVARIATES)
    assert cohort.findings == ()
    assert cohort.complete_remission is None
    assert cohort.declaration.name == DECLARATION["name"]
    assert str(cohort.declaration.end_of_follow_up) == "2024-06-30"


@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_do_not_matter(
    tmp_path: Path, table: list[Row], end_of_line: str, bom: str
):
    cohort = read_cohort(write_cohort(tmp_path, bom + csv_text(table, end_of_line)))
    assert same(cohort, cohort_of(table))


def test_the_order_of_the_columns_does_not_matter(tmp_path: Path, table: list[Row]):
    turned = [dict(reversed(row.items())) for row in table]
    assert same(read_cohort(write_cohort(tmp_path, csv_text(turned))), cohort_of(table))


def test_blank_lines_and_spaces_do_not_matter(tmp_path: Path, table: list[Row]):
    header, *lines = csv_text(table).replace(",", " , ").splitlines()
    text = "\n".join(["", header, "", *(f" {line} " for line in lines), ",,", ""])
    assert same(read_cohort(write_cohort(tmp_path, text)), cohort_of(table))


def test_quotes_do_not_matter(tmp_path: Path, table: list[Row]):
    lines = csv_text(table).splitlines()
    text = "\n".join('"' + line.replace(",", '","') + '"' for line in lines)
    assert same(read_cohort(write_cohort(tmp_path, text)), cohort_of(table))


def test_any_subset_of_the_columns_will_do(tmp_path: Path, table: list[Row]):
    few = [{name: row[name] for name in ("death", "ecog", "os_months")} for row in table]
    cohort = read_cohort(write_cohort(tmp_path, csv_text(few)))
    assert cohort.names == ("ecog",)
    assert cohort.numbers.shape == (40, 1)


def test_an_empty_cell_is_unknown(tmp_path: Path, table: list[Row]):
    gappy = [{**row, "ldh_u_l": None if i % 2 else row["ldh_u_l"]} for i, row in enumerate(table)]
    cohort = read_cohort(write_cohort(tmp_path, csv_text(gappy)))
    column = cohort.numbers[:, cohort.names.index("ldh_u_l")]
    assert np.isnan(column).tolist() == [i % 2 == 1 for i in range(40)]


def test_remission_is_read_where_it_is_told(tmp_path: Path, table: list[Row]):
    told = [{**row, "complete_remission": [1, 0, None][i % 3]} for i, row in enumerate(table)]
    remission = read_cohort(write_cohort(tmp_path, csv_text(told))).complete_remission
    assert remission is not None
    assert np.array_equal(remission[:3], [1, 0, np.nan], equal_nan=True)


def test_other_columns_are_ignored_and_counted(tmp_path: Path, table: list[Row]):
    more = [{"surname": "CANARY", **row, "centre": 3, "note": "CANARY"} for row in table]
    cohort = read_cohort(write_cohort(tmp_path, csv_text(more)))
    assert same(cohort, cohort_of(table))
    (finding,) = cohort.findings
    assert finding.code == "ignored_columns"
    assert finding.message == "3 columns are not part of the model and are ignored"


@pytest.mark.parametrize("name", ["LDH_U_L", "ldh_ul", "ldh_u_L ", "Idh_u_l"])
def test_an_ignored_column_with_a_similar_name_is_pointed_out(
    tmp_path: Path, table: list[Row], name: str
):
    renamed = [{name if key == "ldh_u_l" else key: v for key, v in row.items()} for row in table]
    cohort = read_cohort(write_cohort(tmp_path, csv_text(renamed)))
    assert "ldh_u_l" not in cohort.names
    assert codes(cohort) == ["ignored_columns", "similar_column"]
    assert cohort.findings[1].message == "an ignored column has a name similar to ldh_u_l"


def test_an_empty_column_is_left_out_with_a_finding(tmp_path: Path, table: list[Row]):
    emptied = [{**row, "ferritin_ng_ml": None} for row in table]
    cohort = read_cohort(write_cohort(tmp_path, csv_text(emptied)))
    assert cohort.names == tuple(name for name in COVARIATES if name != "ferritin_ng_ml")
    assert cohort.numbers.shape == (40, 11)
    (finding,) = cohort.findings
    assert finding.code == "empty_column"
    assert finding.message == "ferritin_ng_ml has no value and is left out"


def test_the_canonical_order_and_the_digest_do_not_depend_on_the_order_of_the_rows(
    tmp_path: Path, table: list[Row]
):
    one = read_cohort(write_cohort(tmp_path, csv_text(table)))
    other = read_cohort(write_cohort(tmp_path, csv_text(table[::-1]), name="turned"))
    assert not same(one, other)
    assert same(one.in_canonical_order(), other.in_canonical_order())
    assert one.digest() == other.digest()
    assert (np.diff(one.in_canonical_order().months) >= 0).all()


@pytest.mark.parametrize(
    ("name", "value"), [("ecog", 3), ("ldh_u_l", 241.5), ("os_months", 99.9), ("death", None)]
)
def test_the_digest_depends_on_every_covariate_and_on_the_outcome(
    table: list[Row], name: str, value: float | None
):
    changed = [dict(row) for row in table]
    changed[5][name] = 1 - int(changed[5]["death"]) if value is None else value
    assert changed != table
    assert cohort_of(changed).digest() != cohort_of(table).digest()


def test_a_digest_over_some_covariates_ignores_the_others(table: list[Row]):
    few = [{name: row[name] for name in ("ecog", "os_months", "death")} for row in table]
    assert cohort_of(table).digest(("ecog",)) == cohort_of(few).digest()
    assert cohort_of(table).digest() != cohort_of(few).digest()


def test_covariates_are_kept_in_the_order_of_the_patient(table: list[Row]):
    kept = cohort_of(table).with_covariates(("ldh_u_l", "ecog", "disease"))
    assert kept.names == ("ecog", "disease", "ldh_u_l")
    expected = [
        [float(r["ecog"]), float(r["disease"] == "ALL"), float(r["ldh_u_l"])] for r in table
    ]
    np.testing.assert_array_equal(kept.numbers, expected)


def test_remission_stays_with_its_row_in_the_canonical_order(tmp_path: Path, table: list[Row]):
    told = [{**row, "complete_remission": int(float(row["os_months"]) > 10)} for row in table]
    cohort = read_cohort(write_cohort(tmp_path, csv_text(told))).in_canonical_order()
    assert cohort.complete_remission is not None
    np.testing.assert_array_equal(cohort.complete_remission == 1, cohort.months > 10)


def test_optional_declarations_are_read(tmp_path: Path, table: list[Row]):
    declared = {**DECLARATION, "end_of_follow_up": None, "description": "Invented", "seed": 4}
    declaration = read_cohort(write_cohort(tmp_path, csv_text(table), declared)).declaration
    assert declaration.end_of_follow_up is None
    assert (declaration.description, declaration.seed) == ("Invented", 4)
    (tmp_path / "cohort.cohort.json").write_text("\ufeff" + json.dumps(declared), "utf-8")
    assert read_cohort(tmp_path / "cohort.csv").declaration == declaration
