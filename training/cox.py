"""The Cox partial likelihood: value, score, information, baseline, and a fast fit.

scikit-survival estimates coefficients; what it lacks stands here: the information
matrix, the baseline by Efron's method and the terms of a patient's standard error.
The Newton fit gives the same coefficients and serves where thousands of fits are
needed (choice of the penalty, resampling).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgesv, dpotrf

from model.errors import FitError

Floats = NDArray[np.float64]

FLAT = 1e-7


class Ties(StrEnum):
    """How deaths at one time share their risk set."""

    EFRON = "efron"
    BRESLOW = "breslow"


@dataclass(frozen=True)
class PartialLikelihood:
    """The partial log-likelihood at one coefficient vector, and its derivatives.

    Attributes
    ----------
    value : the log-likelihood, without the penalty
    score : shape (p,), first derivative
    information : shape (p, p), minus the second derivative
    """

    value: float
    score: Floats
    information: Floats


@dataclass(frozen=True)
class Baseline:
    """Sums over the deaths up to each death time, for a patient whose covariates are 0.

    With s the sum of relative hazards over a risk set and m its mean covariate,
    a death adds 1/s to the hazard, 1/s² to its variance and m/s to the mean term
    (Kalbfleisch & Prentice 2002, section 4.3; Efron's weights as in R's ``survfit``).

    Attributes
    ----------
    months : shape (k,), distinct death times
    hazard : shape (k,), cumulative baseline hazard
    variance : shape (k,), its variance for fixed coefficients
    mean : shape (k, p), integral of the mean covariate against the hazard
    """

    months: Floats
    hazard: Floats
    variance: Floats
    mean: Floats


@dataclass(frozen=True)
class NewtonFit:
    """Coefficients that maximise the penalised partial likelihood.

    Attributes
    ----------
    coefficients : shape (p,)
    information : shape (p, p), of the unpenalised likelihood at the coefficients
    log_likelihood : the unpenalised value there
    iterations : Newton steps taken
    """

    coefficients: Floats
    information: Floats
    log_likelihood: float
    iterations: int


class RiskSets:
    """Follow-up sorted once, so that every sum over a risk set is a cumulative sum."""

    def __init__(
        self,
        design: Floats,
        months: Floats,
        death: NDArray[np.bool_],
        ties: Ties = Ties.EFRON,
    ) -> None:
        """Sort the data.

        Parameters
        ----------
        design : shape (n, p), covariates, best centred and scaled
        months : shape (n,), follow-up
        death : shape (n,), whether follow-up ended by death
        ties : Efron's or Breslow's form

        Raises
        ------
        FitError
            If nobody died.
        """
        order = np.argsort(months, kind="stable")
        self.covariates = design.shape[1]
        self._with_one = np.concatenate([np.ones((len(order), 1)), design[order]], axis=1)
        self.design = np.ascontiguousarray(self._with_one[:, 1:])
        self.death = np.asarray(death, dtype=bool)[order]
        self._deaths = np.flatnonzero(self.death)
        if not len(self._deaths):
            raise FitError("no_deaths", "no death was observed, so no hazard can be estimated")
        sorted_months = np.asarray(months, dtype=np.float64)[order]
        at = sorted_months[self._deaths]
        opens = np.concatenate([[True], at[1:] != at[:-1]])
        self._starts = np.flatnonzero(opens)
        self.times = at[self._starts]
        self._group_of_death = np.cumsum(opens) - 1
        group = self._group_of_death
        start = np.searchsorted(sorted_months, self.times, side="left")
        # Where the risk set of each death ends among the rows in reverse.
        self._end = (len(order) - 1 - start)[group]
        # Row i is in the risk set of every group up to this one (-1: of none).
        self._last_group = np.searchsorted(self.times, sorted_months, side="right") - 1
        self._has_ties = len(self._starts) < len(at)
        deaths = np.bincount(group)
        self._fraction = (np.arange(len(at)) - self._starts[group]) / deaths[group]
        if ties is Ties.BRESLOW:
            self._fraction = np.zeros_like(self._fraction)
        self._shares_risk_sets = self._has_ties and ties is Ties.EFRON
        variance = self.design.var(axis=0)
        variance[variance == 0] = 1.0
        self._least = FLAT * len(self._deaths) * variance
        self._deaths_total = self.design[self._deaths].sum(axis=0)

    def likelihood(self, coefficients: Floats) -> PartialLikelihood:
        """Evaluate the partial likelihood at coefficients of shape (p,).

        Matches the log-likelihood, score and inverse variance of R's ``coxph``.
        """
        predictor, weight = self._relative_hazard(coefficients)
        hazard_sum, mean = self._per_death(weight)
        exposure = self._exposure(hazard_sum)
        value = float(predictor.take(self._deaths).sum() - np.log(hazard_sum).sum())
        weighted = self.design * (weight * exposure)[:, None]
        return PartialLikelihood(
            value,
            self._deaths_total - mean.sum(axis=0),
            self.design.T @ weighted - mean.T @ mean,
        )

    def baseline(self, coefficients: Floats) -> Baseline:
        """Return the baseline hazard with the terms of its variance.

        Matches R's ``basehaz(fit, centered = FALSE)`` for the design as given.
        """
        _, weight = self._relative_hazard(coefficients)
        hazard_sum, mean = self._per_death(weight)
        step = np.exp(-(self.design @ coefficients).max()) / hazard_sum
        last = np.append(self._group_of_death[1:] != self._group_of_death[:-1], True)
        return Baseline(
            self.times,
            np.cumsum(step)[last],
            np.cumsum(step**2)[last],
            np.cumsum(mean * step[:, None], axis=0)[last],
        )

    def is_flat(self, hessian: Floats) -> bool:
        """Whether a likelihood is flat in some direction, where its maximum is at infinity.

        Less information than `FLAT` for each death, of covariates with unit variance, is
        none: far out the score vanishes, and Newton's steps with it.

        Parameters
        ----------
        hessian : shape (p, p), information plus penalty
        """
        root, failed = dpotrf(hessian - np.diag(self._least))
        return bool(failed or not root[-1, -1] > 0)  # NaN ends there, and fails no factoring

    def _relative_hazard(self, coefficients: Floats) -> tuple[Floats, Floats]:
        """Return the linear predictor less its maximum, and its exponential.

        The shift cancels in the likelihood and keeps the exponential finite.
        """
        predictor = self.design @ coefficients
        predictor -= predictor.max()
        return predictor, np.exp(predictor)

    def _per_death(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return the weight sum and mean covariate that each death is compared with."""
        weighted = self._with_one * weight[:, None]
        sums = weighted[::-1].cumsum(axis=0).take(self._end, axis=0)
        if self._shares_risk_sets:
            own = np.add.reduceat(weighted[self._deaths], self._starts, axis=0)
            own[:, 0] = np.bincount(self._group_of_death, weight[self._deaths])
            sums -= self._fraction[:, None] * own[self._group_of_death]
        total = sums[:, 0].copy()
        return total, sums[:, 1:] / total[:, None]

    def _exposure(self, hazard_sum: Floats) -> Floats:
        """Return for each row the hazard it was exposed to, per unit of its weight."""
        group, step = self._group_of_death, 1 / hazard_sum
        cumulative = np.zeros(len(self.times) + 1)
        (np.bincount(group, step) if self._has_ties else step).cumsum(out=cumulative[:-1])
        exposure = cumulative.take(self._last_group)
        if self._shares_risk_sets:
            reduction = np.bincount(group, self._fraction / hazard_sum)
            exposure[self._deaths] -= reduction[group]
        return exposure


def is_flat(hessian: Floats, spread: Floats, deaths: int | Floats) -> NDArray[np.bool_]:
    """Whether covariates carry next to no information somewhere.

    Parameters
    ----------
    hessian : shape (..., p, p), information plus penalty
    spread : shape (..., p), standard deviations of the covariates
    deaths : shape (...), how many
    """
    scaled = hessian / (spread[..., :, None] * spread[..., None, :])
    return np.asarray(~(np.linalg.eigvalsh(scaled)[..., 0] > FLAT * deaths))


class Likelihood(Protocol):
    """Data of which a partial likelihood can be evaluated."""

    covariates: int

    def likelihood(self, coefficients: Floats) -> PartialLikelihood:
        """Evaluate the partial likelihood at coefficients of shape (p,)."""

    def is_flat(self, hessian: Floats) -> bool:
        """Whether a likelihood is flat in some direction, where its maximum is at infinity."""


def newton_step(risk_sets: Likelihood, coefficients: Floats, penalty: Floats) -> Floats:
    """Return the coefficients after one Newton step on the penalised likelihood.

    The penalty is ½ Σ αⱼ βⱼ² on the scale of the total log-likelihood, as in
    scikit-survival's ``alpha`` and R's ``ridge(theta = α, scale = FALSE)``.
    """
    at = risk_sets.likelihood(coefficients)
    hessian = at.information + np.diag(penalty)
    return coefficients + np.linalg.solve(hessian, at.score - penalty * coefficients)


def fit_newton(
    risk_sets: Likelihood,
    penalty: Floats | None = None,
    *,
    start: Floats | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 50,
) -> NewtonFit:
    """Maximise the penalised partial likelihood by Newton steps, halved when they overshoot.

    Parameters
    ----------
    risk_sets : the data
    penalty : shape (p,), α per coefficient; default none
    start : shape (p,), where to begin; default zero
    tolerance : largest last step, which leaves an error of about its square

    Raises
    ------
    FitError
        ``separation`` if the likelihood is flat where the steps end, ``not_converged`` if
        they end elsewhere than at a maximum,
        ``singular`` if a covariate is determined by the others.
    """
    p = risk_sets.covariates
    alpha = np.zeros(p) if penalty is None else penalty
    ridge = np.diag(alpha)
    beta = np.zeros(p) if start is None else start.copy()
    fit = None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # far out: halved
        at, pull = risk_sets.likelihood(beta), alpha * beta
        objective = at.value - 0.5 * (pull @ beta)
        hessian = at.information + ridge
        for iteration in range(1, max_iterations + 1):
            *_, step, is_singular = dgesv(hessian, at.score - pull)
            if is_singular:
                raise FitError("singular", "the covariates determine one another")
            for _ in range(30):
                reached = beta + step
                at, pull = risk_sets.likelihood(reached), alpha * reached
                risen = at.value - 0.5 * (pull @ reached)
                if risen >= objective - 1e-9 * abs(objective):
                    break
                step = step / 2
            else:
                break
            beta, objective, hessian = reached, risen, at.information + ridge
            if np.abs(step).max() < tolerance:
                fit = NewtonFit(beta, at.information, at.value, iteration)
                break
    if risk_sets.is_flat(hessian):
        raise FitError("separation", "the likelihood rises without end")
    if fit is None:
        raise FitError("not_converged", "the partial likelihood has no maximum within reach")
    return fit
