"""Draw follow-up and deaths that have the study's Kaplan-Meier figures."""

import math

import numpy as np
from numpy.typing import NDArray

from model.kaplan_meier import KaplanMeier, normal_quantile
from training.study.figures import CONFIDENCE_LEVEL, PUBLISHED, median_survival

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Early deaths, then flattening: the shape that fits the published median and its interval.
_WEIBULL_SHAPE = 0.45
_CENSORING_POWER = 1.8
# The upper edge of what other centres published.
_TWO_YEAR_SURVIVAL = (0.34, 0.38)
_MEDIAN_ERROR = (
    PUBLISHED.median_survival_limits[1] - PUBLISHED.median_survival_months
) / normal_quantile(CONFIDENCE_LEVEL)


def draw_follow_up(rng: np.random.Generator) -> tuple[Integers, Flags]:
    """Return distinct times, ascending, in tenths of a month, and deaths.

    Death follows a Weibull law of shape 0.45 from the first month on, which fits the
    published figures; of many draws the first that can be fitted to them is taken.
    """
    while True:
        until_death = 1 + (PUBLISHED.median_survival_months - 1) * np.log2(
            1 / (1 - rng.random(PUBLISHED.patients))
        ) ** (1 / _WEIBULL_SHAPE)
        longest = PUBLISHED.follow_up_range_months[1]
        until_censored = 1 + (longest - 1) * rng.random(PUBLISHED.patients) ** _CENSORING_POWER
        observed = np.minimum(until_death, until_censored)
        order = np.argsort(observed)
        death = (until_death <= until_censored)[order]
        if death.sum() == PUBLISHED.deaths and death[0] and not death[-1]:
            tenths = np.rint(observed[order] * 10).astype(np.int64)
            if _fit_follow_up(tenths, death):
                return tenths, death


def _fit_follow_up(tenths: Integers, death: Flags) -> bool:
    """Move a few times, in place, to the published figures; return whether that worked."""
    first, last = PUBLISHED.follow_up_range_months
    middle = len(tenths) // 2
    for row in range(1, len(tenths)):
        tenths[row] = max(tenths[row], tenths[row - 1] + 1)
    tenths[0], tenths[-1] = 10 * first, 10 * last
    tenths[[middle - 1, middle]] = 10 * PUBLISHED.follow_up_median_months + np.array([-1, 1])
    curve = KaplanMeier.estimate(np.arange(len(tenths)), death)
    survival = np.round(curve.survival, 9)
    at_median = int(np.argmax(survival <= 0.5))
    tenths[at_median] = 10 * PUBLISHED.median_survival_months
    error = survival[at_median] * math.sqrt(curve.greenwood[at_median])
    upper_part = int(np.flatnonzero(death & (survival >= 0.55))[-1])
    lower_part = int(np.argmax(survival <= 0.45))
    density = error / _MEDIAN_ERROR
    gap = 10 * (survival[upper_part] - survival[lower_part]) / density
    tenths[lower_part] = tenths[upper_part] + round(float(gap))
    return bool((np.diff(tenths) > 0).all()) and _has_published_survival(tenths / 10, death)


def _has_published_survival(months: Floats, death: Flags) -> bool:
    estimate = median_survival(months, death)
    limits = (round(estimate.lower, 1), round(estimate.upper, 1))
    survival = KaplanMeier.estimate(months, death).survival
    at_two_years = round(float(survival[months <= 24][-1]), 9)
    low, high = _TWO_YEAR_SURVIVAL
    return limits == PUBLISHED.median_survival_limits and low <= at_two_years <= high
