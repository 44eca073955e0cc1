"""Cox regressions of many resamples at once.

In small cohorts nearly all the time of a regression would go into calling numpy. Here the
resamples of a batch share each call.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.cox import Ties, is_flat
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
    is_flat : shape (B,), whether the likelihood was flat in some direction where it settled
    """

    coefficients: Floats
    hazard: Floats
    is_flat: NDArray[np.bool_]


class DrawnRiskSets:
    """Risk sets of B resamples, each in order of time."""

    def __init__(self, outcome: Outcome, drawn: Indices, ties: Ties = Ties.EFRON) -> None:
        """Place the resamples.

        Parameters
        ----------
        outcome : of the n patients
        drawn : shape (B, n), places in the outcome, each row ascending
        ties : Efron's or Breslow's form
        """
        size, n = drawn.shape
        self._drawn = _flat(drawn, n)
        self.months: Floats = outcome.months[drawn]
        self.death: Floats = outcome.death[drawn].astype(np.float64)
        group = outcome.group[drawn]
        opens = np.full((size, n + 1), True)
        opens[:, 1:-1] = group[:, 1:] != group[:, :-1]
        place = np.arange(n)
        first = np.maximum.accumulate(np.where(opens[:, :-1], place, 0), axis=1)
        later = np.where(opens[:, 1:], place + 1, n)
        end = np.minimum.accumulate(later[:, ::-1], axis=1)[:, ::-1]
        deaths = np.concatenate([np.zeros((size, 1)), self.death.cumsum(axis=1)], axis=1)
        tied = np.take_along_axis(deaths, end, 1) - np.take_along_axis(deaths, first, 1)
        # Deaths stand first among those of one time, so the place in it counts them.
        self._fraction: Floats = self.death * (place - first) / np.maximum(tied, 1)
        if ties is Ties.BRESLOW:
            self._fraction = np.zeros_like(self._fraction)
        self._first = _flat(first, n + 1)
        self._end = _flat(end, n + 1)
        self._outlived = _flat(first + tied.astype(np.intp), n + 1)

    def take(self, values: Floats) -> Floats:
        """Replicate values of the patients, shape (B, n, q), as they were drawn."""
        return values.reshape(-1, values.shape[2]).take(self._drawn, axis=0)

    def sums(self, values: Floats) -> Floats:
        """Return for each row the sum over the risk set that its death is compared with.

        The l-th of d tied deaths finds l/d of the way gone from all who are at risk to those
        who outlive the time (Efron 1977).
        """
        size, n, q = values.shape
        from_here = np.zeros((size, n + 1, q))
        np.cumsum(values[:, ::-1], axis=1, out=from_here[:, -2::-1])
        from_here = from_here.reshape(-1, q)
        fraction = self._fraction[..., None]
        sums: Floats = from_here.take(self._first, axis=0) * (1 - fraction)
        sums += from_here.take(self._outlived, axis=0) * fraction
        return sums

    def exposure(self, steps: Floats) -> Floats:
        """Return the hazard that each row was exposed to, of the steps of all deaths, (B, n)."""
        until_end = _running(steps).take(self._end)
        reduced = _running(self._fraction * steps)
        exposure: Floats = until_end - self.death * (
            reduced.take(self._end) - reduced.take(self._first)
        )
        return exposure


def _flat(places: Indices, length: int) -> Indices:
    """Turn places within each of B rows of a length into places among all."""
    flat: Indices = places + length * np.arange(len(places))[:, None]
    return flat


def _running(values: Floats) -> Floats:
    """Return the sums of shape (B, n + 1) of values of shape (B, n), from 0 to all of them."""
    running = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    return running


def regress(
    outcome: Outcome,
    drawn: Indices,
    covariates: Floats,
    horizons: Floats,
    *,
    start: Floats,
    penalty: Floats | None = None,
    ties: Ties = Ties.EFRON,
) -> Regression:
    """Fit B Cox regressions by Newton steps, as R's ``coxph``.

    Parameters
    ----------
    outcome : of the n patients
    drawn : shape (B, n), places in the outcome, each row ascending
    covariates : shape (B, n, q), of the n patients; a covariate that is 0 throughout a
        resample has the coefficient 0 there
    horizons : shape (h,), months
    start : shape (q,), where to begin
    penalty : shape (B, q), α of ½ Σ αⱼ βⱼ²; default none
    ties : Efron's or Breslow's form
    """
    size, _, q = covariates.shape
    alpha = np.zeros((size, q)) if penalty is None else penalty
    beta = np.tile(start, (size, 1))
    hazard, flat = np.empty((size, len(horizons))), np.empty(size, dtype=bool)
    going = np.arange(size)
    # Most resamples settle soon; the few others go on by themselves.
    for steps in (_USUAL_STEPS, _MOST_STEPS - _USUAL_STEPS):
        risk_sets = DrawnRiskSets(outcome, drawn[going], ties)
        problem = _Problem(risk_sets, covariates[going], alpha[going])
        with np.errstate(all="ignore"):  # a resample without a maximum ends as NaN
            beta[going], length = problem.newton(beta[going], steps)
            hazard[going], flat[going] = problem.hazard(beta[going], horizons), problem.is_flat()
        going = going[~(length < _SETTLED)]
        if not len(going):
            break
    beta[going], hazard[going] = np.nan, np.nan
    return Regression(beta, hazard, flat)


class _Problem:
    """Covariates as drawn, and what was last found of the likelihood."""

    def __init__(self, risk_sets: DrawnRiskSets, covariates: Floats, penalty: Floats) -> None:
        self._risk_sets = risk_sets
        self._x = risk_sets.take(covariates)
        self._with_one = np.concatenate([np.ones((*self._x.shape[:2], 1)), self._x], axis=2)
        idle = np.all(self._x == 0, axis=1)
        self._penalty = penalty
        self._diagonal = np.eye(penalty.shape[1]) * (penalty + idle)[:, None]
        self._hessian = self._diagonal

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
        """Return the penalised log-likelihood, (B,), and the Newton step from here, (B, q)."""
        death, pull = self._risk_sets.death, self._penalty * beta
        predictor, weight, _ = self._relative_hazard(beta)
        sums = self._risk_sets.sums(self._with_one * weight[..., None])
        step = death / sums[..., 0]
        mean = sums[..., 1:] * step[..., None]
        exposed = weight * self._risk_sets.exposure(step)
        score = ((death - exposed)[:, None] @ self._x)[:, 0] - pull
        second = self._x.swapaxes(1, 2) @ (self._x * exposed[..., None])
        self._hessian = second - mean.swapaxes(1, 2) @ mean + self._diagonal
        value = (death * (predictor - np.log(sums[..., 0]))).sum(axis=1)
        return value - 0.5 * (pull * beta).sum(axis=1), _solve(self._hessian, score)

    def hazard(self, beta: Floats, horizons: Floats) -> Floats:
        """Return the cumulative hazard at the horizons, shape (B, h), for covariates 0."""
        _, weight, shift = self._relative_hazard(beta)
        total = self._risk_sets.sums(weight[..., None])[..., 0]
        hazard = _running(self._risk_sets.death / total * np.exp(-shift))
        reached = (self._risk_sets.months[..., None] <= horizons).sum(axis=1)
        return np.take_along_axis(hazard, reached, axis=1)

    def is_flat(self) -> NDArray[np.bool_]:
        """Whether a likelihood is flat in some direction, as `training.cox.RiskSets` says it."""
        variance = self._x.var(axis=1)
        deaths = self._risk_sets.death.sum(axis=1)
        return np.array([*map(is_flat, self._hessian, variance, deaths)])

    def _relative_hazard(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the predictor less its maximum, its exponential, and the maximum (B, 1)."""
        predictor = (self._x @ beta[..., None])[..., 0]
        shift = predictor.max(axis=1, keepdims=True)
        predictor -= shift
        return predictor, np.exp(predictor), shift


def _solve(matrices: Floats, values: Floats) -> Floats:
    """Solve B systems of equations; NaN where one is singular."""
    try:
        return np.asarray(np.linalg.solve(matrices, values[..., None])[..., 0])
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(values, np.nan)
        halves = zip(np.array_split(matrices, 2), np.array_split(values, 2), strict=True)
        return np.concatenate([_solve(*half) for half in halves])
