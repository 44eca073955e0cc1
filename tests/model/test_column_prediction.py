"""What is predicted for columns is what is predicted for each patient by itself."""

import pickle
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from model import column_prediction, unknown_patterns
from model.column_prediction import PredictedColumns, predict_columns
from model.columns import PatientColumns
from model.patient import COVARIATES, Kind, Patient
from model.prediction import PrognosticModel, predict
from tests.cohorts import cohort_of, fitted, rows
from tests.model.patients import patients
from training.fit import Options, fit_model

HORIZONS = (0.05, 3.0, 6.0, 6.01, 24.0, 500.0)
OPTIONAL = [name for name in COVARIATES if name != "ecog"]

EXTREME = [
    Patient.model_validate({"ecog": ecog} | {n: COVARIATES[n].accepted[end] for n in numbers})  # type: ignore[index]
    for ecog in (0, 4)
    for end in (0, 1)
    for numbers in (
        [n for n in OPTIONAL if COVARIATES[n].kind is Kind.NUMBER],
        ["age_years"],
        ["ldh_u_l", "ferritin_ng_ml"],
    )
]


def columns_of(people: list[Patient]) -> PatientColumns:
    """Return patients as columns."""
    numbers = np.array([patient.numbers(list(COVARIATES)) for patient in people])
    values: dict[str, NDArray[Any]] = {}
    unknown: dict[str, NDArray[np.bool_]] = {}
    for name, column in zip(COVARIATES, numbers.T, strict=True):
        unknown[name] = np.isnan(column)
        types = {Kind.BOOLEAN: np.bool_, Kind.CHOICE: np.int64}
        dtype = types.get(COVARIATES[name].kind, np.float64)
        values[name] = np.where(unknown[name], 0, column).astype(dtype)
    return PatientColumns.of(values, unknown)


def drawn(n: int, share_unknown: float, seed: int = 5) -> PatientColumns:
    """Return invented patients, of each of whom about a share of the covariates is unknown."""
    rng = np.random.default_rng(seed)
    table = rows(n, seed)
    people = [
        Patient.model_validate(
            {"ecog": row["ecog"]}
            | {name: row[name] for name in OPTIONAL if rng.random() >= share_unknown}
        )
        for row in table
    ]
    return columns_of(people)


def assert_same(
    answer: PredictedColumns, model: PrognosticModel, people: list[Patient], level: float
) -> None:
    names = model.cox.design.names
    for row, patient in enumerate(people):
        alone = predict(
            model, patient, horizons_months=HORIZONS, confidence_level=level, with_curve=False
        )
        assert answer.categories[answer.category[row]] == alone.risk.category
        unknown = [bool(answer.imputed[row] >> bit & 1) for bit in range(len(names))]
        assert unknown == [getattr(patient, name) is None for name in names]
        tolerance = 1e-10 if any(unknown) else 1e-12
        for at, horizon in enumerate(alone.survival.horizons):
            for mine, theirs, atol in (
                (answer.survival, horizon.probability, tolerance),
                (answer.lower, horizon.lower, 1e-12),
                (answer.upper, horizon.upper, 1e-12),
            ):
                expected = np.nan if theirs is None else theirs
                np.testing.assert_allclose(mine[at, row], expected, rtol=0, atol=atol)


@settings(max_examples=60, deadline=None)
@given(st.lists(patients(), min_size=1, max_size=5), st.sampled_from([0.5, 0.95, 0.999]))
def test_columns_say_what_is_said_of_each_patient(people: list[Patient], level: float):
    model = fitted().model
    columns = columns_of(people)
    answer = predict_columns(model, columns, horizons_months=HORIZONS, confidence_level=level)
    assert_same(answer, model, people, level)


@pytest.mark.parametrize("penalty", [0.5, 8.0])
def test_the_ends_of_every_range_are_as_for_each_patient(penalty: float):
    model = fitted(penalty).model
    answer = predict_columns(model, columns_of(EXTREME), horizons_months=HORIZONS)
    assert_same(answer, model, EXTREME, 0.95)


def test_every_pattern_of_unknown_values_is_as_for_each_patient():
    model = fitted().model
    complete = [{name: row[name] for name in COVARIATES} for row in rows(2048, 8)]
    people = [
        Patient.model_validate(
            {
                name: value
                for name, value in row.items()
                if name == "ecog" or not pattern >> OPTIONAL.index(name) & 1
            }
        )
        for pattern, row in enumerate(complete)
    ]
    answer = predict_columns(model, columns_of(people), horizons_months=HORIZONS)
    assert len(np.unique(answer.imputed)) == 2048
    some = np.random.default_rng(1).choice(2048, 200, replace=False)
    some_people = [people[row] for row in some]
    part = replace(
        answer,
        **{
            name: getattr(answer, name)[..., some]
            for name in ("category", "survival", "lower", "upper", "imputed")
        },
    )
    assert_same(part, model, some_people, 0.95)


def test_a_model_of_some_covariates_takes_no_notice_of_the_others():
    names = ("ecog", "disease", "ldh_u_l")
    model = fit_model(cohort_of(rows()).with_covariates(names), Options(penalty=1.0)).model
    people = [Patient(ecog=1), Patient(ecog=2, ldh_u_l=400), Patient(ecog=3, disease="ALL")]
    answer = predict_columns(model, columns_of(people), horizons_months=HORIZONS)
    assert answer.imputed.tolist() == [0b110, 0b010, 0b100]
    assert_same(answer, model, people, 0.95)


def test_an_invalid_patient_has_no_prediction_and_disturbs_no_other(monkeypatch):
    model = fitted().model
    good = drawn(12, 0.3)
    values = {name: column.copy() for name, column in good.numbers.items() if name != "disease"}
    bad = {"ecog": np.array(values["ecog"]), "age_years": np.nan_to_num(values["age_years"])}
    bad["ecog"][3], bad["age_years"][7] = 5, 1e9
    expected = predict_columns(model, PatientColumns(12, {**good.numbers}, {}))
    faulty = PatientColumns.of(bad, {"age_years": np.isnan(values["age_years"])})
    both = PatientColumns(12, {**good.numbers, **faulty.numbers}, faulty.faults)
    answer = predict_columns(model, both)
    invalid = np.isin(np.arange(12), [3, 7])
    np.testing.assert_array_equal(both.invalid, invalid)
    for name in ("survival", "lower", "upper"):
        np.testing.assert_array_equal(
            getattr(answer, name), np.where(invalid, np.nan, getattr(expected, name))
        )
    np.testing.assert_array_equal(answer.category, np.where(invalid, -1, expected.category))
    np.testing.assert_array_equal(answer.imputed, np.where(invalid, 0, expected.imputed))


@pytest.mark.parametrize("share_unknown", [0.0, 0.3])
def test_rows_are_independent_of_how_they_are_cut(share_unknown, monkeypatch):
    model, columns = fitted().model, drawn(300, share_unknown)
    whole = predict_columns(model, columns)
    monkeypatch.setattr(column_prediction, "_CHUNK", 7)
    monkeypatch.setattr(column_prediction, "_SORTED_AT_ONCE", 50)
    cut = predict_columns(model, columns)
    np.testing.assert_allclose(cut.survival, whole.survival, rtol=0, atol=2e-10)
    np.testing.assert_allclose(cut.lower, whole.lower, rtol=0, atol=1e-13)
    np.testing.assert_allclose(cut.upper, whole.upper, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(cut.imputed, whole.imputed)


def test_without_a_confidence_level_there_are_no_limits():
    model, columns = fitted().model, drawn(20, 0.3)
    answer = predict_columns(model, columns, confidence_level=None)
    assert np.isnan(answer.lower).all()
    assert np.isnan(answer.upper).all()
    np.testing.assert_allclose(
        answer.survival, predict_columns(model, columns).survival, atol=1e-14
    )


def test_no_patients_have_no_predictions():
    answer = predict_columns(fitted().model, PatientColumns.of({"ecog": np.empty(0)}))
    assert answer.survival.shape == (3, 0)


def test_memory_beyond_the_answer_does_not_grow_with_the_rows(monkeypatch):
    monkeypatch.setattr(column_prediction, "_SORTED_AT_ONCE", 2**13)
    model = fitted().model
    small = drawn(1000, 0.3)
    predict_columns(model, small)
    beyond = []
    for times in (10, 80):
        numbers = {name: np.tile(column, times) for name, column in small.numbers.items()}
        columns = PatientColumns(1000 * times, numbers, {})
        tracemalloc.start()
        answer = predict_columns(model, columns)
        size = sum(getattr(answer, n).nbytes for n in ("survival", "lower", "upper", "category"))
        beyond.append(tracemalloc.get_traced_memory()[1] - size - answer.imputed.nbytes)
        tracemalloc.stop()
    assert beyond[1] < beyond[0] + 70_000  # bytes; one a row more


def test_a_model_that_has_predicted_can_be_sent_to_another_process():
    model, columns = fitted().model, drawn(20, 0.5)
    answer = predict_columns(model, columns)
    elsewhere = predict_columns(pickle.loads(pickle.dumps(model)), columns)
    np.testing.assert_array_equal(elsewhere.survival, answer.survival)


def test_no_value_is_less_than_what_stands_in_for_the_unknown() -> None:
    least = np.log(np.nextafter(0.0, 1.0))  # of any logarithm
    assert least > unknown_patterns._STAND_IN
    for covariate in COVARIATES.values():
        low, _ = covariate.accepted or (0.0, 1.0)
        assert low > unknown_patterns._STAND_IN
