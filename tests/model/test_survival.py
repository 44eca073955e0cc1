"""The survival curve of one patient: its shape, its limits, and what is read from it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.cox import CoxModel, ExpectedCovariates
from model.kaplan_meier import Estimate, KaplanMeier, normal_quantile
from model.patient import Patient
from model.survival import SurvivalCurve
from tests.cohorts import fitted
from tests.model.patients import ecogs, patients

COX = fitted().model.cox
quick = settings(max_examples=60, deadline=None)


def curve_of(patient: Patient, level: float = 0.95, model: CoxModel = COX) -> SurvivalCurve:
    return SurvivalCurve.of(model, model.expect(patient), level)


def width(curve: SurvivalCurve) -> np.ndarray:
    """Return the width of the interval on the log(-log S) scale."""
    return np.log(-np.log(curve.lower)) - np.log(-np.log(curve.upper))


@quick
@given(patients())
def test_survival_never_rises_with_time(patient: Patient):
    curve = curve_of(patient)
    assert len(curve.months) > 50
    assert (np.diff(curve.survival) < 0).all()
    assert 0 <= curve.survival[-1] < curve.survival[0] <= 1
    times = np.linspace(0, COX.last_months, 200).tolist()
    read = [curve.at(months).estimate or 0.0 for months in times]
    assert read[0] == 1
    assert (np.diff(read) <= 0).all()


@quick
@given(patients(unknown=False), ecogs, ecogs)
def test_a_worse_ecog_never_raises_survival_all_else_given(patient: Patient, a: int, b: int):
    assert COX.coefficients[0] > 0
    better, worse = (
        curve_of(patient.model_copy(update={"ecog": ecog})).survival for ecog in sorted((a, b))
    )
    assert (worse <= better).all()
    assert a == b or (worse < better).any()


@quick
@given(patients(unknown=False))
def test_the_interval_holds_the_point_when_nothing_is_unknown(patient: Patient):
    curve = curve_of(patient)
    assert (curve.lower < curve.survival).all()
    assert (curve.survival < curve.upper).all()
    assert curve.extra_variance == 0


@quick
@given(patients(unknown=False))
def test_with_nothing_unknown_the_formula_is_the_ordinary_one(patient: Patient):
    # S = exp(-r L), var L = r^2 (VH + q' V q), q = int (x - xbar) dL; limits log-log.
    x = COX.design.standardise(patient.numbers(COX.design.names))
    curve = curve_of(patient, 0.9)
    r = np.exp(x @ COX.coefficients)
    for k in (0, len(curve.months) // 2, len(curve.months) - 1):
        q = x * COX.hazard[k] - COX.hazard_mean[k]
        hazard = r * COX.hazard[k]
        variance = r**2 * (COX.hazard_variance[k] + q @ COX.covariance @ q)
        spread = np.exp(1.6448536269514722 * np.sqrt(variance) / hazard)
        assert curve.survival[k] == pytest.approx(np.exp(-hazard), rel=1e-12)
        assert curve.lower[k] == pytest.approx(np.exp(-hazard * spread), rel=1e-9)
        assert curve.upper[k] == pytest.approx(np.exp(-hazard / spread), rel=1e-9)


@quick
@given(patients())
def test_not_knowing_never_narrows_the_interval_at_the_expected_covariates(patient: Patient):
    expected = COX.expect(patient)
    known = ExpectedCovariates(expected.mean, np.array([], dtype=np.intp), np.empty((0, 0)))
    unknown = SurvivalCurve.of(COX, expected, 0.95)
    told = SurvivalCurve.of(COX, known, 0.95)
    assert (unknown.variance >= told.variance).all()
    if len(expected.unknown):
        assert (unknown.variance > told.variance).all()
    inside = (unknown.upper < 1) & (unknown.lower > 0)
    assert (width(unknown)[inside] >= width(told)[inside] * (1 - 1e-9)).all()


@quick
@given(patients())
def test_stating_the_imputed_values_of_continuous_covariates_never_widens(patient: Patient):
    expected = COX.expect(patient)
    stated = patient.model_dump()
    for column in expected.unknown.tolist():
        name = COX.design.names[column]
        if name not in ("disease", "conditioning", "post_transplant_cyclophosphamide"):
            stated[name] = COX.design.unstandardise(column, float(expected.mean[column]))
    # Set without validation: an expected value may lie just outside the accepted range.
    told = curve_of(Patient.model_construct(**stated))
    unknown = curve_of(patient)
    np.testing.assert_allclose(told.log_hazard, unknown.log_hazard, rtol=1e-8, atol=1e-8)
    assert (unknown.variance >= told.variance * (1 - 1e-9)).all()


@quick
@given(patients(), st.floats(0.5, 0.99), st.floats(0.001, 0.009))
def test_more_confidence_means_a_wider_interval(patient: Patient, level: float, more: float):
    narrow, wide = curve_of(patient, level), curve_of(patient, level + more)
    assert (wide.lower <= narrow.lower).all()
    assert (wide.upper >= narrow.upper).all()
    assert (wide.upper - wide.lower > narrow.upper - narrow.lower).any()
    np.testing.assert_array_equal(wide.survival, narrow.survival)
    mean, wider = narrow.restricted_mean_months(), wide.restricted_mean_months()
    assert mean.estimate == wider.estimate
    assert mean.lower is not None
    assert mean.upper is not None
    assert wider.lower is not None
    assert wider.upper is not None
    assert wider.lower <= mean.lower <= mean.upper <= wider.upper


@quick
@given(patients(unknown=False))
def test_the_interval_has_its_stated_normal_quantile(patient: Patient):
    curve = curve_of(patient, 0.8)
    inside = (curve.upper < 1) & (curve.lower > 0)
    expected = 2 * 1.2815515655446004 * np.sqrt(curve.variance)
    np.testing.assert_allclose(width(curve)[inside], expected[inside], rtol=1e-6)
    assert normal_quantile(0.8) == pytest.approx(1.2815515655446004, rel=1e-12)


def test_before_the_first_death_survival_is_1_without_an_interval():
    curve = curve_of(Patient(ecog=1))
    first = float(COX.months[0])
    assert curve.at(0) == curve.at(np.nextafter(first, 0)) == Estimate(1.0, None, None)
    at = curve.at(first)
    assert at.estimate is not None
    assert at.estimate < 1
    assert at.lower is not None


def test_the_curve_ends_at_the_last_time_with_five_at_risk():
    follow_up = np.sort(COX.observed.months)[::-1]
    assert COX.observed.at_risk_at(COX.last_months) >= 5
    later = COX.observed.months[COX.observed.months > COX.last_months]
    assert len(later) > 0
    assert all(COX.observed.at_risk_at(float(months)) < 5 for months in later)
    assert COX.last_months in follow_up
    curve = curve_of(Patient(ecog=1))
    assert curve.months[-1] <= COX.last_months < COX.months[-1]
    np.testing.assert_array_equal(curve.months, COX.months[COX.months <= COX.last_months])


@pytest.mark.parametrize("at_risk", [[9, 5, 4, 1], [5, 3, 2, 1], [30, 20, 10, 5]])
def test_the_last_time_is_the_largest_with_five_at_risk(at_risk: list[int]):
    months, count = np.array([2.0, 3.0, 7.0, 9.0]), np.array(at_risk, dtype=float)
    observed = KaplanMeier(months, np.ones(4), np.zeros(4), count)
    expected = {9: 3.0, 5: 2.0, 30: 9.0}[at_risk[0]]
    assert replace(COX, observed=observed).last_months == expected


@quick
@given(patients())
def test_the_median_is_the_first_time_at_which_half_survive(patient: Patient):
    curve = curve_of(patient)
    median = curve.median_months()
    for months, values in (
        (median.estimate, curve.survival),
        (median.lower, curve.lower),
        (median.upper, curve.upper),
    ):
        if months is None:
            assert (values > 0.5).all()
        else:
            step = int(np.searchsorted(curve.months, months))
            assert curve.months[step] == months
            assert values[step] <= 0.5
            assert (values[:step] > 0.5).all()


def test_a_limit_of_the_median_can_be_missing_alone_and_so_can_all():
    healthy, ill = curve_of(Patient(ecog=0)).median_months(), curve_of(Patient(ecog=4))
    assert healthy.estimate is not None
    assert healthy.upper is None
    low_hazard = replace(COX, hazard=COX.hazard / 100, hazard_mean=COX.hazard_mean / 100)
    unreached = SurvivalCurve.of(low_hazard, low_hazard.expect(Patient(ecog=0)), 0.95)
    assert unreached.median_months().estimate is None
    assert ill.median_months().estimate is not None
