"""Anneal an assignment of covariates to follow-up until the study's models print right.

Moves exchange two patients' follow-up, exchange one value between two patients, or
nudge a laboratory value by its last printed digit; every column keeps its distribution.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.design import Design
from model.kaplan_meier import normal_quantile
from training.study.figures import (
    CONFIDENCE_LEVEL,
    NAMES,
    PUBLISHED,
    SCREENED_BELOW,
    SIGNIFICANT_BELOW,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

STEPS = 40_000
STEPS_A_REPORT = 200
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.3, 0.002
ECOG = NAMES.index("ecog")
# One unit of loss is this much of ECOG's log hazard ratio or of its standard error.
ECOG_UNIT = 0.05
# The margins keep p-values clear of their thresholds, where a fit's tolerance decides.
SCREENED_Z = normal_quantile(1 - SCREENED_BELOW) + 0.05
NOT_SIGNIFICANT_Z = normal_quantile(1 - SIGNIFICANT_BELOW) - 0.15
_LOG_LIMITS = np.log(PUBLISHED.ecog_limits)
ECOG_TARGET = np.array(
    [
        _LOG_LIMITS.mean(),
        (_LOG_LIMITS[1] - _LOG_LIMITS[0]) / (2 * normal_quantile(CONFIDENCE_LEVEL)),
    ]
)
# Correlations may leave the intended ones by about the sampling error of 72 patients.
CORRELATION_TOLERANCE = 0.12
CORRELATION_WEIGHT = 2.0
LOSS_DECIMALS = 6
# Three decimals print the same within 0.0005; the rest is left to a fit's tolerance.
PRINTED_WITHIN = 0.0004


@dataclass(frozen=True)
class Column:
    """What annealing may do with a covariate's column.

    Attributes
    ----------
    direction : 1 if a higher value must go with a higher hazard univariately, else -1
    decimals : that its values are printed with
    nudged_to : greatest value, in units of the last digit; None: never nudged
    """

    direction: int
    decimals: int
    nudged_to: int | None


@dataclass(frozen=True)
class _Fits:
    """Univariate coefficients and z; coefficients and covariance of the model of all."""

    univariate: Floats
    univariate_z: Floats
    multivariable: Floats
    covariance: Floats


@dataclass(frozen=True)
class _State:
    """An assignment; row 0 has the longest follow-up, so rows 0 to i are i's risk set."""

    printed: Integers
    fits: _Fits
    loss: float


class Annealing:
    """Patients in the order of their follow-up, and the moves made on them."""

    def __init__(
        self,
        rng: np.random.Generator,
        columns: Sequence[Column],
        correlation: Floats,
        patients: Integers,
        death: Flags,
    ) -> None:
        """Start from an assignment.

        Parameters
        ----------
        rng : draws the moves
        columns : one for each covariate, in their order
        correlation : shape (m, m), intended, of the transformed columns
        patients : shape (n, m), by ascending follow-up, in units of each value's last
            digit; the first 12 columns are the covariates, others travel with the patient
        death : shape (n,), of the same rows, whose times are distinct
        """
        self._rng = rng
        self._nudged = [(i, c.nudged_to) for i, c in enumerate(columns) if c.nudged_to is not None]
        self._direction = np.array([column.direction for column in columns])
        self._deaths = np.flatnonzero(death[::-1])
        printed = patients[::-1].copy()
        self._every_column = list(range(len(NAMES)))
        self._units_of_one = 10 ** np.array([column.decimals for column in columns])
        self._scale = Design.of_cohort(NAMES, self._numbers(printed), ecog_reference=0)
        companions = printed[:, len(NAMES) :]
        self._companion_mean = companions.mean(axis=0)
        self._companion_sd = companions.std(axis=0, ddof=1)
        self._correlation = correlation
        zeros = np.zeros(len(NAMES))
        unfitted = _Fits(zeros, zeros, zeros, np.zeros((len(NAMES), len(NAMES))))
        start = _State(printed, unfitted, math.inf)
        self._state = self._changed(start, printed, self._every_column)

    @property
    def patients(self) -> Integers:
        """Return the patients as assigned now, in the order of ascending follow-up."""
        return self._state.printed[::-1].copy()

    @property
    def prints_right(self) -> bool:
        """Return whether both analyses print as published, by the margins of this module."""
        beta, error = self._ecog(self._state.fits)
        reach = normal_quantile(CONFIDENCE_LEVEL) * error
        fitted = np.exp(beta + reach * np.array([0, -1, 1]))
        published = np.array([PUBLISHED.ecog_hazard_ratio, *PUBLISHED.ecog_limits])
        near = (np.abs(fitted - published) < PRINTED_WITHIN).all()
        return bool(near) and round(self._shortfall(self._state.fits), LOSS_DECIMALS) == 0

    def run(self) -> Iterator[float]:
        """Make moves; yield the share done, now and then and whenever it prints right."""
        cooling = (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (1 / STEPS)
        temperature = FIRST_TEMPERATURE
        for step in range(STEPS):
            temperature *= cooling
            moved = self._try_move(temperature)
            if step % STEPS_A_REPORT == 0 or (moved and self.prints_right):
                yield step / STEPS

    def _try_move(self, temperature: float) -> bool:
        """Make a random move, and keep it by the Metropolis rule on the rounded loss."""
        proposal = self._changed(self._state, *self._move())
        rise = round(proposal.loss - self._state.loss, LOSS_DECIMALS)
        accepted = rise <= 0 or self._rng.random() < math.exp(-rise / temperature)
        if accepted:
            self._state = proposal
        return accepted

    def _move(self) -> tuple[Integers, list[int]]:
        """Return the patients after a random move, and the columns that it changed."""
        printed = self._state.printed.copy()
        kind = self._rng.random()
        one, other = self._rng.choice(len(printed), 2, replace=False)
        if kind < 0.3:
            printed[[one, other]] = printed[[other, one]]
            return printed, self._every_column
        if kind < 0.65:
            column = int(self._rng.integers(len(NAMES)))
            printed[[one, other], column] = printed[[other, one], column]
            return printed, [column]
        column, highest = self._nudged[int(self._rng.integers(len(self._nudged)))]
        lowest = printed[:, column].min()
        nudged = printed[one, column] + (1 if self._rng.random() < 0.5 else -1)
        # The lowest value stays: c of log(x + c) hangs on it.
        if printed[one, column] > lowest and lowest < nudged <= highest:
            printed[one, column] = nudged
        return printed, [column]

    def _changed(self, state: _State, printed: Integers, columns: list[int]) -> _State:
        design = self._scale.standardise(self._numbers(printed))
        fits = self._refitted(state.fits, design, columns)
        loss = math.inf if fits is None else self._loss(fits, design, printed)
        return _State(printed, fits or state.fits, loss)

    def _numbers(self, printed: Integers) -> Floats:
        return np.asarray(printed[:, : len(NAMES)] / self._units_of_one)

    def _refitted(self, fits: _Fits, design: Floats, columns: list[int]) -> _Fits | None:
        """Fit what changed, starting from the last coefficients; None if a fit diverges."""
        alone = _fit_each_alone(design[:, columns], self._deaths, fits.univariate[columns])
        together = _fit_together(design, self._deaths, fits.multivariable)
        if alone is None or together is None:
            return None
        univariate, univariate_z = fits.univariate.copy(), fits.univariate_z.copy()
        univariate[columns], univariate_z[columns] = alone
        return _Fits(univariate, univariate_z, *together)

    def _loss(self, fits: _Fits, design: Floats, printed: Integers) -> float:
        distance = np.abs(self._ecog(fits) - ECOG_TARGET).sum() / ECOG_UNIT
        companions = (printed[:, len(NAMES) :] - self._companion_mean) / self._companion_sd
        columns = np.column_stack([design, companions])
        departure = np.abs(columns.T @ columns / (len(columns) - 1) - self._correlation)
        excess = np.maximum(0.0, departure - CORRELATION_TOLERANCE).sum()
        return float(distance + CORRELATION_WEIGHT * excess) + self._shortfall(fits)

    def _ecog(self, fits: _Fits) -> Floats:
        """Return ECOG's log hazard ratio per point and its standard error, shape (2,)."""
        error = math.sqrt(fits.covariance[ECOG, ECOG])
        return np.array([fits.multivariable[ECOG], error]) / float(self._scale.sd[ECOG])

    def _shortfall(self, fits: _Fits) -> float:
        """Return by how much z values miss: of each alone, of the others beside ECOG."""
        alone = np.maximum(0.0, SCREENED_Z - self._direction * fits.univariate_z)
        z = np.delete(fits.multivariable / np.sqrt(fits.covariance.diagonal()), ECOG)
        together = np.maximum(0.0, np.abs(z) - NOT_SIGNIFICANT_Z)
        removed = _weakest_z(fits.multivariable, fits.covariance)
        elimination = np.maximum(0.0, removed - NOT_SIGNIFICANT_Z)
        return float(alone.sum() + together.sum() + elimination.sum())


def _weakest_z(coefficients: Floats, covariance: Floats) -> Floats:
    """Return the |z| of each covariate that backward elimination to ECOG removes.

    Removing one is approximated by conditioning on its coefficient being zero, exact
    where the log-likelihood is quadratic; the cohort found is checked by real refits.
    """
    beta, remaining = coefficients.copy(), covariance.copy()
    removed = []
    kept = [column for column in range(len(NAMES)) if column != ECOG]
    while kept:
        z = np.abs(beta[kept]) / np.sqrt(remaining.diagonal()[kept])
        weakest = kept.pop(int(z.argmin()))
        removed.append(float(z.min()))
        gain = remaining[:, weakest] / remaining[weakest, weakest]
        beta -= gain * beta[weakest]
        remaining -= np.outer(gain, remaining[weakest])
    return np.array(removed)


# The general fit of training.cox costs several times as much as these, which need
# distinct times and rows already in order; annealing makes 80,000 of them.
_ITERATIONS = 12
_SETTLED = 1e-5


def _fit_each_alone(
    design: Floats, deaths: Integers, start: Floats
) -> tuple[Floats, Floats] | None:
    """Fit one Cox model per column; return coefficients and z, each of shape (p,)."""
    beta = start.copy()
    squared = design**2
    observed = design[deaths].sum(axis=0)
    for _ in range(_ITERATIONS):
        weight = np.exp(np.minimum(design * beta, 30))
        total = weight.cumsum(axis=0)[deaths]
        mean = (weight * design).cumsum(axis=0)[deaths] / total
        information = ((weight * squared).cumsum(axis=0)[deaths] / total - mean**2).sum(axis=0)
        step = (observed - mean.sum(axis=0)) / information
        beta += step
        if np.abs(step).max() < _SETTLED:
            return beta, beta * np.sqrt(information)
    return None


def _fit_together(design: Floats, deaths: Integers, start: Floats) -> tuple[Floats, Floats] | None:
    """Fit one Cox model of all columns; return coefficients (p,) and covariance (p, p)."""
    beta = start.copy()
    observed = design[deaths].sum(axis=0)
    exposure = np.zeros(len(design))
    for _ in range(_ITERATIONS):
        weight = np.exp(np.minimum(design @ beta, 30))
        weighted = design * weight[:, None]
        total = weight.cumsum()[deaths]
        mean = weighted.cumsum(axis=0)[deaths] / total[:, None]
        exposure[deaths] = 1 / total
        hazard = exposure[::-1].cumsum()[::-1]
        information = weighted.T @ (design * hazard[:, None]) - mean.T @ mean
        try:
            inverse = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            return None
        step = inverse @ (observed - mean.sum(axis=0))
        beta += step
        if np.abs(step).max() < _SETTLED:
            return beta, inverse
    return None
