"""The population of the coverage simulation: covariates, true effects, follow-up.

Distributions, correlations and effects are assumptions, as the study publishes none of
them but ECOG's; they resemble the shipped synthetic cohort. Every patient's own
survival curve is known here, which is what coverage is measured against.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from model.patient import COVARIATES, Transform

Floats = NDArray[np.float64]

NAMES = tuple(COVARIATES)
ECOG_LOG_HAZARD_RATIO = 0.7618
"""Per point: the study's."""

WEAK, MODERATE = 0.15, 0.25
"""Log hazard ratios per SD: hazard ratios of 1.16 and 1.28."""

FIRST_MONTH, MEDIAN_MONTHS, LAST_MONTH = 1.0, 11.0, 109.0
WEIBULL_SHAPE = 0.45
"""Early mortality that flattens: the shape that fits the study's figures (.33 to .5)."""

CENSORING_POWER = 1.8
"""Follow-up is FIRST + (LAST - FIRST) U^power: of 72 patients about 44 are seen to die."""

_SAMPLED_FOR_SCALE = 200_000
_SEED_OF_SCALE = 72


@dataclass(frozen=True)
class _Graded:
    """Grades 0, 1, … with these shares of the population."""

    shares: tuple[float, ...]

    def of(self, normal_scores: Floats) -> Floats:
        return np.searchsorted(ndtri(np.cumsum(self.shares)[:-1]), normal_scores).astype(float)


@dataclass(frozen=True)
class _Truncated:
    """A normal law of the value, or of its logarithm, cut at both ends."""

    centre: float
    spread: float
    low: float
    high: float
    logarithmic: bool = False

    def of(self, normal_scores: Floats) -> Floats:
        centre, low, high = (
            np.log([self.centre, self.low, self.high])
            if self.logarithmic
            else np.array([self.centre, self.low, self.high])
        )
        below, above = ndtr((low - centre) / self.spread), ndtr((high - centre) / self.spread)
        values = centre + self.spread * ndtri(below + (above - below) * ndtr(normal_scores))
        return np.asarray(np.exp(values) if self.logarithmic else values, dtype=np.float64)


@dataclass(frozen=True)
class _Column:
    """One covariate: loadings on the patient's frailty and leukaemic burden, harm, law."""

    frailty: float
    burden: float
    harm: int
    law: _Graded | _Truncated


_COLUMNS = {
    "ecog": _Column(0.85, 0.10, 1, _Graded((0.25, 0.515, 0.195, 0.04))),
    "age_years": _Column(0.50, 0.00, 1, _Truncated(42, 15, 18, 66)),
    "bmi_kg_m2": _Column(-0.45, 0.00, -1, _Truncated(24.5, 0.17, 17.5, 37, True)),
    "disease": _Column(0.30, 0.25, 1, _Graded((0.64, 0.36))),
    "conditioning": _Column(-0.50, 0.00, -1, _Graded((0.58, 0.42))),
    "post_transplant_cyclophosphamide": _Column(-0.40, 0.00, -1, _Graded((0.625, 0.375))),
    "donor_chimerism_percent": _Column(-0.30, -0.60, -1, _Truncated(130, 48, 2, 100)),
    "cd34_dose_10e6_per_kg": _Column(-0.45, 0.00, -1, _Truncated(5.6, 0.38, 2, 12, True)),
    "hemoglobin_g_dl": _Column(-0.50, -0.25, -1, _Truncated(9.7, 1.5, 6.2, 14)),
    "lymphocytes_10e9_l": _Column(-0.45, -0.10, -1, _Truncated(0.9, 0.75, 0.1, 4, True)),
    "ldh_u_l": _Column(0.45, 0.45, 1, _Truncated(260, 0.60, 120, 1500, True)),
    "ferritin_ng_ml": _Column(0.50, 0.25, 1, _Truncated(1400, 0.90, 100, 8000, True)),
}


@dataclass(frozen=True)
class Truth:
    """A law of survival given the covariates.

    Attributes
    ----------
    name : what it is called in the results
    coefficients : shape (p,), log hazard ratios: per point of ECOG, and per population
        SD of each other covariate (on the logarithmic scale where the model takes it)
    is_of_study : one of the three that the default model was chosen by; the others go further
    """

    name: str
    coefficients: Floats
    is_of_study: bool = True

    def predictor(self, numbers: Floats) -> Floats:
        """Return the log hazard ratio to the average patient, shape (n,)."""
        centre, sd = _scale()
        unit = np.where(np.array(NAMES) == "ecog", 1.0, sd)
        return np.asarray((_transform(numbers) - centre) / unit @ self.coefficients)

    def survival(self, numbers: Floats, months: float) -> Floats:
        """Return each patient's own S(t), shape (n,)."""
        return np.asarray(np.exp(-_baseline_hazard(months) * np.exp(self.predictor(numbers))))

    def draw_death(self, rng: np.random.Generator, numbers: Floats) -> Floats:
        """Draw months until death, shape (n,), without censoring."""
        hazard = rng.standard_exponential(len(numbers)) / np.exp(self.predictor(numbers))
        scaled = (hazard / np.log(2)) ** (1 / WEIBULL_SHAPE)
        return np.asarray(FIRST_MONTH + (MEDIAN_MONTHS - FIRST_MONTH) * scaled)


def truths() -> tuple[Truth, ...]:
    """Return the three that the default model was chosen by, two of them also mixed.

    With a common direction every effect is a harm of frailty or leukaemic burden, so
    that they add up to differences between patients far larger than one effect. In
    mixed directions they partly cancel, and are hard to tell apart.
    """
    harm = np.array([_COLUMNS[name].harm for name in NAMES])
    mixed = harm * np.where(np.arange(len(NAMES)) % 2 == 0, 1, -1)
    return (
        Truth("only ECOG", _effects(0 * harm)),
        Truth("weak", _effects(WEAK * harm)),
        Truth("moderate", _effects(MODERATE * harm)),
        Truth("weak, mixed directions", _effects(WEAK * mixed), is_of_study=False),
        Truth("moderate, mixed directions", _effects(MODERATE * mixed), is_of_study=False),
    )


def _effects(others: Floats) -> Floats:
    return np.where(np.array(NAMES) == "ecog", ECOG_LOG_HAZARD_RATIO, others)


def draw_patients(rng: np.random.Generator, n: int) -> Floats:
    """Draw covariates by a Gaussian copula with two factors, shape (n, p), untransformed."""
    columns = [_COLUMNS[name] for name in NAMES]
    loadings = np.array([(column.frailty, column.burden) for column in columns])
    shared = rng.standard_normal((n, 2)) @ loadings.T
    own = rng.standard_normal((n, len(columns))) * np.sqrt(1 - (loadings**2).sum(axis=1))
    return np.column_stack(
        [column.law.of(score) for column, score in zip(columns, (shared + own).T, strict=True)]
    )


def draw_censoring(rng: np.random.Generator, n: int) -> Floats:
    """Draw months until the administrative end of follow-up, shape (n,)."""
    drawn = FIRST_MONTH + (LAST_MONTH - FIRST_MONTH) * rng.random(n) ** CENSORING_POWER
    return np.asarray(drawn)


def _baseline_hazard(months: float) -> float:
    elapsed = (months - FIRST_MONTH) / (MEDIAN_MONTHS - FIRST_MONTH)
    return float(np.log(2) * max(elapsed, 0.0) ** WEIBULL_SHAPE)


def _transform(numbers: Floats) -> Floats:
    logged = [COVARIATES[name].transform is not Transform.IDENTITY for name in NAMES]
    return np.where(logged, np.log(np.where(logged, numbers, 1.0)), numbers)


@cache
def _scale() -> tuple[Floats, Floats]:
    """Return mean and SD of the transformed covariates in the population, shape (p,) each."""
    rng = np.random.default_rng(_SEED_OF_SCALE)
    sample = _transform(draw_patients(rng, _SAMPLED_FOR_SCALE))
    return sample.mean(axis=0), sample.std(axis=0)
