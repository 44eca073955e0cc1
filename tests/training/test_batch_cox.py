"""Many fits at once are the same fits one by one."""

import numpy as np
import pytest

from model.errors import FitError
from tests.training.test_cox import tied_data
from training.coverage.batch_cox import BatchData, fit_batch
from training.coverage.candidates import PENALISED, cross_validate
from training.coverage.population import draw_censoring, draw_patients, truths
from training.cox import RiskSets, fit_newton
from training.penalty import choose_penalty

FREE_FIRST = np.array([False, True, True, True])


def untied_data(seed, n=80):
    """Return covariates, follow-up without ties, ascending, and deaths."""
    design, months, death = tied_data(seed, n)
    months = months + np.random.default_rng(seed).uniform(0, 0.5, n)
    order = np.argsort(months)
    return design[order], months[order], death[order]


@pytest.mark.parametrize("seed", range(4))
def test_parts_of_the_data_are_fitted_as_one_by_one(seed):
    design, months, death = untied_data(seed)
    present = np.random.default_rng(seed).random((6, len(death))) < 0.8
    penalty = np.outer(np.logspace(-2, 3, 6), FREE_FIRST)
    batch = BatchData.of_parts(design, death, present)
    coefficients = fit_batch(batch, penalty)
    value, score, information = batch.evaluate(coefficients)
    np.testing.assert_array_equal(batch.value(coefficients), value)
    for row, kept in enumerate(present):
        part = RiskSets(design[kept], months[kept], death[kept])
        fit = fit_newton(part, penalty[row])
        np.testing.assert_allclose(coefficients[row], fit.coefficients, atol=1e-10)
        at = part.likelihood(coefficients[row])
        assert value[row] == pytest.approx(at.value, rel=1e-12)
        np.testing.assert_allclose(score[row], at.score, atol=1e-10)
        np.testing.assert_allclose(information[row], at.information, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_copies_of_a_row_are_the_ties_of_efrons_method(seed):
    design, months, death = untied_data(seed)
    rows = np.sort(np.random.default_rng(seed).integers(0, len(death), (5, len(death))), axis=1)
    batch = BatchData.of_rows(design, death, rows)
    penalty = np.broadcast_to(3.0 * FREE_FIRST, (5, 4))
    coefficients = fit_batch(batch, penalty)
    hazard = batch.baseline(coefficients, months[rows], np.array([4.0, 9.0]))
    for row, sample in enumerate(rows):
        resample = RiskSets(design[sample], months[sample], death[sample])
        fit = fit_newton(resample, penalty[row])
        np.testing.assert_allclose(coefficients[row], fit.coefficients, atol=1e-10)
        baseline = resample.baseline(fit.coefficients)
        step = np.searchsorted(baseline.months, [4.0, 9.0], side="right") - 1
        np.testing.assert_allclose(hazard[row], baseline.hazard[step], rtol=1e-9)


def test_a_fit_that_does_not_settle_is_nan_and_disturbs_no_other():
    design, months, death = untied_data(1)
    separating = np.array(design)
    separating[:, 0] = -np.arange(len(death))
    both = BatchData(
        np.stack([separating, design]), np.stack([death, death]) * 1.0, np.ones((2, len(death)))
    )
    coefficients = fit_batch(both, np.zeros((2, 4)), max_iterations=12)
    assert np.isnan(coefficients[0]).all()
    expected = fit_newton(RiskSets(design, months, death)).coefficients
    np.testing.assert_allclose(coefficients[1], expected, atol=1e-10)
    with pytest.raises(FitError):
        fit_newton(RiskSets(separating, months, death), max_iterations=12)


@pytest.mark.parametrize("seed", range(3))
def test_the_batched_search_chooses_the_strength_that_fit_does(seed):
    rng = np.random.default_rng(seed)
    truth = truths()[2]
    numbers = draw_patients(rng, 60)
    standardised = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    until_death, until_end = truth.draw_death(rng, numbers), draw_censoring(rng, 60)
    months, death = np.minimum(until_death, until_end), until_death <= until_end
    order = np.argsort(months)
    standardised, months, death = standardised[order], months[order], death[order]
    path = choose_penalty(standardised, months, death, PENALISED, seed=5, number=12, repeats=2)
    found = cross_validate(standardised, death, np.random.default_rng(5), repeats=2, strengths=12)
    assert found == path.chosen
