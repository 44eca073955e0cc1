"""A ridge fit averaged over the strength of its penalty.

Read as a prior, the penalty is βⱼ ~ N(0, 1/λ) on the penalised coefficients and flat
on the others. Each strength λ then has a normal posterior with mode β̂(λ) and
covariance V(λ) = (I + diag α)⁻¹, and a marginal likelihood by Laplace's method
(Tierney & Kadane 1986; for a penalised partial likelihood, Therneau, Grambsch &
Pankratz 2003, section 3). An interval at one chosen λ takes that λ as known. Averaged
over λ, the covariance also holds what the strengths disagree about, by the law of
total variance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.cox import Likelihood, fit_newton

Floats = NDArray[np.float64]

STRENGTHS = 25
LARGEST_PRIOR_SD = 1.0
"""Of a log hazard ratio per SD: a hazard ratio of 2.7 is then one SD of the prior."""


@dataclass(frozen=True)
class AveragedFit:
    """The posterior of the coefficients, averaged over m strengths of the penalty.

    Attributes
    ----------
    coefficients : shape (p,), β̄ = Σ wᵢ β̂(λᵢ)
    covariance : shape (p, p), Σ wᵢ V(λᵢ) + Σ wᵢ (β̂(λᵢ) - β̄)(β̂(λᵢ) - β̄)'
    weights : shape (m,), posterior probabilities of the strengths, summing to 1
    strengths : shape (m,), λ, in the order given
    modes : shape (m, p), β̂(λᵢ)
    within : shape (p, p), Σ wᵢ V(λᵢ)
    """

    coefficients: Floats
    covariance: Floats
    weights: Floats
    strengths: Floats
    modes: Floats
    within: Floats

    def covariance_about(self, coefficients: Floats) -> Floats:
        """Return the posterior mean of (β - b)(β - b)' for other coefficients b, shape (p, p).

        The covariance for an estimate at one chosen strength: what it lacks of β̄ counts
        as error. Never less than `covariance`, and equal to it at β̄.
        """
        away = self.modes - coefficients
        return self.within + (away.T * self.weights) @ away


def strengths_of_uniform_sd(count: int = STRENGTHS, largest_sd: float = LARGEST_PRIOR_SD) -> Floats:
    """Return λ = 1/τ² at the midpoints of equal steps of τ in (0, `largest_sd`), shape (m,).

    τ is the prior SD of a log hazard ratio per SD of its covariate. Equal weights on
    these are a uniform prior on τ (Gelman 2006, section 7.1). A prior uniform on log λ
    has no limit towards infinite λ and puts more on the absence of effects the
    further its grid happens to reach.
    """
    sd = largest_sd * (np.arange(count) + 0.5) / count
    return np.asarray(1 / sd**2)


def fit_averaged(
    risk_sets: Likelihood, penalised: NDArray[np.bool_], strengths: Floats
) -> AveragedFit:
    """Fit at each strength and average by their marginal likelihoods.

    Parameters
    ----------
    risk_sets : the data, covariates standardised
    penalised : shape (p,), which coefficients have the prior N(0, 1/λ)
    strengths : shape (m,), λ > 0; their spacing is the prior, as each counts the same

    Raises
    ------
    FitError
        If the fit at any strength has no maximum.
    """
    fits, start = [], None
    for strength in strengths:
        fit = fit_newton(risk_sets, strength * penalised, start=start)
        start = fit.coefficients
        fits.append(fit)
    return average(
        np.array([fit.coefficients for fit in fits]),
        np.array([fit.information for fit in fits]),
        np.array([fit.log_likelihood for fit in fits]),
        penalised,
        strengths,
    )


def average(
    modes: Floats,
    information: Floats,
    log_likelihood: Floats,
    penalised: NDArray[np.bool_],
    strengths: Floats,
) -> AveragedFit:
    """Average fits at m strengths by their marginal likelihoods.

    Parameters
    ----------
    modes : shape (m, p), penalised estimates
    information : shape (m, p, p), of the unpenalised likelihood there
    log_likelihood : shape (m,), unpenalised
    penalised : shape (p,)
    strengths : shape (m,), each counted the same before the data
    """
    posterior = information + strengths[:, None, None] * np.diag(penalised)
    log_weights = _log_marginal_likelihood(modes, posterior, log_likelihood, penalised, strengths)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    within = np.tensordot(weights, np.linalg.inv(posterior), 1)
    mean = weights @ modes
    away = modes - mean
    between = (away.T * weights) @ away
    return AveragedFit(mean, within + between, weights, strengths, modes, within)


def _log_marginal_likelihood(
    modes: Floats,
    posterior: Floats,
    log_likelihood: Floats,
    penalised: NDArray[np.bool_],
    strengths: Floats,
) -> Floats:
    """Return log ∫ exp ℓ(β) p(β | λ) dβ by Laplace's method, but for a constant, shape (m,).

    ℓ(β̂) - ½ λ |β̂|² + ½ q log λ - ½ log det(I + diag α), q coefficients being penalised.
    """
    log_prior = penalised.sum() * np.log(strengths) - strengths * (modes**2 @ penalised)
    _, log_determinant = np.linalg.slogdet(posterior)
    return np.asarray(log_likelihood + 0.5 * (log_prior - log_determinant))
