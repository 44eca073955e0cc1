"""The simulated population is the study's in what is known of it."""

from itertools import pairwise

import numpy as np
import pytest

from training.coverage.population import NAMES, Truth, draw_censoring, draw_patients, truths

N = 40_000
of_each_truth = pytest.mark.parametrize("truth", truths(), ids=lambda truth: truth.name)


@of_each_truth
def test_a_patients_own_curve_is_the_law_that_deaths_are_drawn_from(truth: Truth):
    rng = np.random.default_rng(1)
    patient = np.repeat(draw_patients(rng, 1), N, axis=0)
    months = truth.draw_death(rng, patient)
    for horizon in (2.0, 12.0, 24.0):
        own = float(truth.survival(patient[:1], horizon)[0])
        assert abs((months > horizon).mean() - own) < 4 * np.sqrt(own * (1 - own) / N)


@of_each_truth
def test_hazards_are_proportional_with_the_stated_ratios(truth: Truth):
    patients = draw_patients(np.random.default_rng(2), 500)
    hazard = {t: -np.log(truth.survival(patients, t)) for t in (6.0, 24.0)}
    ratio = hazard[6.0] / hazard[24.0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    worse = patients.copy()
    worse[:, NAMES.index("ecog")] += 1
    log_ratio = truth.predictor(worse) - truth.predictor(patients)
    np.testing.assert_allclose(log_ratio, np.log(2.142), atol=1e-4)


@of_each_truth
def test_of_72_patients_about_44_are_seen_to_die(truth: Truth):
    rng = np.random.default_rng(3)
    patients = draw_patients(rng, N)
    dead = truth.draw_death(rng, patients) <= draw_censoring(rng, N)
    assert 40.5 <= 72 * dead.mean() <= 45


@of_each_truth
def test_mortality_is_early_and_two_year_survival_plausible(truth: Truth):
    patients = draw_patients(np.random.default_rng(4), N)
    survival = [float(truth.survival(patients, t).mean()) for t in (1.0, 12.0, 24.0, 109.0)]
    assert survival[0] == 1
    assert all(earlier > later for earlier, later in pairwise(survival))
    assert 0.3 < survival[2] < 0.45
    assert survival[0] - survival[1] > 3 * (survival[1] - survival[2])


def test_effects_are_of_the_stated_size_per_standard_deviation():
    only, weak, moderate, *mixed = truths()
    assert np.count_nonzero(only.coefficients) == 1
    for truth, size in ((weak, 0.15), (moderate, 0.25), (mixed[0], 0.15), (mixed[1], 0.25)):
        np.testing.assert_allclose(np.sort(np.abs(truth.coefficients))[:-1], size)
        np.testing.assert_array_equal(truth.coefficients[0], only.coefficients[0])
    assert [truth.is_of_study for truth in truths()] == [True, True, True, False, False]


def test_covariates_are_correlated_through_frailty_and_burden():
    patients = draw_patients(np.random.default_rng(5), N)
    ranks = np.argsort(np.argsort(patients, axis=0), axis=0)
    correlation = np.atleast_2d(np.corrcoef(ranks, rowvar=False))
    ecog, hemoglobin, ldh = (NAMES.index(n) for n in ("ecog", "hemoglobin_g_dl", "ldh_u_l"))
    assert correlation[ecog, hemoglobin] < -0.3
    assert correlation[ecog, ldh] > 0.3
    assert np.abs(correlation[~np.eye(len(NAMES), dtype=bool)]).max() < 0.6
    shares = np.bincount(patients[:, ecog].astype(int)) / N
    np.testing.assert_allclose(shares, [0.25, 0.515, 0.195, 0.04], atol=0.01)
    for name in ("disease", "conditioning", "post_transplant_cyclophosphamide"):
        assert set(np.unique(patients[:, NAMES.index(name)])) == {0.0, 1.0}
