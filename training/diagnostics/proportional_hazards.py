"""The score test of proportional hazards (Grambsch & Therneau), as R's ``cox.zph``."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc
from scipy.stats import rankdata

from model.kaplan_meier import KaplanMeier
from training.cox import Ties

Floats = NDArray[np.float64]


class TimeScale(StrEnum):
    """The function g(t) whose product with each covariate is tested."""

    KM = "km"
    RANK = "rank"
    IDENTITY = "identity"
    LOG = "log"


@dataclass(frozen=True)
class ProportionalHazards:
    """Tests that no coefficient changes with g(t).

    Attributes
    ----------
    chi_square, p : shape (p,), one degree of freedom each
    global_chi_square, global_p : all coefficients together, p degrees of freedom
    """

    chi_square: Floats
    p: Floats
    global_chi_square: float
    global_p: float


def proportional_hazards_test(
    design: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    coefficients: Floats,
    *,
    ties: Ties = Ties.EFRON,
    time_scale: TimeScale = TimeScale.KM,
) -> ProportionalHazards:
    """Test proportional hazards of a fitted, unpenalised Cox model.

    The score test for adding x·g(t) to the model at its maximum: with V_k the
    covariance of the covariates in the risk set of death k, u = Σ g_k (x_k - x̄_k) and
    the information of (β, θ) is Σ V_k, Σ g_k V_k, Σ g_k² V_k. Matches R's ``cox.zph``
    of survival >= 3.0 (Therneau & Grambsch 2000, section 6.2, gives the older
    approximation, in which all V_k are taken as equal).

    Parameters
    ----------
    design : shape (n, p)
    months, death : shape (n,)
    coefficients : shape (p,), at the maximum of the partial likelihood
    ties : how the model was fitted
    time_scale : g(t)
    """
    centred = design - design.mean(axis=0)
    scaled = _on_scale(time_scale, months, death)
    scaled = scaled - scaled[death].mean()
    score, information = _augmented_score(centred, months, death, coefficients, scaled, ties)
    p = len(coefficients)
    chi_square = np.array(
        [_chi_square(score, information, np.append(np.arange(p), p + term)) for term in range(p)]
    )
    overall = _chi_square(score, information, np.arange(2 * p))
    return ProportionalHazards(
        chi_square, chdtrc(1, chi_square), overall, float(chdtrc(p, overall))
    )


def _on_scale(time_scale: TimeScale, months: Floats, death: NDArray[np.bool_]) -> Floats:
    """Return g at each patient's time, shape (n,)."""
    if time_scale is TimeScale.LOG:
        return np.log(months)
    if time_scale is TimeScale.RANK:
        return np.asarray(rankdata(months), dtype=np.float64)
    if time_scale is TimeScale.KM:
        curve = KaplanMeier.estimate(months, death)
        before = np.append(1.0, curve.survival)
        return np.asarray(1 - before[np.searchsorted(curve.months, months, side="left")])
    return months


def _augmented_score(
    design: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    coefficients: Floats,
    scaled: Floats,
    ties: Ties,
) -> tuple[Floats, Floats]:
    """Return score (2p,) and information (2p, 2p) of β and of β's change with g."""
    p = len(coefficients)
    predictor = design @ coefficients
    weight = np.exp(predictor - predictor.max())
    score, information = np.zeros(2 * p), np.zeros((2 * p, 2 * p))
    at_risk = _Moments(p)
    _, counts = np.unique(months, return_counts=True)
    at_one_time = np.split(np.argsort(months, kind="stable"), np.cumsum(counts)[:-1])
    for here in reversed(at_one_time):
        at_risk.add(design[here], weight[here])
        dead = here[death[here]]
        if not len(dead):
            continue
        g = float(scaled[dead[0]])
        mean, covariance = at_risk.of_deaths(design[dead], weight[dead], ties)
        by_scale = np.array([1.0, g])
        score += np.kron(by_scale, design[dead].sum(axis=0) - mean)
        information += np.kron(np.outer(by_scale, by_scale), covariance)
    # At the maximum the score of β is zero; what the fit left there is noise.
    score[:p] = 0.0
    return score, information


class _Moments:
    """Weighted sums of 1, x and xx' over a risk set that only grows."""

    def __init__(self, p: int) -> None:
        self.total = 0.0
        self.first = np.zeros(p)
        self.second = np.zeros((p, p))

    def add(self, design: Floats, weight: Floats) -> None:
        self.total += float(weight.sum())
        self.first += weight @ design
        self.second += design.T @ (design * weight[:, None])

    def of_deaths(self, design: Floats, weight: Floats, ties: Ties) -> tuple[Floats, Floats]:
        """Return mean (p,) and covariance (p, p) summed over the deaths at one time."""
        own = _Moments(len(self.first))
        own.add(design, weight)
        mean, covariance = np.zeros_like(self.first), np.zeros_like(self.second)
        for step in range(len(weight)):
            fraction = step / len(weight) if ties is Ties.EFRON else 0.0
            total = self.total - fraction * own.total
            centre = (self.first - fraction * own.first) / total
            mean += centre
            covariance += (self.second - fraction * own.second) / total - np.outer(centre, centre)
        return mean, covariance


def _chi_square(score: Floats, information: Floats, rows: NDArray[np.intp]) -> float:
    part = score[rows]
    return float(part @ np.linalg.solve(information[np.ix_(rows, rows)], part))
