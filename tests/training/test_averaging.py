"""The fit averaged over its penalty: against closed forms and numerical integration."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from tests.training.test_cox import tied_data
from training.averaging import average, fit_averaged, strengths_of_uniform_sd
from training.cox import RiskSets, fit_newton

STRENGTHS = strengths_of_uniform_sd()
SECOND_FREE = np.array([True, False, True, True])


def risk_sets(seed: int, n: int = 120, p: int = 4) -> RiskSets:
    return RiskSets(*tied_data(seed, n, p))


def least_eigenvalue(matrix: Any) -> float:
    return float(np.linalg.eigvalsh(matrix)[0])


def test_a_normal_likelihood_is_averaged_exactly():
    # ℓ(β) = -½ (β - m)'J(β - m) and β ~ N(0, 1/λ): m ~ N(0, J⁻¹ + 1/λ), whose density
    # is the marginal likelihood; mode and covariance are the posterior's.
    rng = np.random.default_rng(3)
    root = rng.normal(size=(3, 3))
    information, centre = root @ root.T + np.eye(3), rng.normal(size=3)
    strengths = np.array([0.2, 1.0, 6.0])
    posterior = [information + s * np.eye(3) for s in strengths]
    modes = np.array([np.linalg.solve(p, information @ centre) for p in posterior])
    away = modes - centre
    log_likelihood = -0.5 * np.einsum("mi,ij,mj->m", away, information, away)
    fit = average(
        modes, np.array([information] * 3), log_likelihood, np.ones(3, dtype=bool), strengths
    )
    density = np.array(
        [
            multivariate_normal.pdf(centre, np.zeros(3), np.linalg.inv(information) + np.eye(3) / s)
            for s in strengths
        ]
    )
    np.testing.assert_allclose(fit.weights, density / density.sum(), rtol=1e-12)
    np.testing.assert_allclose(fit.coefficients, fit.weights @ modes, rtol=1e-12)
    # E(ββ') - E(β)E(β)' of the mixture.
    second = sum(
        w * (np.linalg.inv(p) + np.outer(m, m))
        for w, p, m in zip(fit.weights, posterior, modes, strict=True)
    )
    expected = second - np.outer(fit.coefficients, fit.coefficients)
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-12, atol=1e-14)


def moments(likelihood: Any, strength: float, reach: float) -> Any:
    """Return ∫ f, ∫ βf, ∫ β²f of f = exp ℓ(β) N(β; 0, 1/λ), numerically."""
    top = likelihood(0.0)

    def weighted(beta: float, power: int) -> float:
        prior = np.sqrt(strength) * np.exp(-0.5 * strength * beta**2)
        return float(beta**power * np.exp(likelihood(beta) - top) * prior)

    return np.array(
        [quad(weighted, -reach, reach, args=(power,), epsrel=1e-6)[0] for power in range(3)]
    )


def test_one_coefficient_agrees_with_numerical_integration():
    data = risk_sets(1, 150, 1)
    strengths = STRENGTHS[::4]
    fit = fit_averaged(data, np.array([True]), strengths)
    integrals = np.array(
        [moments(lambda b: data.likelihood(np.array([b])).value, s, 2.0) for s in strengths]
    )
    weights = integrals[:, 0] / integrals[:, 0].sum()
    mean, square = integrals[:, 1:].sum(axis=0) / integrals[:, 0].sum()
    np.testing.assert_allclose(fit.weights, weights, rtol=0.02)
    assert fit.coefficients[0] == pytest.approx(mean, rel=0.02)
    assert fit.covariance[0, 0] == pytest.approx(square - mean**2, rel=0.03)


def test_two_coefficients_of_which_one_is_free_agree_with_numerical_integration():
    data = risk_sets(2, 150, 2)
    strengths = STRENGTHS[2::6]
    fit = fit_averaged(data, np.array([False, True]), strengths)
    centre, reach = fit_newton(data).coefficients, 1.2
    grid = np.linspace(-reach, reach, 81)
    free, penalised = np.meshgrid(centre[0] + grid, centre[1] + grid, indexing="ij")
    at = np.column_stack([free.ravel(), penalised.ravel()])
    value = np.array([data.likelihood(beta).value for beta in at])
    likelihood = np.exp(value - value.max())
    prior = np.sqrt(strengths) * np.exp(-0.5 * np.outer(at[:, 1] ** 2, strengths))
    joint = likelihood[:, None] * prior
    np.testing.assert_allclose(fit.weights, joint.sum(axis=0) / joint.sum(), rtol=0.03)
    density = joint.sum(axis=1) / joint.sum()
    mean = density @ at
    np.testing.assert_allclose(fit.coefficients, mean, atol=0.02 * np.abs(mean).max())
    covariance = (at - mean).T @ ((at - mean) * density[:, None])
    np.testing.assert_allclose(fit.covariance, covariance, atol=0.04 * covariance.max())


def test_a_single_strength_is_the_plain_fit():
    data = risk_sets(3)
    fit = fit_averaged(data, SECOND_FREE, np.array([7.0]))
    plain = fit_newton(data, 7.0 * SECOND_FREE)
    np.testing.assert_allclose(fit.coefficients, plain.coefficients, rtol=1e-12)
    expected = np.linalg.inv(plain.information + np.diag(7.0 * SECOND_FREE))
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-12)
    np.testing.assert_array_equal(fit.weights, [1.0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_strengths_can_only_add_to_the_covariance(seed: int, count: int):
    fit = fit_averaged(risk_sets(seed), SECOND_FREE, strengths_of_uniform_sd(count))
    assert fit.weights.sum() == pytest.approx(1, abs=1e-12)
    assert (fit.weights >= 0).all()
    assert least_eigenvalue(fit.within) > 0
    assert least_eigenvalue(fit.covariance - fit.within) > -1e-12
    np.testing.assert_allclose(fit.covariance, fit.covariance.T, atol=1e-15)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 24))
def test_another_estimate_has_the_larger_covariance(seed: int, chosen: int):
    fit = fit_averaged(risk_sets(seed), SECOND_FREE, STRENGTHS)
    np.testing.assert_allclose(fit.covariance_about(fit.coefficients), fit.covariance, rtol=1e-12)
    # E(β - b)(β - b)' = Cov(β) + (β̄ - b)(β̄ - b)'.
    away = fit.coefficients - fit.modes[chosen]
    expected = fit.covariance + np.outer(away, away)
    np.testing.assert_allclose(
        fit.covariance_about(fit.modes[chosen]), expected, rtol=1e-9, atol=1e-14
    )


def test_the_order_of_rows_and_the_unit_of_time_do_not_matter():
    design, months, death = tied_data(5)
    fit = fit_averaged(RiskSets(design, months, death), SECOND_FREE, STRENGTHS)
    order = np.random.default_rng(0).permutation(len(months))
    other = RiskSets(design[order], 30.4 * months[order], death[order])
    again = fit_averaged(other, SECOND_FREE, STRENGTHS)
    np.testing.assert_allclose(again.coefficients, fit.coefficients, rtol=1e-9)
    np.testing.assert_allclose(again.covariance, fit.covariance, rtol=1e-9)
    np.testing.assert_allclose(again.weights, fit.weights, rtol=1e-9)


def test_the_unit_of_a_free_covariate_changes_its_coefficient_only():
    design, months, death = tied_data(6)
    unit = np.array([1.0, 12.0, 1.0, 1.0])
    fit = fit_averaged(RiskSets(design, months, death), SECOND_FREE, STRENGTHS)
    scaled = fit_averaged(RiskSets(design * unit, months, death), SECOND_FREE, STRENGTHS)
    np.testing.assert_allclose(scaled.weights, fit.weights, rtol=1e-8)
    np.testing.assert_allclose(scaled.coefficients * unit, fit.coefficients, rtol=1e-8)
    np.testing.assert_allclose(
        scaled.covariance * np.outer(unit, unit), fit.covariance, rtol=1e-7, atol=1e-12
    )


def test_the_order_of_the_strengths_does_not_matter():
    data = risk_sets(7)
    one = fit_averaged(data, SECOND_FREE, STRENGTHS)
    other = fit_averaged(data, SECOND_FREE, STRENGTHS[::-1])
    np.testing.assert_allclose(other.coefficients, one.coefficients, rtol=1e-9)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-9)
    np.testing.assert_allclose(other.weights[::-1], one.weights, rtol=1e-8)


def test_effects_in_the_data_draw_the_weight_to_weaker_penalties():
    rng = np.random.default_rng(8)
    design = rng.standard_normal((300, 4))
    everyone, log_sd = np.ones(300, dtype=bool), 0.5 * np.log(1 / STRENGTHS)
    mean = {}
    for size in (0.0, 0.8):
        months = rng.exponential(np.exp(-design @ np.full(4, size)))
        fit = fit_averaged(RiskSets(design, months, everyone), np.ones(4, dtype=bool), STRENGTHS)
        mean[size] = fit.weights @ log_sd
    assert mean[0.0] < np.log(0.2) < np.log(0.5) < mean[0.8]


def test_the_strengths_are_those_of_equal_steps_of_the_prior_sd():
    np.testing.assert_allclose(
        1 / np.sqrt(strengths_of_uniform_sd(4, 2.0)), [0.25, 0.75, 1.25, 1.75]
    )


def test_a_finer_grid_changes_next_to_nothing():
    data = risk_sets(9)
    coarse = fit_averaged(data, SECOND_FREE, STRENGTHS)
    fine = fit_averaged(data, SECOND_FREE, strengths_of_uniform_sd(200))
    largest = np.abs(fine.covariance).max()
    np.testing.assert_allclose(coarse.covariance, fine.covariance, atol=0.01 * largest)
    np.testing.assert_allclose(coarse.coefficients, fine.coefficients, atol=0.01)
