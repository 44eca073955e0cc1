"""The penalty's strength: its score against its definition, and what it concludes."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from model.errors import FitError
from tests.cohorts import cohort_of, rows
from tests.training.test_cox import defined_log_likelihood
from training.cox import Ties
from training.fit import Options, fit_model
from training.penalty import FOLDS, REPEATS, STRENGTHS, PenaltyPath, choose_penalty

FREE_FIRST = np.array([False, True, True])


def data(seed: int, n: int = 40, effect: float = 0.8) -> tuple[Any, Any, Any]:
    """Return three covariates, of which the second has the given effect."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    death_months = rng.exponential(10 / np.exp(0.7 * x[:, 0] + effect * x[:, 1]))
    censoring = rng.uniform(3, 30, n)
    months = np.ceil(np.minimum(death_months, censoring))
    return x, months, death_months <= censoring


@cache
def path_of_one(seed: int = 3, ties: Ties = Ties.EFRON) -> PenaltyPath:
    return choose_penalty(*data(1), FREE_FIRST, seed=seed, ties=ties)


@pytest.mark.slow
@pytest.mark.parametrize("ties", Ties)
def test_the_score_is_what_the_left_out_patients_add_to_the_likelihood(ties: Ties):
    # Verweij and van Houwelingen: sum over folds of l(b_-k) - l_-k(b_-k), with
    # scikit-survival's coefficients and the likelihood by its definition.
    x, months, death = sample = data(1)
    path = path_of_one(ties=ties)
    np.testing.assert_allclose(path.strengths, death.sum() * np.logspace(-3, 2, STRENGTHS))
    for index in (8, 18, 28):
        rng, total = np.random.default_rng(3), 0.0
        for _ in range(REPEATS):
            fold_of = rng.permutation(np.arange(len(months)) % FOLDS)
            for fold in range(FOLDS):
                kept = fold_of != fold
                alpha = path.strengths[index] * kept.mean() * FREE_FIRST
                fit = CoxPHSurvivalAnalysis(alpha=alpha, ties=ties.value, n_iter=200, tol=1e-12)
                fit.fit(x[kept], Surv.from_arrays(death[kept], months[kept]))
                part = (x[kept], months[kept], death[kept])
                total += defined_log_likelihood(sample, fit.coef_, ties)
                total -= defined_log_likelihood(part, fit.coef_, ties)
        assert path.scores[index] == pytest.approx(total / REPEATS, rel=1e-7)


def test_the_chosen_strength_has_the_best_score():
    path = path_of_one()
    assert path.chosen == path.strengths[np.argmax(path.scores)]
    assert path.strengths[0] < path.chosen < path.strengths[-1]
    assert path.supports_more_than_ecog


@pytest.mark.slow
def test_a_seed_decides_the_folds_and_nothing_else_does():
    one, other = path_of_one(), path_of_one(seed=4)
    again = choose_penalty(*data(1), FREE_FIRST, seed=3)
    np.testing.assert_array_equal(one.scores, again.scores)
    assert one.chosen == again.chosen
    assert (one.scores != other.scores).any()


@pytest.mark.slow
def test_a_stronger_effect_is_penalised_less():
    chosen = [
        choose_penalty(*data(5, 40, effect), FREE_FIRST, seed=1).chosen for effect in (0, 1.2)
    ]
    assert chosen[1] < chosen[0] / 3


def test_at_the_end_of_the_grid_nothing_but_ecog_is_supported():
    strengths = np.array([1.0, 2.0, 3.0])
    assert PenaltyPath(strengths, np.zeros(3), 2.0).supports_more_than_ecog
    assert not PenaltyPath(strengths, np.zeros(3), 3.0).supports_more_than_ecog


@pytest.mark.slow
def test_a_cohort_in_which_only_ecog_matters_says_so():
    # Three laboratory values that have nothing to do with survival: drawn anew.
    rng = np.random.default_rng(2)
    table = [
        {
            "ecog": row["ecog"],
            "bmi_kg_m2": float(np.round(rng.normal(25, 4), 1)),
            "hemoglobin_g_dl": float(np.round(rng.normal(10, 1), 1)),
            "os_months": row["os_months"],
            "death": row["death"],
        }
        for row in rows(80)
    ]
    found = fit_model(cohort_of(table), Options())
    assert found.path is not None
    assert found.path.chosen == found.path.strengths[-1]
    assert [finding.code for finding in found.findings] == ["no_support_beyond_ecog"]
    matters = [{**row, "bmi_kg_m2": 30 - float(np.log(float(row["os_months"])))} for row in table]
    supported = fit_model(cohort_of(matters), Options())
    assert supported.findings == ()


@pytest.mark.slow
def test_a_cohort_that_separates_in_every_fold_is_chosen_a_penalty_without_a_warning():
    x, months, death = data(7, 40)
    x[:, 1] = months < np.median(months)
    path = choose_penalty(x, months, death, FREE_FIRST, seed=1)
    assert np.isfinite(path.chosen)


@pytest.mark.slow
def test_where_no_fold_can_be_fitted_it_is_named():
    x, months, death = data(8, 20)
    x[:, 0] = 1.0  # not penalised and constant: no information in any fold
    with pytest.raises(FitError) as refused:
        choose_penalty(x, months, death, FREE_FIRST, seed=1)
    assert refused.value.code == "no_penalty"
