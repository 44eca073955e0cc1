"""What each covariate of one patient adds to the hazard, was expected to be, or is beyond."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.answer import PredictionWarning
from model.cox import CoxModel, ExpectedCovariates
from model.patient import COVARIATES, Patient

Floats = NDArray[np.float64]
Plain = dict[str, Any]
"""Plain values in the form of a class of `model.answer`."""


def contributions(cox: CoxModel, patient: Patient, covariates: ExpectedCovariates) -> list[Plain]:
    """Return a `Contribution` for each covariate."""
    log_ratios = cox.coefficients * (covariates.mean - cox.reference)
    design = cox.design
    return [
        {
            "covariate": name,
            "value": getattr(patient, name),
            "reference": reference,
            "log_hazard_ratio": log_ratio,
            "hazard_ratio": ratio,
        }
        for name, reference, log_ratio, ratio in zip(
            design.names,
            design.reference_values,
            log_ratios.tolist(),
            np.exp(log_ratios).tolist(),
            strict=True,
        )
    ]


def imputed(cox: CoxModel, covariates: ExpectedCovariates, variance: float) -> list[Plain]:
    """Return an `Imputed` for each unknown covariate; `variance` is all that log Λ has."""
    if not len(covariates.unknown):
        return []
    shares = covariates.variance_of_each(cox) / variance
    return [
        {
            "covariate": cox.design.names[column],
            "expected": cox.design.unstandardise(column, float(covariates.mean[column])),
            "meaning": _meaning(cox.design.names[column]),
            "variance_share": share,
        }
        for column, share in zip(covariates.unknown.tolist(), shares.tolist(), strict=True)
    ]


def _meaning(name: str) -> str:
    covariate = COVARIATES[name]
    if covariate.choices:
        return f"probability of {covariate.choices[1]}"
    if covariate.is_binary:
        return "probability of true"
    return f"conditional median, {covariate.unit}"


def outside_range(cox: CoxModel, numbers: Floats) -> Iterator[PredictionWarning]:
    """Warn of each of a patient's numbers that the training values do not reach."""
    outside = (numbers < cox.design.minimum) | (numbers > cox.design.maximum)
    if not outside.any():
        return
    for column in np.flatnonzero(outside).tolist():
        name = cox.design.names[column]
        yield PredictionWarning(
            code="outside_training_range",
            field=name,
            message=f"{COVARIATES[name].label} lies outside the training cohort's range of"
            f" {cox.design.minimum[column]:g} to {cox.design.maximum[column]:g}",
        )
