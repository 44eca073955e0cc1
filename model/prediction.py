"""The prediction for one patient: category, survival with its interval, and why."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from math import exp, isfinite

import orjson

from model.answer import (
    Band,
    EcogHazardRatio,
    Interval,
    Observed,
    ObservedContrast,
    ObservedHorizon,
    PatientPrediction,
    PredictionWarning,
    Risk,
)
from model.covariate_effects import Plain, contributions, imputed, outside_range
from model.cox import CoxModel
from model.errors import NotFiniteError
from model.horizon_terms import HorizonTerms
from model.kaplan_meier import Estimate, KaplanMeier, normal_quantile
from model.patient import Patient
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

    @cached_property
    def category(self) -> "Callable[[int, tuple[float, ...], float], Category]":
        """What is said of an ECOG grade at some horizons and a confidence level, kept."""
        return lru_cache(maxsize=256)(partial(_category, self))

    @cached_property
    def horizon_terms(self) -> "Callable[[tuple[float, ...], float | None], HorizonTerms]":
        """What no patient enters of survival at some horizons and a confidence level, kept."""
        return lru_cache(maxsize=64)(partial(HorizonTerms.of, self.cox))

    def __getstate__(self) -> dict[str, object]:
        """Leave behind what is kept: another process makes its own."""
        return {"cox": self.cox, "risk_bands": self.risk_bands}


@dataclass(frozen=True)
class Category:
    """What an answer says of the risk category, whoever the patient is.

    Attributes
    ----------
    risk : the category and what was observed in it
    risk_json : the same as JSON
    at_risk : patients of the cohort still followed at each horizon
    warnings : of each horizon
    own : survival observed in the category at each horizon
    others : the same in the other categories, by name
    """

    risk: Risk
    risk_json: bytes
    at_risk: tuple[int, ...]
    warnings: tuple[tuple[PredictionWarning, ...], ...]
    own: tuple[Estimate, ...]
    others: tuple[tuple[str, tuple[Estimate, ...]], ...]


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
    computed = compute(
        model,
        patient,
        horizons_months=tuple(map(float, horizons_months)),
        confidence_level=confidence_level,
        with_curve=with_curve,
    )
    return computed.validated()


def compute(
    model: PrognosticModel,
    patient: Patient,
    *,
    horizons_months: tuple[float, ...],
    confidence_level: float,
    with_curve: bool,
) -> "Computed":
    """Compute what `predict` returns and leave it as plain values.

    Raises
    ------
    NotFiniteError
        If a number is none: JSON would say null, which means something else.
    """
    category = model.category(patient.ecog, horizons_months, confidence_level)
    rest = _of_patient(model.cox, patient, category, horizons_months, confidence_level, with_curve)
    return Computed(category, rest)


@dataclass(frozen=True)
class Computed:
    """A prediction as plain values: to make it JSON takes a third of what its objects take.

    Attributes
    ----------
    category : the risk
    rest : the other fields of a `PatientPrediction`
    """

    category: Category
    rest: Plain

    @property
    def warnings(self) -> list[PredictionWarning]:
        """The warnings of the prediction."""
        warnings: list[PredictionWarning] = self.rest["warnings"]
        return warnings

    @property
    def imputed(self) -> list[str]:
        """The unknown covariates."""
        return [one["covariate"] for one in self.rest["imputed"]]

    def validated(self) -> PatientPrediction:
        """Return the prediction as objects."""
        return PatientPrediction.model_validate({"risk": self.category.risk, **self.rest})

    @property
    def plain(self) -> Plain:
        """The fields of a `PatientPrediction` for `orjson`, whose `default` is to be `vars`."""
        return {"risk": orjson.Fragment(self.category.risk_json), **self.rest}


def _of_patient(
    cox: CoxModel,
    patient: Patient,
    category: Category,
    horizons_months: tuple[float, ...],
    confidence_level: float,
    with_curve: bool,
) -> Plain:
    """Return all of a `PatientPrediction` but the risk, as plain values."""
    numbers = patient.numbers(cox.design.names)
    covariates = cox.expect_of(numbers)
    curve = SurvivalCurve.of(cox, covariates, confidence_level)
    steps = _steps(cox, curve)
    mean = vars(curve.restricted_mean_months())
    contributed = contributions(cox, patient, covariates)
    expected = imputed(cox, covariates, curve.variance_at_limit)
    _require_finite(steps, mean, contributed, expected)
    horizons = [
        _horizon(cox.last_months, steps, months, at_risk)
        for months, at_risk in zip(horizons_months, category.at_risk, strict=True)
    ]
    median = curve.median_months()
    not_reached = None if median.estimate is not None else _not_reached(cox)
    return {
        "survival": {
            "confidence_level": confidence_level,
            "last_months": cox.last_months,
            "horizons": horizons,
            "curve": steps if with_curve else None,
            "median_months": {**vars(median), "reason": not_reached},
            "restricted_mean_months": {
                **mean,
                "limit_months": cox.restricted_mean_limit_months,
            },
        },
        "contributions": contributed,
        "imputed": expected,
        "warnings": [
            *outside_range(cox, numbers),
            *_warnings(category, horizons),
        ],
    }


def _require_finite(
    steps: Plain, mean: Plain, contributed: Sequence[Plain], expected: Sequence[Plain]
) -> None:
    total = (
        sum(steps["probability"])
        + sum(steps["lower"][1:])
        + sum(steps["upper"][1:])
        + sum(mean.values())
        + sum([one["log_hazard_ratio"] + one["hazard_ratio"] for one in contributed])
        + sum([one["expected"] + one["variance_share"] for one in expected])
    )
    if not isfinite(total):
        raise NotFiniteError("a number of the prediction is not finite")


def _horizon(last_months: float, steps: Plain, months: float, at_risk: int) -> Plain:
    beyond = months > last_months
    step = bisect_right(steps["months"], months) - 1
    return {
        "months": months,
        "probability": None if beyond else steps["probability"][step],
        "lower": None if beyond else steps["lower"][step],
        "upper": None if beyond else steps["upper"][step],
        "at_risk": at_risk,
        "reason": _beyond(last_months) if beyond else None,
    }


def _steps(cox: CoxModel, curve: SurvivalCurve) -> Plain:
    """Return the curve as parallel lists, from time 0 to the model's last."""
    probability, lower, upper = (
        [at_0, *values.tolist()]
        for at_0, values in ((1.0, curve.survival), (None, curve.lower), (None, curve.upper))
    )
    months = cox.step_months
    if len(months) > len(probability):
        for values in (probability, lower, upper):
            values.append(values[-1])
    return {"months": months, "probability": probability, "lower": lower, "upper": upper}


def _not_reached(cox: CoxModel) -> str:
    return f"not reached by {cox.last_months:g} months"


def _category(
    model: PrognosticModel, ecog: int, horizons: tuple[float, ...], confidence_level: float
) -> Category:
    risk = _risk(model, ecog, horizons, confidence_level)
    at_risk = tuple(map(model.cox.observed.at_risk_at, horizons))
    last = model.cox.last_months

    def observed(band: RiskBand) -> tuple[Estimate, ...]:
        at = [_observed_at(band.observed, months, last, confidence_level) for months in horizons]
        return tuple(at)

    return Category(
        risk=risk,
        risk_json=risk.model_dump_json().encode(),
        at_risk=at_risk,
        warnings=tuple(
            tuple(_warnings_of_horizon(last, risk, of_cohort, of_band))
            for of_cohort, of_band in zip(at_risk, risk.observed.horizons, strict=True)
        ),
        own=observed(model.risk_bands.of(ecog)),
        others=tuple(
            (band.name, observed(band))
            for band in model.risk_bands.bands
            if band.name != risk.category
        ),
    )


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
        estimate=exp(log_ratio),
        lower=exp(log_ratio - half_width),
        upper=exp(log_ratio + half_width),
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
    at = _observed_at(observed, months, last_months, confidence_level)
    return ObservedHorizon(
        months=months,
        probability=at.estimate,
        lower=at.lower,
        upper=at.upper,
        at_risk=observed.at_risk_at(months) if observed else 0,
    )


def _observed_at(
    observed: KaplanMeier | None, months: float, last_months: float, confidence_level: float
) -> Estimate:
    at = observed.at(months, confidence_level) if observed and months <= last_months else None
    return at or Estimate(None, None, None)


def _warnings_of_horizon(
    last_months: float, risk: Risk, at_risk: int, observed: ObservedHorizon
) -> Iterator[PredictionWarning]:
    at = f"at {observed.months:g} months"
    if observed.months > last_months:
        yield PredictionWarning(
            code="horizon_withheld",
            field="horizon_months",
            message=f"{at}: {_beyond(last_months)}",
        )
        return
    if at_risk < FEW_AT_RISK:
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


def _warnings(category: Category, horizons: Sequence[Plain]) -> Iterator[PredictionWarning]:
    if category.risk.extrapolated:
        yield PredictionWarning(
            code="ecog_extrapolated",
            field="ecog",
            message="the cohort had fewer than 5 patients or 3 deaths of this ECOG grade",
        )
    for place, horizon in enumerate(horizons):
        yield from category.warnings[place]
        other = _other_that_fits(category, place, horizon["probability"])
        if other:
            yield PredictionWarning(
                code="category_and_curve_differ",
                field="ecog",
                message=f"at {horizon['months']:g} months the predicted survival is what was"
                f" observed in category {other}, not in {category.risk.category}: the other"
                " covariates outweigh ECOG",
            )


def _other_that_fits(category: Category, place: int, probability: float | None) -> str | None:
    """Return another band whose observed interval holds the prediction when the own does not."""
    own = category.own[place]
    if probability is None or own.lower is None or _holds(own, probability):
        return None
    fitting = (name for name, at in category.others if _holds(at[place], probability))
    return next(fitting, None)


def _holds(interval: Estimate, probability: float) -> bool:
    lower, upper = interval.lower, interval.upper
    return lower is not None and upper is not None and lower <= probability <= upper


def _beyond(last_months: float) -> str:
    return f"fewer than 5 patients were followed beyond {last_months:g} months"
