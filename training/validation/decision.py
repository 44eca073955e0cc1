"""Whether acting on a predicted risk does more good than harm: decision curves."""

import numpy as np
from numpy.typing import NDArray

from training.validation.performance import Samples

Floats = NDArray[np.float64]

HORIZON_MONTHS = 12.0

THRESHOLDS: Floats = np.arange(10, 191, 5) / 200

_ODDS = THRESHOLDS / (1 - THRESHOLDS)


def net_benefit(samples: Samples, risk: Floats, horizon_months: float) -> Floats:
    """Return the net benefit at each of `THRESHOLDS`, shape (B, 37).

    The decision: to treat a patient as high risk when the predicted risk of death by
    the horizon exceeds the threshold p. Among N patients of whom the fraction h is
    called high, with Kaplan-Meier survival S in that group,

        NB = h (1 - S) - h S p / (1 - p)

    (Vickers & Elkin 2006; Vickers, Cronin, Elkin & Gönen 2008 for censored data, R's
    ``dcurves``). Where the group's follow-up ends before the horizon, its last S stands.

    Parameters
    ----------
    samples : B samples of n patients
    risk : shape (B, n), predicted probability of death by the horizon, in their order
    horizon_months : within the follow-up
    """
    high = np.where(risk[:, None] > THRESHOLDS[:, None], samples.counts[:, None], 0.0)
    share = high.sum(axis=2) / samples.total
    dead = share * (1 - _survival(samples, high, horizon_months))
    benefit: Floats = dead - (share - dead) * _ODDS
    return benefit


def net_benefit_of_treating_everybody(samples: Samples, horizon_months: float) -> Floats:
    """Return the net benefit if every patient is treated as high risk, shape (B, 37)."""
    survival = samples.survival(np.array([horizon_months]))
    benefit: Floats = 1 - survival - survival * _ODDS
    return benefit


def _survival(samples: Samples, weights: Floats, months: float) -> Floats:
    """Return Kaplan-Meier survival at a time for weights of shape (B, m, n), shape (B, m)."""
    outcome = samples.outcome
    first = outcome.first[outcome.times <= months]
    reached = int((outcome.months <= months).sum())
    at_risk = np.cumsum(weights[..., ::-1], axis=-1)[..., ::-1][..., first]
    deaths = np.add.reduceat((weights * outcome.death)[..., :reached], first, axis=-1)
    hazard = np.divide(deaths, at_risk, where=at_risk > 0, out=np.zeros_like(deaths))
    survival: Floats = np.prod(1 - hazard, axis=-1)
    return survival
