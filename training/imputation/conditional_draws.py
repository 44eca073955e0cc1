"""Draw unknown values of one covariate, given all others, from a Bayesian regression.

What the chains of `training.imputation.chained_equations` are made of. Each draw takes m
chains at once: the known values are the same in all, the predictors are not, being
completed themselves.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]

DONORS = 5

PRIOR_SD_LOG_ODDS = 2.5
"""Of a logistic slope per standard deviation, as the default of R's ``rstanarm``."""

_KNOWN_PER_PARAMETER = 3
"""The ridge of the linear model leaves no more effective parameters than this allows."""

_NEWTON_STEPS = 30
_LARGEST_STEP_LOG_ODDS = 3.0


def draw_donors(rng: np.random.Generator, x: Floats, y: Floats, x_unseen: Floats) -> Indices:
    """Match each unknown number with a known one, shape (m, g).

    Bayesian linear regression with a flat prior, but for a ridge: in each of m chains
    σ² = RSS / χ², slopes N(estimate, σ² (X'X + κI)⁻¹). κ is a thousandth of X'X, which
    keeps collinear columns solvable, or what it takes to hold the effective number
    of parameters, at most q n / (n + κ), below a third of n.

    Parameters
    ----------
    x : shape (m, n, q), centred
    y : shape (n,), centred
    x_unseen : shape (m, g, q)
    """
    m, n, q = x.shape
    ridge = max(n / 1000, _KNOWN_PER_PARAMETER * q - n)
    gram = x.transpose(0, 2, 1) @ x + ridge * np.eye(q)
    inverse = np.linalg.inv(gram)
    estimate = inverse @ (x.transpose(0, 2, 1) @ y)[..., None]
    fitted = (x @ estimate)[..., 0]
    effective = q - ridge * np.trace(inverse, axis1=1, axis2=2)
    freedom = np.maximum(n - 1 - effective, 1.0)
    sigma = np.sqrt(((y - fitted) ** 2).sum(axis=1) / rng.chisquare(freedom))[:, None, None]
    slopes = estimate + sigma * _normal(rng, gram)
    intercept = sigma * rng.standard_normal((m, 1, 1)) / np.sqrt(n)
    return _matched(rng, fitted, (x_unseen @ slopes + intercept)[..., 0])


def _matched(rng: np.random.Generator, donors: Floats, targets: Floats) -> Indices:
    """Choose for each target one of the nearest donors at random.

    Parameters
    ----------
    donors : shape (m, n), predicted means of the known values
    targets : shape (m, g), of the unknown values

    Returns
    -------
    shape (m, g), positions of the chosen donors
    """
    m, n = donors.shape
    k = min(DONORS, n)
    # Rounded, so that what is equal but for the order of summation ties everywhere; shuffled,
    # so that among tied donors none is preferred.
    donors, targets = np.round(donors, 9), np.round(targets, 9)
    order = rng.permuted(np.tile(np.arange(n), (m, 1)), axis=1)
    ranks = np.argsort(np.take_along_axis(donors, order, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(order, ranks, axis=1)
    ascending = np.take_along_axis(donors, order, axis=1)
    position = np.stack(
        [np.searchsorted(row, target) for row, target in zip(ascending, targets, strict=True)]
    )
    window = position[..., None] + np.arange(-k, k)
    inside = (window >= 0) & (window < n)
    chain = np.arange(m)[:, None, None]
    distance = np.abs(ascending[chain, window.clip(0, n - 1)] - targets[..., None])
    nearest = np.argsort(np.where(inside, distance, np.inf), axis=2, kind="stable")
    choice = np.take_along_axis(nearest, rng.integers(k, size=(*targets.shape, 1)), axis=2)
    chosen: Indices = order[chain, np.take_along_axis(window, choice, axis=2)][..., 0]
    return chosen


def draw_binary(rng: np.random.Generator, x: Floats, y: Floats, x_unseen: Floats) -> Booleans:
    """Draw each unknown binary from a logistic model, shape (m, g).

    The posterior of the coefficients is taken as normal around its mode; the slopes have
    the prior N(0, `PRIOR_SD_LOG_ODDS`²), the intercept a flat one.

    Parameters
    ----------
    x : shape (m, n, q), centred
    y : shape (n,), 0 or 1, both present
    x_unseen : shape (m, g, q)
    """
    m, _, q = x.shape
    x, x_unseen = (np.concatenate([np.ones((*a.shape[:2], 1)), a], axis=2) for a in (x, x_unseen))
    precision = np.append(0.0, np.full(q, PRIOR_SD_LOG_ODDS**-2))
    mode = np.zeros((m, q + 1, 1))
    mode[:, 0] = logit(y.mean())
    for _ in range(_NEWTON_STEPS):
        p = expit(x @ mode)
        information = x.transpose(0, 2, 1) @ (p * (1 - p) * x) + np.diag(precision)
        score = x.transpose(0, 2, 1) @ (y[:, None] - p) - precision[:, None] * mode
        step = np.linalg.solve(information, score)
        largest = np.abs(x @ step).max(axis=1, keepdims=True)
        mode += step * np.minimum(1.0, _LARGEST_STEP_LOG_ODDS / np.maximum(largest, 1e-12))
        if largest.max() < 1e-8:
            break
    drawn = expit(x_unseen @ (mode + _normal(rng, information)))[..., 0]
    binary: Booleans = rng.random(drawn.shape) < drawn
    return binary


def _normal(rng: np.random.Generator, precision: Floats) -> Floats:
    """Draw from N(0, precision⁻¹) for each of m matrices, shape (m, q, 1)."""
    factor = np.linalg.cholesky(precision)
    noise = rng.standard_normal((*precision.shape[:2], 1))
    return np.linalg.solve(factor.transpose(0, 2, 1), noise)
