"""Cox regressions of the outcome on what was predicted, many resamples at once.

A regression on one or two functions of the linear predictor is small: nearly all its time
would go into calling numpy. Here the resamples of a batch share each call.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.validation.performance import Indices, Outcome

Floats = NDArray[np.float64]

_USUAL_STEPS = 6
_MOST_STEPS = 60
_SETTLED = 1e-6
"""A step this small leaves an error of its square."""


@dataclass(frozen=True)
class Regression:
    """Coefficients of B regressions, and the baseline hazard at the horizons.

    Attributes
    ----------
    coefficients : shape (B, q); NaN where the likelihood has no maximum within reach
    hazard : shape (B, h), cumulative, for covariates that are 0
    """

    coefficients: Floats
    hazard: Floats


class DrawnRiskSets:
    """Risk sets of B resamples, each in order of time, for Efron's form of the likelihood."""

    def __init__(self, outcome: Outcome, drawn: Indices) -> None:
        """Place the resamples.

        Parameters
        ----------
        outcome : of the n patients
        drawn : shape (B, n), places in the outcome, each row ascending
        """
        self._drawn = drawn
        group = outcome.group[drawn]
        place = np.broadcast_to(np.arange(drawn.shape[1]), drawn.shape)
        opens = np.concatenate([np.full((len(group), 1), True), group[:, 1:] != group[:, :-1]], 1)
        start = np.maximum.accumulate(np.where(opens, place, 0), axis=1)
        closes = np.concatenate([opens[:, 1:], np.full((len(group), 1), True)], 1)
        later = np.where(closes, place + 1, drawn.shape[1])[:, ::-1]
        last = np.minimum.accumulate(later, axis=1)[:, ::-1] - 1
        self._first = _flat(start)
        self._last = _flat(last)
        self.death: NDArray[np.bool_] = outcome.death[drawn]
        self.months: Floats = outcome.months[drawn]
        tied = self._sum_over_group(self.death[..., None].astype(np.float64))[..., 0]
        # Deaths stand first among those of one time, so the place in it counts them.
        self._fraction = np.where(self.death, (place - start) / np.maximum(tied, 1), 0.0)

    def take(self, values: Floats) -> Floats:
        """Replicate values of the patients, shape (B, n, q), as they were drawn."""
        return _pick(values, _flat(self._drawn))

    def sums(self, values: Floats) -> Floats:
        """Return for each row the sum over the risk set that its death is compared with."""
        suffix = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
        own = self._sum_over_group(values * self.death[..., None])
        difference: Floats = _pick(suffix, self._first) - self._fraction[..., None] * own
        return difference

    def _sum_over_group(self, values: Floats) -> Floats:
        total = np.cumsum(values, axis=1)
        before = _pick(total - values, self._first)
        difference: Floats = _pick(total, self._last) - before
        return difference


def _flat(places: Indices) -> Indices:
    """Turn places within each of B rows of n into places among all B n."""
    size, n = places.shape
    flat: Indices = (places + n * np.arange(size)[:, None]).ravel()
    return flat


def _pick(values: Floats, flat: Indices) -> Floats:
    return values.reshape(-1, values.shape[2]).take(flat, axis=0).reshape(values.shape)


def regress(outcome: Outcome, drawn: Indices, covariates: Floats, horizons: Floats) -> Regression:
    """Fit B Cox regressions by Newton steps from (1, 0, ...), as R's ``coxph`` (Efron).

    Parameters
    ----------
    outcome : of the n patients
    drawn : shape (B, n), places in the outcome, each row ascending
    covariates : shape (B, n, q), of the n patients, q at most 2; a covariate that is 0
        throughout has the coefficient 0
    horizons : shape (h,), months
    """
    beta = np.zeros((len(drawn), covariates.shape[2]))
    beta[:, 0] = 1.0
    hazard = np.empty((len(drawn), len(horizons)))
    going = np.arange(len(drawn))
    # Most resamples settle soon; the few others go on by themselves.
    for steps in (_USUAL_STEPS, _MOST_STEPS - _USUAL_STEPS):
        problem = _Problem(DrawnRiskSets(outcome, drawn[going]), covariates[going])
        with np.errstate(all="ignore"):  # a resample without a maximum ends as NaN
            beta[going], length = problem.newton(beta[going], steps)
            hazard[going] = problem.hazard(beta[going], horizons)
        going = going[~(length < _SETTLED)]
        if not len(going):
            break
    beta[going], hazard[going] = np.nan, np.nan
    return Regression(beta, hazard)


class _Problem:
    """Covariates as drawn, with the products whose sums the likelihood is made of."""

    def __init__(self, risk_sets: DrawnRiskSets, covariates: Floats) -> None:
        self._risk_sets = risk_sets
        x = risk_sets.take(covariates)
        size, n, q = x.shape
        products = (x[..., :, None] * x[..., None, :]).reshape(size, n, q * q)
        self._x = x
        self._basis = np.concatenate([np.ones((size, n, 1)), x, products], axis=2)
        self._idle = np.eye(q) * np.all(x == 0, axis=1)[:, None]
        self._observed = (x * risk_sets.death[..., None]).sum(axis=1)

    def newton(self, beta: Floats, steps: int) -> tuple[Floats, Floats]:
        """Return the coefficients and the lengths of the last steps, shape (B,).

        A step after which the likelihood is lower is halved until it is not.
        """
        at, value = beta, np.full(len(beta), -np.inf)
        step = np.zeros_like(beta)
        length = np.full(len(beta), np.inf)
        for _ in range(steps):
            reached, newton_step = self._ascend(at + step)
            worse = ~(reached >= value - 1e-9 * np.abs(value))
            at = np.where(worse[:, None], at, at + step)
            value = np.where(worse, value, reached)
            step = np.where(worse[:, None], step / 2, newton_step)
            length = np.abs(step).max(axis=1)
            if not (length >= _SETTLED).any():
                break
        return at + step, length

    def _ascend(self, beta: Floats) -> tuple[Floats, Floats]:
        """Return the log-likelihood, shape (B,), and the Newton step from here, shape (B, q)."""
        size, q = beta.shape
        death = self._risk_sets.death
        sums, predictor, _ = self._sums(beta)
        value = np.where(death, predictor - np.log(sums[..., 0]), 0.0).sum(axis=1)
        mean = np.where(death[..., None], sums[..., 1:] / sums[..., :1], 0.0)
        first, second = mean[..., :q], mean[..., q:].sum(axis=1).reshape(size, q, q)
        information = second - first.transpose(0, 2, 1) @ first + self._idle
        return value, _solve(information, self._observed - first.sum(axis=1))

    def hazard(self, beta: Floats, horizons: Floats) -> Floats:
        """Return the cumulative hazard at the horizons, shape (B, h), for covariates 0."""
        sums, _, shift = self._sums(beta)
        jumps = np.where(self._risk_sets.death, 1 / sums[..., 0], 0.0) * np.exp(-shift)
        by_then = self._risk_sets.months[..., None] <= horizons
        total: Floats = (jumps[:, None] @ by_then)[:, 0]
        return total

    def _sums(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        predictor = (self._x @ beta[..., None])[..., 0]
        shift = predictor.max(axis=1, keepdims=True)
        predictor -= shift
        return self._risk_sets.sums(self._basis * np.exp(predictor)[..., None]), predictor, shift


def _solve(information: Floats, score: Floats) -> Floats:
    """Solve systems of one or two unknowns; NaN or infinite where singular."""
    if score.shape[1] == 1:
        return score / information[:, 0]
    a, b, d = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
    determinant = a * d - b * b
    u, v = score.T
    return np.stack([d * u - b * v, a * v - b * u], axis=1) / determinant[:, None]
