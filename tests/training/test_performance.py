"""The measures of performance: against R, scikit-survival, replicated rows and reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import (
    brier_score,
    concordance_index_censored,
    concordance_index_ipcw,
    cumulative_dynamic_auc,
)
from sksurv.util import Surv

from model.errors import FitError
from tests.cohorts import cohort_of
from tests.golden.real_cohorts import COHORTS
from training.cohort import Cohort
from training.cox import RiskSets, Ties, fit_newton, newton_step
from training.validation.calibration import calibrate, calibration_groups
from training.validation.decision import THRESHOLDS, net_benefit, net_benefit_of_treating_everybody
from training.validation.performance import (
    AUC,
    BRIER,
    HARRELL_C,
    INTEGRATED_BRIER,
    IPA,
    OBSERVED_EXPECTED,
    UNO_C,
    Grid,
    Outcome,
    Predicted,
    Samples,
    measure_names,
    measures,
)
from training.validation.procedure import CoxProcedure
from training.validation.regression import regress

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "validation.json").read_text(encoding="utf-8")
)
HORIZONS = np.array([6.0, 12.0, 24.0])


def by_name(values: Any, grid: Grid) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for (name, _), value in zip(measure_names(grid), values, strict=True):
        found.setdefault(name, []).append(float(value))
    return found


def judged_on_even_rows(name: str) -> tuple[Cohort, Outcome, Grid, Predicted]:
    """Fit the odd rows of a real cohort and predict the even ones, as the R script does."""
    cohort = cohort_of(COHORTS[name]())
    odd, even = np.arange(len(cohort.months))[::2], np.arange(len(cohort.months))[1::2]
    model = CoxProcedure(penalty=0.0)(cohort.take(odd), odd, 0)
    test = cohort.take(even)
    outcome = Outcome.of(test.months, test.death)
    test = test.take(outcome.order)
    grid = Grid.of(outcome, HORIZONS, 24.0)
    predicted = Predicted(
        model.linear_predictor(test.numbers)[None], model.survival(test.numbers, grid.months)[None]
    )
    return test, outcome, grid, predicted


@pytest.mark.parametrize("golden", GOLDEN["judged"], ids=lambda g: g["name"])
def test_measures_are_those_of_r(golden: dict[str, Any]):
    _, outcome, grid, predicted = judged_on_even_rows(golden["name"])
    found = by_name(measures(Samples.everybody(outcome), predicted, grid)[0], grid)
    np.testing.assert_allclose(found[HARRELL_C], golden["harrell"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[UNO_C], golden["uno"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[AUC], golden["auc"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[AUC], golden["score_auc"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[BRIER], golden["brier"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[BRIER], golden["score_brier"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[IPA], golden["ipa"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[IPA], golden["score_ipa"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        found[INTEGRATED_BRIER], golden["integrated_brier"], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        found[OBSERVED_EXPECTED], golden["observed_expected"], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("golden", GOLDEN["judged"], ids=lambda g: g["name"])
def test_calibration_slope_and_smooth_curve_are_those_of_r(golden: dict[str, Any]):
    _, outcome, grid, predicted = judged_on_even_rows(golden["name"])
    points = np.tile(golden["grid"], (3, 1))
    slopes, curves = calibrate(
        outcome,
        np.arange(len(outcome.months))[None],
        predicted.linear_predictor,
        predicted.survival[..., :3],
        grid.horizons,
        points,
    )
    np.testing.assert_allclose(slopes, golden["slope"], rtol=1e-9)
    np.testing.assert_allclose(curves[0], golden["curve"], rtol=1e-7)


@pytest.mark.parametrize("golden", GOLDEN["judged"], ids=lambda g: g["name"])
def test_net_benefit_is_that_of_r(golden: dict[str, Any]):
    _, outcome, _, predicted = judged_on_even_rows(golden["name"])
    risk = 1 - predicted.survival[..., 1]
    found = net_benefit(Samples.everybody(outcome), risk, 12.0)[0]
    at = np.searchsorted(THRESHOLDS, np.array(golden["thresholds"]) - 1e-9)
    np.testing.assert_allclose(found[at], golden["net_benefit"], rtol=1e-9, atol=1e-12)


def untied(seed: int, n: int = 90) -> tuple[Outcome, Grid, Predicted]:
    """Return follow-up without ties and predictions of some worth."""
    rng = np.random.default_rng(seed)
    eta = rng.normal(size=n)
    death, censored = rng.exponential(14 * np.exp(-0.7 * eta)), rng.uniform(4, 60, n)
    outcome = Outcome.of(np.minimum(death, censored), death <= censored)
    eta = eta[outcome.order]
    grid = Grid.of(outcome, HORIZONS, 24.0)
    survival = np.exp(-np.exp(eta[:, None]) * grid.months / 20)
    return outcome, grid, Predicted(eta[None], survival[None])


@pytest.mark.parametrize("seed", range(3))
def test_without_ties_measures_are_those_of_scikit_survival(seed: int):
    outcome, grid, predicted = untied(seed)
    found = by_name(measures(Samples.everybody(outcome), predicted, grid)[0], grid)
    theirs = Surv.from_arrays(outcome.death, outcome.months)
    eta, survival = predicted.linear_predictor[0], predicted.survival[0]
    harrell = concordance_index_censored(outcome.death, outcome.months, eta)[0]
    assert found[HARRELL_C] == pytest.approx([harrell], rel=1e-12)
    uno = concordance_index_ipcw(theirs, theirs, eta, tau=24.0)[0]
    assert found[UNO_C] == pytest.approx([uno], rel=1e-12)
    auc = cumulative_dynamic_auc(theirs, theirs, eta, HORIZONS)[0]
    assert found[AUC] == pytest.approx(auc.tolist(), rel=1e-12)
    brier = brier_score(theirs, theirs, survival[:, :3], HORIZONS)[1]
    assert found[BRIER] == pytest.approx(brier.tolist(), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_weighted_sample_is_measured_as_its_replicated_rows(seed: int):
    rng = np.random.default_rng(seed)
    n = 60
    months = np.ceil(rng.exponential(12, n))
    months[:8] = 40.0
    death = rng.random(n) < 0.7
    outcome = Outcome.of(months, death)
    grid = Grid.of(outcome, HORIZONS, 24.0)
    eta = np.round(rng.normal(size=n), 1)
    survival = np.exp(-np.exp(eta[:, None]) * grid.months / 25)
    drawn = np.sort(rng.integers(0, n, n))
    counts = np.bincount(drawn, minlength=n).astype(float)[None]
    weighted = measures(Samples(outcome, counts), Predicted(eta[None], survival[None]), grid)
    rows = Outcome.of(outcome.months[drawn], outcome.death[drawn])
    taken = drawn[rows.order]
    replicated = measures(
        Samples.everybody(rows), Predicted(eta[None, taken], survival[None, taken]), grid
    )
    np.testing.assert_allclose(weighted, replicated, rtol=1e-10)
    benefit = net_benefit(Samples(outcome, counts), 1 - survival[None, :, 1], 12.0)
    again = net_benefit(Samples.everybody(rows), 1 - survival[None, taken, 1], 12.0)
    np.testing.assert_allclose(benefit, again, atol=1e-12)


def test_several_models_at_once_are_measured_as_one_by_one():
    outcome, grid, _ = untied(5)
    rng = np.random.default_rng(5)
    counts = rng.multinomial(90, np.full(90, 1 / 90), 4).astype(float)
    eta = rng.normal(size=(4, 90))
    survival = np.exp(-np.exp(eta[..., None]) * grid.months / 20)
    together = measures(Samples(outcome, counts), Predicted(eta, survival), grid)
    for one in range(4):
        alone = measures(
            Samples(outcome, counts[[one]]), Predicted(eta[[one]], survival[[one]]), grid
        )
        np.testing.assert_allclose(together[[one]], alone, rtol=1e-12)


def test_random_predictions_discriminate_by_half():
    outcome, grid, predicted = untied(1, 400)
    eta = np.random.default_rng(2).normal(size=(300, 400))
    survival = np.repeat(predicted.survival, 300, axis=0)
    samples = Samples(outcome, np.ones((300, 400)))
    found = measures(samples, Predicted(eta, survival), grid).mean(axis=0)
    np.testing.assert_allclose(found[:5], 0.5, atol=0.01)


def test_one_prediction_for_all_discriminates_by_half_and_has_no_ipa():
    outcome, grid, _ = untied(3)
    samples = Samples.everybody(outcome)
    survival = np.repeat(samples.survival(grid.months)[:, None], 90, axis=1)
    found = by_name(measures(samples, Predicted(np.zeros((1, 90)), survival), grid)[0], grid)
    assert found[HARRELL_C] + found[UNO_C] + found[AUC] == pytest.approx([0.5] * 5)
    assert found[IPA] == pytest.approx([0.0] * 3, abs=1e-12)
    assert found[OBSERVED_EXPECTED] == pytest.approx([1.0] * 3)


def test_a_perfect_predictor_is_perfect():
    outcome, grid, _ = untied(4)
    everyone_dies = Outcome.of(outcome.months, np.ones(90, dtype=bool))
    alive = (everyone_dies.months[:, None] > grid.months).astype(float)
    predicted = Predicted(-everyone_dies.months[None], alive[None])
    samples = Samples.everybody(everyone_dies)
    found = by_name(measures(samples, predicted, grid)[0], grid)
    assert found[HARRELL_C] + found[UNO_C] + found[AUC] + found[IPA] == pytest.approx([1.0] * 8)
    assert found[BRIER] + found[INTEGRATED_BRIER] == pytest.approx([0.0] * 4, abs=1e-12)
    died = 1 - alive[:, 1].mean()
    assert net_benefit(samples, 1 - alive[None, :, 1], 12.0) == pytest.approx(
        np.full((1, 37), died)
    )


def test_what_is_undefined_is_not_finite():
    outcome = Outcome.of(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    grid = Grid.of(outcome, np.array([6.0]), 6.0)
    survival = np.full((1, 3, len(grid.months)), 0.5)
    assert not np.isfinite(
        measures(Samples.everybody(outcome), Predicted(np.arange(3.0)[None], survival), grid)
    ).all()


def test_treating_everybody_is_a_model_that_calls_all_high():
    outcome, _, _ = untied(6)
    samples = Samples.everybody(outcome)
    assert net_benefit(samples, np.ones((1, 90)), 12.0) == pytest.approx(
        net_benefit_of_treating_everybody(samples, 12.0)
    )
    assert net_benefit(samples, np.zeros((1, 90)), 12.0) == pytest.approx(np.zeros((1, 37)))


@pytest.mark.parametrize("seed", range(4))
def test_batched_regressions_are_newton_fits_of_the_replicated_rows(seed: int):
    rng = np.random.default_rng(seed)
    n = 50
    z = rng.normal(size=(3, n, 2))
    months = np.ceil(rng.exponential(10 * np.exp(-0.4 * z[0, :, 0])))
    outcome = Outcome.of(months, rng.random(n) < 0.8)
    z = z[:, outcome.order]
    drawn = np.sort(rng.integers(0, n, (3, n)), axis=1)
    found = regress(outcome, drawn, z, np.array([5.0, 9.5]), start=np.array([1.0, 0.0]))
    for b in range(3):
        rows = drawn[b]
        risk_sets = RiskSets(z[b, rows], outcome.months[rows], outcome.death[rows])
        fit = fit_newton(risk_sets)
        np.testing.assert_allclose(found.coefficients[b], fit.coefficients, rtol=1e-9, atol=1e-11)
        base = risk_sets.baseline(fit.coefficients)
        by_then = [base.hazard[base.months <= t][-1] for t in (5.0, 9.5)]
        np.testing.assert_allclose(found.hazard[b], by_then, rtol=1e-9)


def test_a_regression_without_a_maximum_is_not_a_number():
    months = np.arange(1.0, 21)
    outcome = Outcome.of(months, months <= 10)
    z = np.stack([(months <= 10).astype(float), np.sin(months)])[..., None]
    drawn = np.repeat(np.arange(20)[None], 2, axis=0)
    found = regress(outcome, drawn, z, np.array([5.0]), start=np.ones(1))
    assert np.isnan(found.coefficients[:, 0]).tolist() == [True, False]


def test_few_distinct_predictions_are_calibrated_along_a_line():
    outcome, _, _ = untied(7)
    eta = np.where(np.random.default_rng(1).random((1, 90)) < 0.05, 0.8, 0.0)
    survival: Any = np.exp(-np.exp(eta[..., None]) * HORIZONS / 20)
    slopes, curves = calibrate(
        outcome, np.arange(90)[None], eta, survival, HORIZONS, np.full((3, 1), 0.5)
    )
    assert np.isfinite(slopes).all()
    assert np.isfinite(curves).all()


def test_calibration_groups_hold_every_patient_once_and_rise_with_the_prediction():
    outcome, _, predicted = untied(8)
    points = calibration_groups(outcome, predicted.survival[0, :, 1], 12.0)
    assert len(points) == 5
    assert sum(point.patients for point in points) == 90
    assert [p.predicted for p in points] == sorted(p.predicted for p in points)
    assert points[-1].observed > points[0].observed


def test_a_group_that_is_not_followed_to_the_horizon_is_joined_with_others():
    months = np.array([*np.linspace(1, 9, 12), *np.linspace(13, 40, 48)])
    outcome = Outcome.of(months, np.arange(60) % 2 == 0)
    points = calibration_groups(outcome, np.linspace(0.1, 0.9, 60), 12.0)
    assert 1 <= len(points) < 5
    assert sum(point.patients for point in points) == 60


def test_a_group_that_died_out_has_a_survival_of_nought_and_no_interval():
    months = np.array([*np.linspace(1, 9, 12), *np.linspace(13, 40, 48)])
    outcome = Outcome.of(months, months < 10)
    first = calibration_groups(outcome, np.linspace(0.1, 0.9, 60), 12.0)[0]
    assert (first.observed, first.lower, first.upper) == (0.0, None, None)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(30, 90),
    p=st.integers(1, 12),
    ties=st.sampled_from(Ties),
    penalty=st.sampled_from([0.0, 1.0, 30.0]),
)
def test_the_fast_fit_is_that_of_scikit_survival_wherever_both_converge(
    seed: int, n: int, p: int, ties: Ties, penalty: float
):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    months = np.ceil(4 * rng.exponential(10 * np.exp(-0.5 * x[:, 0]))) / 4
    death = rng.random(n) < 0.7
    alpha = np.where(np.arange(p) == 0, 0.0, penalty)
    try:
        risk_sets = RiskSets(x, months, death, ties)
        ours = fit_newton(risk_sets, alpha).coefficients
        theirs = CoxPHSurvivalAnalysis(alpha=alpha, ties=ties.value, n_iter=200, tol=1e-13)
        theirs.fit(x, Surv.from_arrays(death, months))
    except (FitError, ValueError, ArithmeticError, Warning):
        reject()
    polished = newton_step(risk_sets, theirs.coef_, alpha)
    np.testing.assert_allclose(ours, polished, rtol=1e-9, atol=1e-9)
