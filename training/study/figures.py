"""The published study's figures, and the analysis that a cohort must give them by.

Transfusion and Apheresis Science 2025;64(4): second allogeneic transplantation in
relapsed acute leukaemia, 72 patients. Each published number stands here once.
"""

import math
from dataclasses import Field, dataclass, field, fields
from statistics import median

import numpy as np
from numpy.typing import NDArray

from model.design import Design
from model.errors import FitError
from model.kaplan_meier import KaplanMeier, normal_quantile
from model.patient import COVARIATES
from training.cohort import Cohort
from training.cox import RiskSets, fit_newton
from training.diagnostics.proportional_hazards import proportional_hazards_test

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NAMES = tuple(COVARIATES)
CONFIDENCE_LEVEL = 0.95
# The study's thresholds: a candidate is flagged below the first, kept below the second.
SCREENED_BELOW = 0.10
SIGNIFICANT_BELOW = 0.05


@dataclass(frozen=True)
class StudyFigures:
    """The study's first table, each figure rounded as it was printed."""

    patients: int = field(metadata={"label": "patients"})
    aml: int = field(metadata={"label": "AML"})
    all: int = field(metadata={"label": "ALL"})
    complete_remission: int = field(metadata={"label": "in complete remission before HSCT2"})
    deaths: int = field(metadata={"label": "deaths at last follow-up"})
    follow_up_median_months: int = field(metadata={"label": "follow-up, median, months"})
    follow_up_range_months: tuple[int, int] = field(metadata={"label": "follow-up, range, months"})
    median_survival_months: int = field(metadata={"label": "median overall survival, months"})
    median_survival_limits: tuple[float, float] = field(
        metadata={"label": "its 95 % confidence interval"}
    )
    flagged: frozenset[str] = field(
        metadata={"label": f"flagged by the univariate analysis, p < {SCREENED_BELOW:.2f}"}
    )
    independent: frozenset[str] = field(
        metadata={"label": f"multivariable Cox, all candidates: p < {SIGNIFICANT_BELOW:.2f}"}
    )
    ecog_hazard_ratio: float = field(metadata={"label": "ECOG, per point: hazard ratio"})
    ecog_limits: tuple[float, float] = field(metadata={"label": "its 95 % confidence interval"})
    ecog_p: float = field(metadata={"label": "its p"})
    # Not printed, but implied by a Cox model with one independent predictor.
    eliminated_to: frozenset[str] = field(metadata={"label": "left by backward elimination"})
    proportional_hazards: bool = field(
        metadata={"label": "proportional hazards not rejected (ECOG and global)"}
    )

    def differences(self, other: "StudyFigures") -> tuple[str, ...]:
        """Name the figures that differ, in the table's order."""
        return tuple(f.name for f in fields(self) if self._value(f) != other._value(f))

    def _value(self, figure: "Field[object]") -> object:
        return getattr(self, figure.name)


PUBLISHED = StudyFigures(
    patients=72,
    aml=46,
    all=26,
    complete_remission=34,
    deaths=44,
    follow_up_median_months=8,
    follow_up_range_months=(1, 109),
    median_survival_months=11,
    median_survival_limits=(1.0, 22.9),
    flagged=frozenset(NAMES),
    independent=frozenset({"ecog"}),
    ecog_hazard_ratio=2.142,
    ecog_limits=(1.061, 4.326),
    ecog_p=0.034,
    eliminated_to=frozenset({"ecog"}),
    proportional_hazards=True,
)


@dataclass(frozen=True)
class MedianSurvival:
    """Median survival with the interval that SPSS prints, months."""

    months: float
    standard_error: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Effect:
    """One covariate's coefficient in a Cox model, per unit of the transformed covariate."""

    name: str
    log_hazard_ratio: float
    standard_error: float

    @property
    def p(self) -> float:
        """Return the two-sided p of the Wald test."""
        return math.erfc(abs(self.log_hazard_ratio / self.standard_error) / math.sqrt(2))

    @property
    def hazard_ratio(self) -> float:
        """Return the hazard ratio per unit."""
        return math.exp(self.log_hazard_ratio)

    @property
    def limits(self) -> tuple[float, float]:
        """Return the Wald limits of the hazard ratio."""
        reach = normal_quantile(CONFIDENCE_LEVEL) * self.standard_error
        return math.exp(self.log_hazard_ratio - reach), math.exp(self.log_hazard_ratio + reach)


@dataclass(frozen=True)
class StudyAnalysis:
    """What the study's own route gives on a cohort, unrounded.

    Attributes
    ----------
    median_survival : by Kaplan-Meier
    univariate : one effect per candidate, each from a model of it alone
    multivariable : one effect per candidate, from the model of all of them
    eliminated : the names that backward elimination removed, first to last
    proportional_hazards_p : per candidate, and "global", in the model of all
    figures : the same, rounded as the study printed them
    """

    median_survival: MedianSurvival
    univariate: tuple[Effect, ...]
    multivariable: tuple[Effect, ...]
    eliminated: tuple[str, ...]
    proportional_hazards_p: dict[str, float]
    figures: StudyFigures


def median_survival(months: Floats, death: Flags) -> MedianSurvival:
    """Estimate median survival with its normal limits, as SPSS does.

    SE(t) = SE{S(t)} / f, SE{S(t)} by Greenwood, f = [S(u) - S(l)] / (l - u) with u
    the last death time at which S >= 0.55 and l the first at which S <= 0.45. A lower
    limit below the shortest follow-up is cut there, which is our reading of the study.

    Parameters
    ----------
    months, death : shape (n,)

    Raises
    ------
    FitError
        If survival does not fall to 0.45, or falls below 0.55 at once.
    """
    curve = KaplanMeier.estimate(months, death)
    is_death = np.isin(curve.months, months[death])
    at, survival = curve.months[is_death], np.round(curve.survival[is_death], 12)
    greenwood = curve.greenwood[is_death]
    if not (survival >= 0.55).any() or not (survival <= 0.45).any():
        raise FitError("median_not_reached", "survival must pass from above 0.55 to below 0.45")
    middle = int(np.argmax(survival <= 0.50))
    upper_part = int(np.flatnonzero(survival >= 0.55)[-1])
    lower_part = int(np.argmax(survival <= 0.45))
    density = (survival[upper_part] - survival[lower_part]) / (at[lower_part] - at[upper_part])
    error = float(survival[middle] * math.sqrt(greenwood[middle]) / density)
    reach = normal_quantile(CONFIDENCE_LEVEL) * error
    estimate = float(at[middle])
    return MedianSurvival(
        estimate, error, max(estimate - reach, float(months.min())), estimate + reach
    )


def cox_effects(cohort: Cohort, names: tuple[str, ...]) -> tuple[Effect, ...]:
    """Fit an unpenalised Cox model of the named covariates (Efron ties).

    Raises
    ------
    FitError
        If the likelihood has no maximum.
    """
    numbers = cohort.with_covariates(names).numbers
    design = Design.of_cohort(names, numbers, ecog_reference=0)
    fit = fit_newton(RiskSets(design.standardise(numbers), cohort.months, cohort.death))
    errors = np.sqrt(np.diag(np.linalg.inv(fit.information))) / design.sd
    return tuple(
        Effect(name, float(beta), float(error))
        for name, beta, error in zip(names, fit.coefficients / design.sd, errors, strict=True)
    )


def eliminate_backward(cohort: Cohort) -> tuple[str, ...]:
    """Remove the candidate with the largest Wald p until all are significant.

    Returns the removed names, first to last.
    """
    removed: tuple[str, ...] = ()
    while len(removed) < len(NAMES):
        kept = tuple(name for name in NAMES if name not in removed)
        weakest = max(cox_effects(cohort, kept), key=lambda effect: effect.p)
        if weakest.p < SIGNIFICANT_BELOW:
            break
        removed += (weakest.name,)
    return removed


def analyse(cohort: Cohort) -> StudyAnalysis:
    """Analyse a cohort, with all candidates and remission known, along the study's route.

    A univariate screen, the Cox model of all twelve candidates, backward elimination
    from it, and the score test of proportional hazards (``cox.zph``, transform "km").

    Raises
    ------
    FitError
        If a candidate is missing or unknown in some rows, if one of the models has no
        maximum, or if median survival is not reached.
    """
    if cohort.names != NAMES or np.isnan(cohort.numbers).any():
        raise FitError("incomplete", "the study's route needs all twelve covariates in every row")
    univariate = tuple(cox_effects(cohort, (name,))[0] for name in NAMES)
    multivariable = cox_effects(cohort, NAMES)
    hazards_p = _proportional_hazards(cohort, multivariable)
    middle = median_survival(cohort.months, cohort.death)
    eliminated = eliminate_backward(cohort)
    figures = _printed(cohort, middle, univariate, multivariable, eliminated, hazards_p)
    return StudyAnalysis(middle, univariate, multivariable, eliminated, hazards_p, figures)


def _proportional_hazards(cohort: Cohort, effects: tuple[Effect, ...]) -> dict[str, float]:
    """Return p of the score test per covariate, and under "global" of all together."""
    design = Design.of_cohort(NAMES, cohort.numbers, ecog_reference=0)
    coefficients = np.array([effect.log_hazard_ratio for effect in effects]) * design.sd
    tested = proportional_hazards_test(
        design.standardise(cohort.numbers), cohort.months, cohort.death, coefficients
    )
    return {**dict(zip(NAMES, tested.p.tolist(), strict=True)), "global": tested.global_p}


def _printed(
    cohort: Cohort,
    middle: MedianSurvival,
    univariate: tuple[Effect, ...],
    multivariable: tuple[Effect, ...],
    eliminated: tuple[str, ...],
    hazards_p: dict[str, float],
) -> StudyFigures:
    ecog = multivariable[NAMES.index("ecog")]
    months = cohort.months
    disease = cohort.numbers[:, NAMES.index("disease")]
    remission = cohort.complete_remission
    return StudyFigures(
        patients=len(months),
        aml=int((disease == 0).sum()),
        all=int((disease == 1).sum()),
        complete_remission=0 if remission is None else int((remission == 1).sum()),
        deaths=int(cohort.death.sum()),
        follow_up_median_months=round(median(months.tolist())),
        follow_up_range_months=(round(float(months.min())), round(float(months.max()))),
        median_survival_months=round(middle.months),
        median_survival_limits=(round(middle.lower, 1), round(middle.upper, 1)),
        flagged=_below(SCREENED_BELOW, univariate),
        independent=_below(SIGNIFICANT_BELOW, multivariable),
        ecog_hazard_ratio=round(ecog.hazard_ratio, 3),
        ecog_limits=(round(ecog.limits[0], 3), round(ecog.limits[1], 3)),
        ecog_p=round(ecog.p, 3),
        eliminated_to=frozenset(NAMES).difference(eliminated),
        proportional_hazards=min(hazards_p["ecog"], hazards_p["global"]) > SIGNIFICANT_BELOW,
    )


def _below(threshold: float, effects: tuple[Effect, ...]) -> frozenset[str]:
    return frozenset(effect.name for effect in effects if effect.p < threshold)
