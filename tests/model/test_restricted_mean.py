"""The restricted mean: an area, and a variance derived another way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from model.patient import Patient
from model.survival import SurvivalCurve
from tests.cohorts import fitted, rows
from tests.model.patients import patients

COX = fitted().model.cox
KNOWN = [
    Patient.model_validate({k: v for k, v in row.items() if k not in ("os_months", "death")})
    for row in rows(4)
]


def area(months: list[float], survival: list[float], tau: float) -> float:
    """Return the area under a step curve that starts at 1, step by step."""
    total, since, height = 0.0, 0.0, 1.0
    for time, after in zip(months, survival, strict=True):
        if time >= tau:
            break
        total += height * (time - since)
        since, height = time, after
    return total + height * (tau - since)


@settings(max_examples=60, deadline=None)
@given(patients())
def test_the_restricted_mean_is_the_area_under_the_curve(patient: Patient):
    curve = SurvivalCurve.of(COX, COX.expect(patient), 0.95)
    mean = curve.restricted_mean_months()
    tau = COX.restricted_mean_limit_months
    assert mean.estimate == pytest.approx(
        area(curve.months.tolist(), curve.survival.tolist(), tau), rel=1e-12
    )
    assert mean.lower is not None
    assert mean.upper is not None
    assert mean.estimate is not None
    assert 0 <= mean.lower < mean.estimate < mean.upper <= tau


@pytest.mark.parametrize(("last", "limit"), [(58.0, 24.0), (24.0, 24.0), (9.5, 9.5)])
def test_the_mean_is_taken_to_24_months_or_the_models_last_time(last: float, limit: float):
    observed = COX.observed
    months = observed.months.copy()
    months[np.flatnonzero(months <= last)[-1]] = last
    at_risk = np.where(months <= last, 10.0, 4.0)
    model = replace(COX, observed=replace(observed, months=months, at_risk=at_risk))
    assert model.last_months == last
    assert model.restricted_mean_limit_months == limit
    curve = SurvivalCurve.of(model, model.expect(Patient(ecog=1)), 0.95)
    mean = curve.restricted_mean_months()
    expected = area(curve.months.tolist(), curve.survival.tolist(), limit)
    assert mean.estimate == pytest.approx(expected, rel=1e-12)


def delta_variance(curve: SurvivalCurve) -> float:
    """Return g'Cov g over the coefficients and every hazard increment, g taken numerically.

    With dL_i the increments of the baseline, a_i those of its mean term and v_i of its
    variance: Cov(beta) = V, Cov(beta, dL_i) = -V a_i, Cov(dL_i, dL_j) = a_i'V a_j + [i = j] v_i.
    """
    k = len(curve.months)
    mean_increments = np.diff(COX.hazard_mean[:k], axis=0, prepend=0.0)
    own = np.diag(np.diff(COX.hazard_variance[:k], prepend=0.0))
    v = COX.covariance
    across = -v @ mean_increments.T
    joint = np.block([[v, across], [across.T, mean_increments @ v @ mean_increments.T + own]])
    x, months = curve.covariates.mean, curve.months.tolist()
    tau = COX.restricted_mean_limit_months

    def restricted_mean(parameters: np.ndarray) -> float:
        beta, increments = parameters[: len(x)], parameters[len(x) :]
        survival = np.exp(-np.cumsum(increments) * np.exp(x @ beta))
        return area(months, survival.tolist(), tau)

    at = np.concatenate([COX.coefficients, np.diff(COX.hazard[:k], prepend=0.0)])
    steps = 1e-5 * np.eye(len(at))
    gradient = np.array(
        [(restricted_mean(at + step) - restricted_mean(at - step)) / 2e-5 for step in steps]
    )
    return float(gradient @ joint @ gradient)


@pytest.mark.parametrize("patient", KNOWN)
@pytest.mark.parametrize("level", [0.5, 0.8])
def test_its_limits_are_those_of_the_delta_method_over_all_parameters(
    patient: Patient, level: float
):
    curve = SurvivalCurve.of(COX, COX.expect(patient), level)
    mean = curve.restricted_mean_months()
    quantile = {0.5: 0.6744897501960817, 0.8: 1.2815515655446004}[level]
    half_width = quantile * np.sqrt(delta_variance(curve))
    assert mean.estimate is not None
    assert mean.lower is not None
    assert mean.upper is not None
    assert mean.upper - mean.estimate == pytest.approx(half_width, rel=1e-6)
    assert mean.estimate - mean.lower == pytest.approx(half_width, rel=1e-6)


def test_not_knowing_adds_the_spread_of_the_log_hazard_times_the_slope_of_the_mean():
    patient = Patient(ecog=1)
    curve = SurvivalCurve.of(COX, COX.expect(patient), 0.5)
    tau = COX.restricted_mean_limit_months
    # The mean of the averaged curve moved by +-h on the log hazard scale, numerically.
    h = 1e-4
    moved = []
    for sign in (1, -1):
        shifted = replace(COX, hazard=COX.hazard * np.exp(sign * h))
        other = SurvivalCurve.of(shifted, shifted.expect(patient), 0.5)
        moved.append(area(other.months.tolist(), other.survival.tolist(), tau))
    slope = (moved[0] - moved[1]) / (2 * h)
    extra = replace(curve, extra_variance=0.0)
    with_unknown = (curve.restricted_mean_months().upper or 0) - (
        curve.restricted_mean_months().estimate or 0
    )
    without = (extra.restricted_mean_months().upper or 0) - (
        extra.restricted_mean_months().estimate or 0
    )
    added = (with_unknown**2 - without**2) / 0.6744897501960817**2
    assert added == pytest.approx(curve.extra_variance * slope**2, rel=1e-6)


def test_with_more_confidence_the_limits_stop_at_zero_and_at_the_end():
    ill = SurvivalCurve.of(COX, COX.expect(Patient(ecog=4)), 0.999).restricted_mean_months()
    healthy = SurvivalCurve.of(COX, COX.expect(Patient(ecog=0)), 0.999).restricted_mean_months()
    assert ill.lower == 0.0
    assert healthy.upper == COX.restricted_mean_limit_months
