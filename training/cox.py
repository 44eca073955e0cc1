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

_WRITTEN_OUT = 10_000
"""Up to this many patients times deaths, `RiskSets` writes out who is at risk."""


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
    """Follow-up sorted once, latest first, so that every risk set is all rows down to one.

    Efron's l-th of d tied deaths finds l/d of the way gone from all who are at risk to those
    who outlive the time. In a small cohort nearly all the time would go into calling numpy, so
    there the share that each row has in each risk set is written out as a matrix.
    """

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
        n, self.covariates = design.shape
        # Of those whose follow-up is equal, the dying stand last.
        order = np.lexsort((death, -months))
        dying = np.asarray(death, dtype=bool)[order]
        deaths = dying.nonzero()[0]
        if not len(deaths):
            raise FitError("no_deaths", "no death was observed, so no hazard can be estimated")
        self._died = dying.astype(np.float64)
        self._with_one = np.ones((1 + self.covariates, n))
        self._with_one[1:] = design[order].T
        self._design = self._with_one[1:]
        minus_months = -np.asarray(months, dtype=np.float64)[order]
        minus_times = minus_months[deaths]
        self._times = -minus_times
        self._at_risk = np.searchsorted(minus_months, minus_times, side="right")
        self._outlive = deaths[np.searchsorted(minus_times, minus_times)]
        self._gone = (deaths - self._outlive) / (self._at_risk - self._outlive)
        if ties is Ties.BRESLOW:
            self._gone = np.zeros(len(deaths))
        self._shares_risk_sets = bool(self._gone.any())
        self._shares = self._written_out() if n * len(deaths) <= _WRITTEN_OUT else None
        self._variance = self._design.var(axis=1)

    def _written_out(self) -> Floats:
        """Return the share of each row in the risk set of each death, shape (n, deaths)."""
        row = np.arange(len(self._died))[:, None]
        shares = (row < self._at_risk).astype(np.float64)
        if self._shares_risk_sets:
            shares -= self._gone * (shares - (row < self._outlive))
        return shares

    def likelihood(self, coefficients: Floats) -> PartialLikelihood:
        """Evaluate the partial likelihood at coefficients of shape (p,).

        Matches the log-likelihood, score and inverse variance of R's ``coxph``.
        """
        predictor, weight = self._relative_hazard(coefficients)
        total, mean = self._per_death(weight)
        exposed = weight * self._exposure(1 / total)
        scaled = self._design * np.sqrt(exposed)
        return PartialLikelihood(
            float(self._died @ predictor - np.log(total).sum()),
            self._design @ (self._died - exposed),
            scaled @ scaled.T - mean @ mean.T,
        )

    def baseline(self, coefficients: Floats) -> Baseline:
        """Return the baseline hazard with the terms of its variance.

        Matches R's ``basehaz(fit, centered = FALSE)`` for the design as given.
        """
        _, weight = self._relative_hazard(coefficients)
        total, mean = self._per_death(weight)
        times = self._times[::-1]
        step = np.exp(-(coefficients @ self._design).max()) / total[::-1]
        last = np.append(times[1:] != times[:-1], True)
        return Baseline(
            times[last],
            np.cumsum(step)[last],
            np.cumsum(step**2)[last],
            np.cumsum(mean.T[::-1] * step[:, None], axis=0)[last],
        )

    def is_flat(self, hessian: Floats) -> bool:
        """Whether a likelihood is flat in some direction, where its maximum is at infinity.

        Less information than `FLAT` for each death, of covariates with unit variance, is
        none: far out the score vanishes, and Newton's steps with it.

        Parameters
        ----------
        hessian : shape (p, p), information plus penalty
        """
        return is_flat(hessian, self._variance, len(self._times))

    def _relative_hazard(self, coefficients: Floats) -> tuple[Floats, Floats]:
        """Return the linear predictor less its maximum, and its exponential.

        The shift cancels in the likelihood and keeps the exponential finite.
        """
        predictor = coefficients @ self._design
        predictor -= predictor.max()
        return predictor, np.exp(predictor)

    def _per_death(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return the weight sum and mean covariate, (p, deaths), that each is compared with."""
        if self._shares is not None:
            sums = (self._with_one * weight) @ self._shares
        else:
            running = np.zeros((len(self._with_one), len(weight) + 1))
            rows = np.multiply(self._with_one, weight, out=running[:, 1:])
            np.cumsum(rows, axis=1, out=rows)
            sums = running.take(self._at_risk, axis=1)
            if self._shares_risk_sets:
                gone = sums - running.take(self._outlive, axis=1)
                gone *= self._gone
                sums -= gone
        sums[1:] /= sums[0]
        return sums[0], sums[1:]

    def _exposure(self, steps: Floats) -> Floats:
        """Return the hazard that each row was exposed to, of the steps of all deaths."""
        if self._shares is not None:
            return self._shares @ steps
        rows = len(self._died) + 1
        ends = np.bincount(self._at_risk, (1 - self._gone) * steps, rows)
        ends += np.bincount(self._outlive, self._gone * steps, rows)
        return ends[:0:-1].cumsum()[::-1]


def is_flat(hessian: Floats, variance: Floats, deaths: int) -> bool:
    """Whether covariates carry next to no information somewhere; what is no number is none.

    Parameters
    ----------
    hessian : shape (p, p), information plus penalty
    variance : shape (p,), of the covariates; 0 counts as 1
    deaths : how many
    """
    if not np.isfinite(hessian).all():
        return True
    least = FLAT * deaths * np.where(variance > 0, variance, 1.0)
    root, failed = dpotrf(hessian - np.diag(least))
    return bool(failed or not root[-1, -1] > 0)


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
            is_last = np.abs(step).max() < tolerance  # of the whole step: a halved one says nothing
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
            if is_last:
                fit = NewtonFit(beta, at.information, at.value, iteration)
                break
    if risk_sets.is_flat(hessian):
        raise FitError("separation", "the likelihood rises without end")
    if fit is None:
        raise FitError("not_converged", "the partial likelihood has no maximum within reach")
    return fit
