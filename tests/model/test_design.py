"""From numbers to standardised covariates and back."""

import numpy as np
import pytest
from hypothesis import given, settings

from model.design import Design
from model.patient import COVARIATES, Patient, Transform
from tests.cohorts import cohort_of, fitted, rows
from tests.model.patients import patients

DESIGN = fitted().model.cox.design
LOGARITHMIC = ["cd34_dose_10e6_per_kg", "ldh_u_l", "ferritin_ng_ml"]


def test_the_cohort_is_centred_and_has_unit_variance():
    standardised = DESIGN.standardise(cohort_of(rows()).numbers)
    np.testing.assert_allclose(standardised.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standardised.std(axis=0, ddof=1), 1, rtol=1e-12)


def test_the_transforms_are_those_of_the_contract():
    kinds = {name: covariate.transform for name, covariate in COVARIATES.items()}
    assert [name for name, kind in kinds.items() if kind is Transform.LOG] == LOGARITHMIC
    shifted = [name for name, kind in kinds.items() if kind is Transform.SHIFTED_LOG]
    assert shifted == ["lymphocytes_10e9_l"]


def test_the_shift_is_half_the_smallest_positive_value():
    lymphocytes = [float(row["lymphocytes_10e9_l"]) for row in rows()]
    assert 0.0 in lymphocytes
    column = DESIGN.names.index("lymphocytes_10e9_l")
    assert DESIGN.shift[column] == min(x for x in lymphocytes if x > 0) / 2
    assert not np.delete(DESIGN.shift, column).any()


def test_numbers_are_standardised_as_by_hand():
    patient = Patient(ecog=3, ferritin_ng_ml=2500.0, lymphocytes_10e9_l=0.0, disease="ALL")
    standardised = DESIGN.standardise(patient.numbers(DESIGN.names))
    table = rows()
    for name, value, of_row in (
        ("ecog", 3.0, lambda row: float(row["ecog"])),
        ("ferritin_ng_ml", np.log(2500), lambda row: np.log(float(row["ferritin_ng_ml"]))),
        ("disease", 1.0, lambda row: float(row["disease"] == "ALL")),
    ):
        column = np.array([of_row(row) for row in table])
        expected = (value - column.mean()) / column.std(ddof=1)
        assert standardised[DESIGN.names.index(name)] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(standardised[DESIGN.names.index("age_years")])
    assert np.isfinite(standardised[DESIGN.names.index("lymphocytes_10e9_l")])


@settings(max_examples=50, deadline=None)
@given(patients(unknown=False))
def test_unstandardise_undoes_standardise(patient: Patient):
    numbers = patient.numbers(DESIGN.names)
    standardised = DESIGN.standardise(numbers)
    back = [DESIGN.unstandardise(column, float(z)) for column, z in enumerate(standardised)]
    np.testing.assert_allclose(back, numbers, rtol=1e-9, atol=1e-9)


def test_standardising_leaves_the_numbers_given_alone():
    numbers = np.array([Patient(ecog=1, ldh_u_l=200.0).numbers(DESIGN.names)])
    before = numbers.copy()
    DESIGN.standardise(numbers)
    np.testing.assert_array_equal(numbers, before)


def test_references_are_the_first_value_of_a_binary_the_given_grade_and_the_mean():
    numbers = cohort_of(rows()).numbers
    design = Design.of_cohort(DESIGN.names, numbers, ecog_reference=2)
    reference = dict(zip(design.names, design.reference.tolist(), strict=True))
    assert reference["ecog"] == 2
    for name in ("disease", "conditioning", "post_transplant_cyclophosphamide"):
        assert reference[name] == 0
    column = design.names.index("age_years")
    assert reference["age_years"] == pytest.approx(numbers[:, column].mean())
    ferritin = np.log(numbers[:, design.names.index("ferritin_ng_ml")])
    assert reference["ferritin_ng_ml"] == pytest.approx(np.exp(ferritin.mean()))


def test_the_range_is_that_of_the_training_values():
    numbers = cohort_of(rows()).numbers
    np.testing.assert_array_equal(DESIGN.minimum, numbers.min(axis=0))
    np.testing.assert_array_equal(DESIGN.maximum, numbers.max(axis=0))
