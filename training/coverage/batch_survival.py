"""Predictions for many patients of whom the same covariates are known, without a loop.

The arithmetic is that of `model.cox.ExpectedCovariates` and
`model.survival.SurvivalCurve`, which say why it is so; a test holds the two together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel
from model.kaplan_meier import normal_quantile
from model.patient import COVARIATES

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(48)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class ExpectedBatch:
    """The covariates of n patients, the same m of them unknown for all.

    Attributes
    ----------
    mean : shape (n, p), x̂, standardised
    unknown : shape (p,), which covariates are unknown
    covariance : shape (n, m, m), C of each patient
    """

    mean: Floats
    unknown: NDArray[np.bool_]
    covariance: Floats


def expect_batch(
    model: CoxModel, standardised: Floats, unknown: NDArray[np.bool_]
) -> ExpectedBatch:
    """Take `unknown` covariates, shape (p,), of patients, shape (n, p), as not known."""
    sigma, mean = model.covariate_covariance, standardised.copy()
    known = ~unknown
    weights = np.linalg.solve(sigma[np.ix_(known, known)], sigma[np.ix_(known, unknown)])
    mean[:, unknown] = standardised[:, known] @ weights
    covariance = sigma[np.ix_(unknown, unknown)] - sigma[np.ix_(unknown, known)] @ weights
    scale = np.ones((len(mean), len(covariance)))
    for row, column in enumerate(np.flatnonzero(unknown)):
        if COVARIATES[model.design.names[column]].is_binary:
            centre, sd = model.design.mean[column], model.design.sd[column]
            p = np.clip(centre + sd * mean[:, column], 0.0, 1.0)
            mean[:, column] = (p - centre) / sd
            scale[:, row] = np.sqrt(p * (1 - p) / covariance[row, row]) / sd
    return ExpectedBatch(mean, unknown, covariance * scale[:, :, None] * scale[:, None, :])


@dataclass(frozen=True)
class SurvivalBatch:
    """S of n patients at h horizons; NaN where the model withholds a number.

    Attributes
    ----------
    survival : shape (n, h), averaged over the unknown covariates
    log_hazard : shape (n, h), log Λ at the expected covariates
    spread : shape (n, h), [VH + q'Vq] / Λ0², the variance from estimation
    extra : shape (n,), b'Cb + tr(V C), what not knowing adds
    """

    survival: Floats
    log_hazard: Floats
    spread: Floats
    extra: Floats

    def limits(self, confidence_level: float) -> tuple[Floats, Floats]:
        """Return the lower and the upper log-log limit, shape (n, h) each."""
        reach = normal_quantile(confidence_level) * np.sqrt(self.spread + self.extra[:, None])
        return _survival(self.log_hazard + reach), _survival(self.log_hazard - reach)


def predict_batch(
    model: CoxModel, patients: ExpectedBatch, horizons: tuple[float, ...]
) -> SurvivalBatch:
    """Predict survival at each horizon, in months."""
    step = np.searchsorted(model.months, horizons, side="right") - 1
    withheld = (step < 0) | (np.array(horizons) > model.last_months)
    hazard = np.where(withheld, np.nan, model.hazard[step])
    predictor = patients.mean @ model.coefficients
    log_hazard = np.log(hazard) + predictor[:, None]
    q = patients.mean[:, None, :] - model.hazard_mean[step] / hazard[:, None]
    spread = model.hazard_variance[step] / hazard**2 + _quadratic(q, model.covariance)
    b = model.coefficients[patients.unknown]
    v = model.covariance[np.ix_(patients.unknown, patients.unknown)]
    of_values = np.einsum("i,nij,j->n", b, patients.covariance, b)
    nodes = np.sqrt(of_values)[:, None, None] * _NODES
    return SurvivalBatch(
        survival=_survival(log_hazard[:, :, None] + nodes) @ _WEIGHTS,
        log_hazard=log_hazard,
        spread=spread,
        extra=of_values + np.einsum("ij,nij->n", v, patients.covariance),
    )


def _quadratic(q: Floats, matrix: Floats) -> Floats:
    return np.asarray(np.sum((q @ matrix) * q, axis=-1))


def _survival(log_hazard: Floats) -> Floats:
    return np.asarray(np.exp(-np.exp(np.minimum(log_hazard, _LARGEST_EXPONENT))))
