"""The prediction for one patient: category, survival with its interval, and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from model.answer import (
    Band,
    Contribution,
    Curve,
    EcogHazardRatio,
    Horizon,
    Imputed,
    Interval,
    Median,
    Observed,
    ObservedContrast,
    ObservedHorizon,
    PatientPrediction,
    PredictionWarning,
    RestrictedMean,
    Risk,
    Survival,
)
from model.cox import CoxModel, ExpectedCovariates
from model.kaplan_meier import Estimate, KaplanMeier, normal_quantile
from model.patient import COVARIATES, Patient
from model.risk import RiskBand, RiskBands
from model.survival import SurvivalCurve
from model.unknown_patterns import UnknownPatterns

DEFAULT_HORIZONS_MONTHS = (6.0, 12.0, 24.0)
FEW_AT_RISK = 15
FEW_AT_RISK_IN_BAND = 5


@dataclass(frozen=True)
class PrognosticModel:
    """Everything that a prediction is computed from."""

    cox: CoxModel
    risk_bands: RiskBands

    @cached_property
    def unknown_patterns(self) -> UnknownPatterns:
        """What is expected of unknown covariates, kept for the next patients."""
        return UnknownPatterns(self.cox)


def predict(
    model: PrognosticModel,
    patient: Patient,
    *,
    horizons_months: Sequence[float] = DEFAULT_HORIZONS_MONTHS,
    confidence_level: float = 0.95,
    with_curve: bool = True,
) -> PatientPrediction:
    """Predict the survival of one patient.

    Parameters
    ----------
    horizons_months : times at which survival is asked for, > 0
    confidence_level : of all intervals, within (0, 1)
    with_curve : whether the whole curve is wanted

    Returns
    -------
    PatientPrediction
        Probabilities in [0, 1], times in months. A horizon past the model's last
        time is withheld with its reason.
    """
    covariates = model.cox.expect(patient)
    curve = SurvivalCurve.of(model.cox, covariates, confidence_level)
    horizons = [_horizon(model.cox, curve, months) for months in horizons_months]
    risk = _risk(model, patient.ecog, horizons_months, confidence_level)
    return PatientPrediction(
        risk=risk,
        survival=Survival(
            confidence_level=confidence_level,
            last_months=model.cox.last_months,
            horizons=horizons,
            curve=_steps(model.cox, curve) if with_curve else None,
            median_months=_median(model.cox, curve),
            restricted_mean_months=RestrictedMean(
                **vars(curve.restricted_mean_months()),
                limit_months=model.cox.restricted_mean_limit_months,
            ),
        ),
        contributions=_contributions(model.cox, patient, covariates),
        imputed=_imputed(model.cox, covariates, curve),
        warnings=list(_warnings(model, patient, risk, horizons, confidence_level)),
    )


def _horizon(cox: CoxModel, curve: SurvivalCurve, months: float) -> Horizon:
    at_risk = cox.observed.at_risk_at(months)
    if months > cox.last_months:
        return Horizon(
            months=months,
            probability=None,
            lower=None,
            upper=None,
            at_risk=at_risk,
            reason=f"fewer than 5 patients were followed beyond {cox.last_months:g} months",
        )
    at = curve.at(months)
    return Horizon(
        months=months, probability=at.estimate, lower=at.lower, upper=at.upper, at_risk=at_risk
    )


def _steps(cox: CoxModel, curve: SurvivalCurve) -> Curve:
    months = [0.0, *curve.months.tolist()]
    probability = [1.0, *curve.survival.tolist()]
    lower = [None, *curve.lower.tolist()]
    upper = [None, *curve.upper.tolist()]
    if months[-1] < cox.last_months:
        months.append(cox.last_months)
        for values in (probability, lower, upper):
            values.append(values[-1])
    return Curve(months=months, probability=probability, lower=lower, upper=upper)


def _median(cox: CoxModel, curve: SurvivalCurve) -> Median:
    median = curve.median_months()
    reason = None if median.estimate is not None else f"not reached by {cox.last_months:g} months"
    return Median(**vars(median), reason=reason)


def _risk(
    model: PrognosticModel, ecog: int, horizons: Sequence[float], confidence_level: float
) -> Risk:
    band = model.risk_bands.of(ecog)
    return Risk(
        category=band.name,
        ecog=ecog,
        band=Band(lowest_ecog=band.lowest, highest_ecog=band.highest),
        hazard_ratio=ecog_hazard_ratio(model, ecog, confidence_level),
        observed=observed_in(model, band, horizons, confidence_level),
        extrapolated=model.risk_bands.is_extrapolated(ecog),
    )


def ecog_hazard_ratio(
    model: PrognosticModel, ecog: int, confidence_level: float
) -> EcogHazardRatio:
    """Return exp{β (ecog - reference)} with its Wald interval."""
    column = model.cox.design.names.index("ecog")
    difference = ecog - model.risk_bands.ecog_reference
    log_ratio = float(model.cox.coefficients_per_unit[column]) * difference
    variance = float(model.cox.covariance_per_unit[column, column])
    half_width = normal_quantile(confidence_level) * variance**0.5 * abs(difference)
    return EcogHazardRatio(
        estimate=float(np.exp(log_ratio)),
        lower=float(np.exp(log_ratio - half_width)),
        upper=float(np.exp(log_ratio + half_width)),
        reference_ecog=model.risk_bands.ecog_reference,
    )


def observed_in(
    model: PrognosticModel, band: RiskBand, horizons: Sequence[float], confidence_level: float
) -> Observed:
    """Return what was observed in a band, at horizons up to the model's last time."""
    observed = band.observed
    median = observed.median_months(confidence_level) if observed else Estimate(None, None, None)
    return Observed(
        patients=band.patients,
        deaths=band.deaths,
        horizons=[
            _observed_horizon(observed, months, model.cox.last_months, confidence_level)
            for months in horizons
        ],
        median_months=Interval(**vars(median)),
        contrast=ObservedContrast(**vars(band.contrast)) if band.contrast else None,
    )


def _observed_horizon(
    observed: KaplanMeier | None, months: float, last_months: float, confidence_level: float
) -> ObservedHorizon:
    at = observed.at(months, confidence_level) if observed and months <= last_months else None
    at = at or Estimate(None, None, None)
    return ObservedHorizon(
        months=months,
        probability=at.estimate,
        lower=at.lower,
        upper=at.upper,
        at_risk=observed.at_risk_at(months) if observed else 0,
    )


def _contributions(
    cox: CoxModel, patient: Patient, covariates: ExpectedCovariates
) -> list[Contribution]:
    reference = cox.design.standardise(cox.design.reference)
    log_ratios = cox.coefficients * (covariates.mean - reference)
    return [
        Contribution(
            covariate=name,
            value=getattr(patient, name),
            reference=COVARIATES[name].from_number(float(cox.design.reference[column])),
            log_hazard_ratio=float(log_ratios[column]),
            hazard_ratio=float(np.exp(log_ratios[column])),
        )
        for column, name in enumerate(cox.design.names)
    ]


def _imputed(cox: CoxModel, covariates: ExpectedCovariates, curve: SurvivalCurve) -> list[Imputed]:
    if not len(covariates.unknown):
        return []
    last = int(np.searchsorted(curve.months, cox.restricted_mean_limit_months, side="right")) - 1
    total = float(curve.variance[max(last, 0)])
    return [
        Imputed(
            covariate=cox.design.names[column],
            expected=cox.design.unstandardise(column, float(covariates.mean[column])),
            meaning=_meaning(cox.design.names[column]),
            variance_share=max(
                0.0,
                curve.extra_variance - covariates.extra_variance(cox, covariates.without(position)),
            )
            / total,
        )
        for position, column in enumerate(covariates.unknown.tolist())
    ]


def _meaning(name: str) -> str:
    covariate = COVARIATES[name]
    if covariate.choices:
        return f"probability of {covariate.choices[1]}"
    if covariate.is_binary:
        return "probability of true"
    return f"conditional median, {covariate.unit}"


def _warnings(
    model: PrognosticModel,
    patient: Patient,
    risk: Risk,
    horizons: Sequence[Horizon],
    confidence_level: float,
) -> Iterator[PredictionWarning]:
    yield from _warnings_of_range(model.cox, patient)
    if risk.extrapolated:
        yield PredictionWarning(
            code="ecog_extrapolated",
            field="ecog",
            message="the cohort had fewer than 5 patients or 3 deaths of this ECOG grade",
        )
    for horizon, observed in zip(horizons, risk.observed.horizons, strict=True):
        yield from _warnings_of_horizon(model, risk, horizon, observed, confidence_level)


def _warnings_of_range(cox: CoxModel, patient: Patient) -> Iterator[PredictionWarning]:
    numbers = patient.numbers(cox.design.names)
    outside = (numbers < cox.design.minimum) | (numbers > cox.design.maximum)
    for column in np.flatnonzero(outside).tolist():
        name = cox.design.names[column]
        yield PredictionWarning(
            code="outside_training_range",
            field=name,
            message=f"{COVARIATES[name].label} lies outside the training cohort's range of"
            f" {cox.design.minimum[column]:g} to {cox.design.maximum[column]:g}",
        )


def _warnings_of_horizon(
    model: PrognosticModel,
    risk: Risk,
    horizon: Horizon,
    observed: ObservedHorizon,
    confidence_level: float,
) -> Iterator[PredictionWarning]:
    at = f"at {horizon.months:g} months"
    if horizon.probability is None:
        yield PredictionWarning(
            code="horizon_withheld", field="horizon_months", message=f"{at}: {horizon.reason}"
        )
        return
    if horizon.at_risk < FEW_AT_RISK:
        yield PredictionWarning(
            code="few_at_risk",
            field="horizon_months",
            message=f"{at} fewer than {FEW_AT_RISK} patients were still followed",
        )
    if observed.at_risk < FEW_AT_RISK_IN_BAND:
        yield PredictionWarning(
            code="few_at_risk_in_band",
            field="horizon_months",
            message=f"{at} fewer than {FEW_AT_RISK_IN_BAND} patients of category"
            f" {risk.category} were still followed",
        )
    other = _other_band_that_fits(model, risk, horizon, observed, confidence_level)
    if other:
        yield PredictionWarning(
            code="category_and_curve_differ",
            field="ecog",
            message=f"{at} the predicted survival is what was observed in category {other},"
            f" not in {risk.category}: the other covariates outweigh ECOG",
        )


def _other_band_that_fits(
    model: PrognosticModel,
    risk: Risk,
    horizon: Horizon,
    observed: ObservedHorizon,
    confidence_level: float,
) -> str | None:
    """Return another band whose observed interval holds the prediction when the own does not."""
    probability = horizon.probability
    own = Estimate(observed.probability, observed.lower, observed.upper)
    if probability is None or own.lower is None or _holds(own, probability):
        return None
    for band in model.risk_bands.bands:
        if band.name == risk.category or band.observed is None:
            continue
        at = band.observed.at(horizon.months, confidence_level)
        if at and _holds(at, probability):
            return band.name
    return None


def _holds(interval: Estimate, probability: float) -> bool:
    lower, upper = interval.lower, interval.upper
    return lower is not None and upper is not None and lower <= probability <= upper
