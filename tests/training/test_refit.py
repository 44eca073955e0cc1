"""Resamples fitted together are what each is by itself."""

import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from tests.cohorts import cohort_of, rows
from tests.training.test_cox import tied_data
from tests.training.test_validation import separated
from training.cohort import Cohort
from training.cox import Ties
from training.validation.performance import Indices, Outcome
from training.validation.procedure import CoxProcedure
from training.validation.refit import OneByOne, Together
from training.validation.regression import regress

MONTHS = np.array([0.05, 3.0, 6.0, 12.0, 24.0, 90.0])


def in_order(cohort: Cohort) -> Cohort:
    return cohort.take(Outcome.of(cohort.months, cohort.death).order)


def draws(cohort: Cohort, number: int) -> Indices:
    n = len(cohort.months)
    return np.sort(np.random.default_rng(number).integers(0, n, (number, n)), axis=1)


def rarely_varied() -> Cohort:
    """Return patients of whom two alone keep columns from being constant."""
    table = rows(72)
    for place, row in enumerate(table):
        row["post_transplant_cyclophosphamide"] = place == 5
        row["lymphocytes_10e9_l"] = 0.4 if place == 9 else 0.0
    return cohort_of(table)


def one_grade_but_for_two() -> Cohort:
    table = rows(72)
    dead = [place for place, row in enumerate(table) if row["death"]]
    for place, row in enumerate(table):
        row["ecog"] = 2 if place in dead[10:12] else 1
    return cohort_of(table)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("penalty", [0.0, 4.0])
@pytest.mark.parametrize(
    "cohort",
    [cohort_of(rows(72)), rarely_varied(), one_grade_but_for_two(), separated()],
    ids=["usual", "rarely varied", "rarely two grades", "nearly separated"],
)
def test_together_predicts_and_refuses_what_one_by_one_does(
    cohort: Cohort, penalty: float, ties: Ties
):
    cohort = in_order(cohort)
    drawn = draws(cohort, 30)
    seeds = list(range(len(drawn)))
    together = Together(ties, penalty)(cohort, drawn, seeds, MONTHS)
    alone = OneByOne(CoxProcedure(ties, penalty))(cohort, drawn, seeds, MONTHS)
    assert together.is_fitted.tolist() == alone.is_fitted.tolist()
    assert together.failures == alone.failures
    assert together.is_fitted.any()
    ours, theirs = (found.predicted.of(alone.is_fitted) for found in (together, alone))
    np.testing.assert_allclose(ours.linear_predictor, theirs.linear_predictor, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.survival, theirs.survival, rtol=1e-8, atol=1e-9)


def test_some_of_these_resamples_are_refused():
    refused = set()
    for cohort in (one_grade_but_for_two(), separated(), rarely_varied()):
        cohort = in_order(cohort)
        found = Together(Ties.EFRON, 0.0)(cohort, draws(cohort, 30), range(30), MONTHS)
        refused |= set(found.failures)
    assert {"one_ecog_grade", "separation"} <= refused


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("strength", [0.0, 3.0, 200.0])
def test_regressions_together_have_the_coefficients_of_scikit_survival(strength: float, ties: Ties):
    x, months, death = tied_data(3, 90, 12)
    outcome = Outcome.of(months, death)
    drawn = np.sort(np.random.default_rng(1).integers(0, 90, (5, 90)), axis=1)
    penalty = strength * np.arange(12.0)
    found = regress(
        outcome,
        drawn,
        np.tile(x[outcome.order], (5, 1, 1)),
        np.array([5.0]),
        start=np.zeros(12),
        penalty=np.tile(penalty, (5, 1)),
        ties=ties,
    )
    for patients, coefficients in zip(drawn, found.coefficients, strict=True):
        reference = CoxPHSurvivalAnalysis(alpha=penalty, ties=ties.value, n_iter=200, tol=1e-13)
        of_outcome = Surv.from_arrays(outcome.death[patients], outcome.months[patients])
        reference.fit(x[outcome.order][patients], of_outcome)
        np.testing.assert_allclose(coefficients, reference.coef_, rtol=1e-9, atol=1e-9)
    assert not found.is_flat.any()


def test_a_singular_regression_disturbs_no_other():
    x, months, death = tied_data(3, 60, 3)
    outcome = Outcome.of(months, death)
    x = x[outcome.order]
    covariates = np.stack([x, x[:, [0, 0, 1]], x])
    drawn = np.tile(np.arange(60), (3, 1))
    found = regress(outcome, drawn, covariates, MONTHS, start=np.zeros(3))
    by_itself = regress(outcome, drawn[:1], covariates[:1], MONTHS, start=np.zeros(3))
    assert found.is_flat[1] or np.isnan(found.coefficients[1]).all()
    for row in (0, 2):
        np.testing.assert_allclose(found.coefficients[row], by_itself.coefficients[0], rtol=1e-12)
