"""The covariance of the covariates, from which unknown values are expected."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

Floats = NDArray[np.float64]

_SMALLEST_EIGENVALUE = 1e-7


def shrunk_covariance(standardised: Sequence[Floats]) -> Floats:
    """Return the Ledoit-Wolf covariance, shape (p, p), positive definite.

    Parameters
    ----------
    standardised : tables of shape (n, p), one for each completed cohort; their
        covariances are averaged
    """
    covariances = [
        LedoitWolf(assume_centered=True).fit(table).covariance_ for table in standardised
    ]
    covariance = np.mean(covariances, axis=0)
    if np.linalg.eigvalsh(covariance)[0] < _SMALLEST_EIGENVALUE:
        covariance = covariance + _SMALLEST_EIGENVALUE * np.eye(len(covariance))
    return np.asarray((covariance + covariance.T) / 2)
