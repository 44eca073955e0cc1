"""Validate a model on another cohort, and recalibrate it to that cohort."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sksurv.metrics import concordance_index_censored

from model.artifact import Artifact
from model.cox import ExpectedCovariates
from model.errors import FitError
from model.kaplan_meier import KaplanMeier, normal_quantile
from model.manifest import Estimated, ObservedExpected, Validation
from model.prediction import DEFAULT_HORIZONS_MONTHS, PrognosticModel
from model.survival import SurvivalCurve
from training.cohort import Cohort
from training.cox import RiskSets, Ties, fit_newton
from training.provenance import provenance

Floats = NDArray[np.float64]

_LEVEL = 0.95
_RESAMPLES = 1000


@dataclass(frozen=True)
class Recalibrated:
    """A model adjusted to another cohort.

    Attributes
    ----------
    slope : what all log hazard ratios were multiplied by
    baseline_scale : what the cumulative baseline hazard was multiplied by
    """

    model: PrognosticModel
    slope: float
    baseline_scale: float


def covariates_unknown(artifact: Artifact, cohort: Cohort) -> tuple[str, ...]:
    """Return the model's covariates that a cohort lacks; each will be unknown there."""
    return tuple(name for name in artifact.manifest.covariates if name not in cohort.names)


def validate_externally(artifact: Artifact, cohort: Cohort) -> Validation:
    """Compare predictions with what happened in a cohort that the model has not seen.

    Harrell's C with a percentile bootstrap interval; the calibration slope, the
    coefficient of the linear predictor in a Cox model of it alone; and deaths observed
    (Kaplan-Meier) over expected (mean predicted) at each default horizon that both
    reach, with the Kaplan-Meier estimate's interval. Unknown values are expected from
    the known ones, as for any patient.

    Raises
    ------
    FitError
        If the cohort has no deaths, or all its predictions are alike.
    """
    predictor, survival = _predict(artifact.model, cohort)
    if np.ptp(predictor) == 0:
        raise FitError("one_prediction", "all patients of the cohort get the same prediction")
    slope = fit_newton(RiskSets(predictor[:, None], cohort.months, cohort.death, Ties.EFRON))
    error = 1 / float(np.sqrt(slope.information[0, 0]))
    return Validation(
        cohort=provenance(cohort),
        concordance=_concordance(cohort, predictor),
        calibration_slope=_around(float(slope.coefficients[0]), error),
        observed_expected=[
            ratio
            for column, months in enumerate(DEFAULT_HORIZONS_MONTHS)
            for ratio in [_observed_expected(artifact.model, cohort, survival[:, column], months)]
            if ratio is not None
        ],
    )


def recalibrate(artifact: Artifact, cohort: Cohort) -> Recalibrated:
    """Multiply the log hazard ratios by one slope and the baseline by one scale.

    The slope is the calibration slope; the scale makes the expected number of deaths
    that observed (van Houwelingen 2000, Statistics in Medicine 19:3401). The variance
    of either is added to the model's own.

    Raises
    ------
    FitError
        If the cohort has no deaths, or its slope is not positive: worse patients then
        did better, which no scaling mends.
    """
    predictor, _ = _predict(artifact.model, cohort)
    fit = fit_newton(RiskSets(predictor[:, None], cohort.months, cohort.death, Ties.EFRON))
    slope = float(fit.coefficients[0])
    if slope <= 0:
        raise FitError("slope_not_positive", "the calibration slope is not above 0")
    cox = artifact.model.cox
    at = np.searchsorted(cox.months, cohort.months, side="right")
    hazard = np.append(0.0, cox.hazard)[at]
    deaths = float(cohort.death.sum())
    scale = deaths / float(hazard @ np.exp(slope * predictor))
    scaled = scale * cox.hazard
    model = replace(
        artifact.model,
        cox=replace(
            cox,
            coefficients=slope * cox.coefficients,
            covariance=slope**2 * cox.covariance
            + np.outer(cox.coefficients, cox.coefficients) / fit.information[0, 0],
            hazard=scaled,
            hazard_variance=scaled**2 * (cox.hazard_variance / cox.hazard**2 + 1 / deaths),
            hazard_mean=scale * cox.hazard_mean,
        ),
    )
    return Recalibrated(model, slope, scale)


def _predict(model: PrognosticModel, cohort: Cohort) -> tuple[Floats, Floats]:
    """Return linear predictors, shape (n,), and survival at the default horizons, (n, 3)."""
    numbers = np.full((len(cohort.months), len(model.cox.design.names)), np.nan)
    for column, name in enumerate(model.cox.design.names):
        if name in cohort.names:
            numbers[:, column] = cohort.numbers[:, cohort.names.index(name)]
    predictors, survival = [], []
    for row in model.cox.design.standardise(numbers):
        expected = ExpectedCovariates.given(model.cox, row)
        curve = SurvivalCurve.of(model.cox, expected, _LEVEL)
        predictors.append(float(expected.mean @ model.cox.coefficients))
        survival.append([curve.at(months).estimate for months in DEFAULT_HORIZONS_MONTHS])
    return np.array(predictors), np.array(survival, dtype=np.float64)


def _concordance(cohort: Cohort, predictor: Floats) -> Estimated:
    def concordance(rows: NDArray[np.intp]) -> float:
        return float(
            concordance_index_censored(cohort.death[rows], cohort.months[rows], predictor[rows])[0]
        )

    everybody = np.arange(len(predictor))
    rng = np.random.default_rng(0)
    drawn = (rng.choice(everybody, len(everybody)) for _ in range(_RESAMPLES))
    values = [concordance(rows) for rows in drawn if cohort.death[rows].any()]
    lower, upper = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimated(estimate=concordance(everybody), lower=float(lower), upper=float(upper))


def _around(estimate: float, error: float) -> Estimated:
    reach = normal_quantile(_LEVEL) * error
    return Estimated(estimate=estimate, lower=estimate - reach, upper=estimate + reach)


def _observed_expected(
    model: PrognosticModel, cohort: Cohort, survival: Floats, months: float
) -> ObservedExpected | None:
    observed = KaplanMeier.estimate(cohort.months, cohort.death).at(months, _LEVEL)
    expected = float(1 - survival.mean())
    if months > model.cox.last_months or observed is None or expected <= 0:
        return None
    if observed.estimate is None or observed.lower is None or observed.upper is None:
        return None
    return ObservedExpected(
        horizon_months=months,
        ratio=Estimated(
            estimate=(1 - observed.estimate) / expected,
            lower=(1 - observed.upper) / expected,
            upper=(1 - observed.lower) / expected,
        ),
    )
