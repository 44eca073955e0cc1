"""What was observed: the Kaplan-Meier estimate of survival and its log-log limits."""

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=256)
def normal_quantile(confidence_level: float) -> float:
    """Return z such that a standard normal lies in [-z, z] with this probability."""
    return NormalDist().inv_cdf(0.5 + confidence_level / 2)


@dataclass(frozen=True)
class Estimate:
    """An estimate with its limits; a limit that the data do not reach is None."""

    estimate: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class KaplanMeier:
    """The product-limit estimate at each distinct observed time.

    Attributes
    ----------
    months : shape (k,), ascending; times of death or censoring
    survival : shape (k,), just after each time
    greenwood : shape (k,), Greenwood's sum of d / (n (n - d)), the variance of
        log S; carried on unchanged once everybody at risk has died, where S = 0
        and no interval is given
    at_risk : shape (k,), patients at risk just before each time
    """

    months: Floats
    survival: Floats
    greenwood: Floats
    at_risk: Floats

    @classmethod
    def estimate(cls, months: ArrayLike, death: ArrayLike) -> "KaplanMeier":
        """Estimate from follow-up and death indicators, both of shape (n,).

        Matches R's ``survfit(Surv(months, death) ~ 1)``.
        """
        follow_up = np.asarray(months, dtype=np.float64)
        times, inverse, counts = np.unique(follow_up, return_inverse=True, return_counts=True)
        deaths = np.bincount(inverse, np.asarray(death, dtype=np.float64), len(times))
        at_risk = (len(follow_up) - np.cumsum(counts) + counts).astype(np.float64)
        survivors = at_risk - deaths
        term = np.divide(deaths, at_risk * survivors, where=survivors > 0, out=np.zeros_like(times))
        survival = np.cumprod(survivors / at_risk, dtype=np.float64)
        return cls(times, survival, np.cumsum(term), at_risk)

    def at(self, months: float, confidence_level: float) -> Estimate | None:
        """Return survival with its log-log limits; None beyond the last observed time.

        Before the first death, and once nobody is left, survival has no interval.
        """
        if months > self.months[-1]:
            return None
        step = int(np.searchsorted(self.months, months, side="right")) - 1
        survival = float(self.survival[step]) if step >= 0 else 1.0
        if survival in (0.0, 1.0):
            return Estimate(survival, None, None)
        lower, upper = self._limits(confidence_level)
        return Estimate(survival, float(lower[step]), float(upper[step]))

    def at_risk_at(self, months: float) -> int:
        """Return how many patients were still followed just before this time."""
        step = int(np.searchsorted(self.months, months, side="left"))
        return int(self.at_risk[step]) if step < len(self.months) else 0

    def median_months(self, confidence_level: float) -> Estimate:
        """Return the median survival time with its log-log limits, in months.

        The first time at which S, or its limit, is at most 1/2, as R's
        ``survfit`` prints it; where S is exactly 1/2 on an interval, its middle.
        """
        lower, upper = self._limits(confidence_level)
        middle = self._first_at_most_half(self.survival)
        flat = np.isclose(self.survival, 0.5, rtol=0, atol=1e-12)
        if middle is not None and flat.any():
            beyond = self.months[self.survival < 0.5 - 1e-12]
            middle = (middle + float(beyond[0])) / 2 if len(beyond) else middle
        return Estimate(middle, self._first_at_most_half(lower), self._first_at_most_half(upper))

    def _first_at_most_half(self, curve: Floats) -> float | None:
        reached = np.flatnonzero(curve <= 0.5 + 1e-12)
        return float(self.months[reached[0]]) if len(reached) else None

    def _limits(self, confidence_level: float) -> tuple[Floats, Floats]:
        """Return log-log limits of shape (k,) each; NaN where S is 0 or 1."""
        z = normal_quantile(confidence_level)
        inside = (self.survival > 0) & (self.survival < 1)
        log_s = np.log(np.where(inside, self.survival, np.nan))
        spread = z * np.sqrt(self.greenwood) / -log_s
        return np.exp(log_s * np.exp(spread)), np.exp(log_s * np.exp(-spread))
