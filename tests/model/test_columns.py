"""Columns are checked as `Patient` checks one patient after the other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from model.columns import Fault, PatientColumns, problem_of
from model.errors import ColumnsError
from model.patient import COVARIATES, Kind, Patient

Row = dict[str, Any]

ECOG = np.array([0, 1, 4])


def edges(low: float, high: float) -> list[float]:
    beside = [np.nextafter(low, -np.inf), np.nextafter(high, np.inf), np.nextafter(high, 0)]
    return [low, high, *map(float, beside), -0.0, 0.5, 5.0, 6.0, 2.5, 1e15, -1e15]


def cells(name: str) -> st.SearchStrategy[Any]:
    """Return values of a column's type, most of them at an edge; None is null."""
    covariate = COVARIATES[name]
    if covariate.kind is Kind.CHOICE:
        return st.sampled_from([None, *covariate.choices, "", "aml", "CANARY"])
    if covariate.kind is Kind.BOOLEAN:
        return st.sampled_from([None, True, False])
    assert covariate.accepted
    low, high = covariate.accepted
    inside = st.integers(0, 4) if covariate.kind is Kind.GRADE else st.floats(low, high)
    odd = st.sampled_from([*edges(low, high), np.nan, np.inf, -np.inf])
    return st.none() | inside | inside | odd | st.floats(-1e9, 1e9)


tables = st.lists(st.fixed_dictionaries({name: cells(name) for name in COVARIATES}), max_size=6)


def columns_of(table: list[Row]) -> PatientColumns:
    values, unknown = {}, {}
    for name, covariate in COVARIATES.items():
        column = [row[name] for row in table]
        unknown[name] = np.array([cell is None for cell in column], dtype=bool)
        if covariate.kind is Kind.CHOICE:
            values[name] = np.array(["" if cell is None else cell for cell in column], dtype=str)
        elif covariate.kind is Kind.BOOLEAN:
            values[name] = np.array([bool(cell) for cell in column], dtype=bool)
        else:
            values[name] = np.array([1e300 if c is None else c for c in column], dtype=np.float64)
    return PatientColumns.of(values, unknown)


@settings(max_examples=300, deadline=None)
@given(tables)
def test_a_row_is_refused_for_what_a_patient_is_refused_for(table: list[Row]):
    columns = columns_of(table)
    names = list(COVARIATES)
    for place, row in enumerate(table):
        try:
            patient = Patient.model_validate(row)
        except ValidationError as error:
            refused = [(str(e["loc"][0]), e["type"], e["msg"]) for e in error.errors()]
            found = [(p.field, p.code, p.message) for p in columns.problems(place)]
            assert found == refused
            assert columns.invalid[place]
        else:
            assert not columns.invalid[place]
            assert columns.problems(place) == []
            kept = [columns.numbers[name][place] for name in names]
            np.testing.assert_array_equal(kept, patient.numbers(names))


def test_a_grade_too_large_for_any_integer_is_too_high():
    columns = PatientColumns.of({"ecog": np.array([1e300, -1e300])})
    assert [columns.problems(row)[0].code for row in (0, 1)] == [
        "greater_than_equal" if low else "less_than_equal" for low in (False, True)
    ]


def test_a_faulty_value_is_not_kept():
    columns = PatientColumns.of({"ecog": ECOG, "ldh_u_l": np.array([100.0, 1e9, np.nan])})
    np.testing.assert_array_equal(columns.numbers["ldh_u_l"], [100, np.nan, np.nan])
    assert columns.faults["ldh_u_l"].tolist() == [0, Fault.TOO_HIGH, Fault.NOT_FINITE]
    assert columns.invalid.tolist() == [False, True, True]


def test_a_choice_is_its_text_or_its_place():
    for column in (np.array(["AML", "ALL", "x"]), np.array([0, 1, 2]), np.array([0, 1, -1])):
        columns = PatientColumns.of({"ecog": ECOG, "disease": column})
        np.testing.assert_array_equal(columns.numbers["disease"], [0, 1, np.nan])
        assert columns.invalid.tolist() == [False, False, True]
        assert columns.problems(2) == [problem_of("disease", Fault.NOT_A_CHOICE)]


def test_what_a_mask_covers_is_unknown_and_not_looked_at():
    columns = PatientColumns.of(
        {"ecog": ECOG, "bmi_kg_m2": np.array([-1.0, 20.0, np.inf])},
        {"bmi_kg_m2": np.array([True, False, True])},
    )
    assert not columns.invalid.any()
    np.testing.assert_array_equal(columns.numbers["bmi_kg_m2"], [np.nan, 20, np.nan])


def test_an_unknown_grade_is_a_fault():
    columns = PatientColumns.of({"ecog": ECOG}, {"ecog": np.array([False, True, False])})
    assert columns.invalid.tolist() == [False, True, False]
    assert columns.problems(1)[0].field == "ecog"


def test_a_slice_of_columns_is_that_of_its_rows():
    values = {"ecog": np.array([0, 7, 4, 2]), "age_years": np.array([50.0, 60, 500, 20])}
    part = PatientColumns.of(values)[1:3]
    assert part.rows == 2
    assert part.invalid.tolist() == [True, True]
    assert [part.problems(row)[0].field for row in (0, 1)] == ["ecog", "age_years"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "no column ecog"),
        ({"age_years": np.array([1.0])}, "no column ecog"),
        ({"ecog": ECOG, "surname": ECOG}, "a column of no covariate"),
        ({"ecog": np.array(["0", "1"])}, "ecog must be a column of numbers"),
        ({"ecog": np.array([True])}, "ecog must be a column of numbers"),
        ({"ecog": np.array([None])}, "ecog must be a column of numbers"),
        ({"ecog": ECOG, "disease": np.array([0.0, 1, 1])}, "disease must be a column of text"),
        ({"ecog": ECOG, "age_years": np.array([50])}, "not of one length"),
        ({"ecog": ECOG[:, None]}, "not of one length"),
        (
            {"ecog": ECOG, "post_transplant_cyclophosphamide": np.array([0, 1, 1])},
            "post_transplant_cyclophosphamide must be a column of booleans",
        ),
    ],
)
def test_columns_that_hold_no_patients_are_refused(values: dict[str, Any], problem: str):
    with pytest.raises(ColumnsError, match=problem) as refused:
        PatientColumns.of(values)
    assert "surname" not in str(refused.value)


@pytest.mark.parametrize("mask", [{"ldh_u_l": ECOG > 0}, {"ecog": ECOG}, {"ecog": ECOG[:1] > 0}])
def test_masks_that_fit_no_column_are_refused(mask: dict[str, Any]):
    with pytest.raises(ColumnsError):
        PatientColumns.of({"ecog": ECOG}, mask)
