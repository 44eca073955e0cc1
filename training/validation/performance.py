"""How well survival was predicted: discrimination and prediction error under censoring.

A resample is a set of case weights, how often each patient was drawn; every measure
takes such weights and then equals the measure of the replicated rows (copies of a
patient are never compared with one another, as their times are tied). B resamples are
measured at once: in small cohorts nearly all the time would go into calling numpy.

Where deaths tie with censorings, the deaths come first: the censoring survival G
is estimated from those still at risk after the deaths of that time, and a death at t is
weighed by 1/G(t-), as R's ``concordance`` and ``pec`` do. scikit-survival weighs by 1/G(t).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

HARRELL_C = "Harrell's C"
UNO_C = "Uno's C"
AUC = "time-dependent AUC"
BRIER = "Brier score"
IPA = "index of prediction accuracy"
INTEGRATED_BRIER = "integrated Brier score"
OBSERVED_EXPECTED = "observed / expected deaths"

PAIRS_AT_ONCE = 2_000_000

_MOST_TIMES = 200


@dataclass(frozen=True)
class Outcome:
    """Follow-up in order of time, deaths before censorings at the same time.

    Attributes
    ----------
    order : shape (n,), row of the cohort at each place
    months, death : shape (n,), sorted
    times : shape (k,), distinct times
    group : shape (n,), place of each patient's time in `times`
    first : shape (k,), place of the first patient of each time
    """

    order: Indices
    months: Floats
    death: NDArray[np.bool_]
    times: Floats
    group: Indices
    first: Indices

    @classmethod
    def of(cls, months: Floats, death: NDArray[np.bool_]) -> "Outcome":
        """Sort follow-up and death indicators of shape (n,)."""
        order = np.lexsort((~death, months))
        times, first, group = np.unique(months[order], return_index=True, return_inverse=True)
        return cls(order, months[order], death[order], times, group, first)

    @cached_property
    def dead(self) -> Indices:
        """Places of the deaths, ascending."""
        return np.flatnonzero(self.death)

    @cached_property
    def outlived_from(self) -> Indices:
        """For each death, the first place of a patient who is known to live longer."""
        deaths = np.add.reduceat(self.death.astype(np.intp), self.first)
        place: Indices = (self.first + deaths)[self.group[self.dead]]
        return place


class Samples:
    """B samples of the patients of an `Outcome`, each counted as often as it was drawn."""

    def __init__(self, outcome: Outcome, counts: Floats) -> None:
        """Estimate survival and the censoring survival.

        Parameters
        ----------
        outcome : of all n patients
        counts : shape (B, n), in the order of the outcome
        """
        self.outcome = outcome
        self.counts = counts
        self.total: Floats = counts.sum(axis=1, keepdims=True)
        everyone = np.add.reduceat(counts, outcome.first, axis=1)
        deaths = np.add.reduceat(counts * outcome.death, outcome.first, axis=1)
        at_risk = np.cumsum(everyone[:, ::-1], axis=1)[:, ::-1]
        self._survival = product_limit(deaths, at_risk)
        self._uncensored = product_limit(everyone - deaths, at_risk - deaths)

    @classmethod
    def everybody(cls, outcome: Outcome) -> "Samples":
        """Return one sample, each patient once."""
        return cls(outcome, np.ones((1, len(outcome.months))))

    def survival(self, months: Floats) -> Floats:
        """Return the Kaplan-Meier survival just after each of t times, shape (B, t).

        Past the last observed time it is carried on.
        """
        return self._survival[:, np.searchsorted(self.outcome.times, months, side="right")]

    def uncensored(self, months: Floats) -> Floats:
        """Return G, the Kaplan-Meier survival of the time to censoring, likewise."""
        return self._uncensored[:, np.searchsorted(self.outcome.times, months, side="right")]

    @cached_property
    def death_weights(self) -> Floats:
        """Shape (B, n), 1/G(T-) where a patient died, else 0."""
        before = self._uncensored[:, self.outcome.group]
        return np.divide(
            1.0, before, where=self.outcome.death & (before > 0), out=np.zeros_like(before)
        )


def product_limit(events: Floats, at_risk: Floats) -> Floats:
    """Return survival before all of k times and after each, shape (B, k + 1)."""
    hazard = np.divide(events, at_risk, where=at_risk > 0, out=np.zeros_like(events))
    start = np.ones((len(events), 1))
    return np.concatenate([start, np.cumprod(1 - hazard, axis=1)], axis=1)


@dataclass(frozen=True)
class Grid:
    """The times at which predictions are examined.

    Attributes
    ----------
    horizons : shape (h,), months
    limit : to which the Brier score is integrated, and Uno's C counts deaths, months
    steps : shape (g,), distinct follow-up times before the limit; Brier scores are
        constant between them, or nearly so where only each m-th is kept
    """

    horizons: Floats
    limit: float
    steps: Floats

    @classmethod
    def of(cls, outcome: Outcome, horizons: Floats, limit: float) -> "Grid":
        """Take the follow-up times before the limit, at most 200 of them."""
        steps = outcome.times[outcome.times < limit]
        return cls(horizons, limit, steps[:: -(-len(steps) // _MOST_TIMES) or 1])

    @property
    def months(self) -> Floats:
        """All times, shape (h + g,): the horizons, then the steps."""
        return np.concatenate([self.horizons, self.steps])

    @cached_property
    def widths(self) -> Floats:
        """Shape (g,), how long each step lasts, months."""
        return np.diff(np.append(self.steps, self.limit))


@dataclass(frozen=True)
class Predicted:
    """What B models predict for the n patients of an `Outcome`, in its order.

    Attributes
    ----------
    linear_predictor : shape (B, n)
    survival : shape (B, n, h + g), at the times of a `Grid`
    """

    linear_predictor: Floats
    survival: Floats

    def of(self, models: Indices | NDArray[np.bool_]) -> "Predicted":
        """Return what some of the models predict."""
        return Predicted(self.linear_predictor[models], self.survival[models])


def measure_names(grid: Grid) -> list[tuple[str, float | None]]:
    """Name the measures that `measures` returns, each with its horizon in months."""
    horizons = grid.horizons.tolist()
    return [
        (HARRELL_C, None),
        (UNO_C, grid.limit),
        *[(AUC, horizon) for horizon in horizons],
        *[(BRIER, horizon) for horizon in horizons],
        *[(IPA, horizon) for horizon in horizons],
        (INTEGRATED_BRIER, grid.limit),
        *[(OBSERVED_EXPECTED, horizon) for horizon in horizons],
    ]


def measures(samples: Samples, predicted: Predicted, grid: Grid) -> Floats:
    """Evaluate each model in its sample, shape (B, m), in the order of `measure_names`.

    NaN or infinite where undefined: nobody is followed past a horizon, or nobody
    died by it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate(
            [
                _discrimination(samples, predicted.linear_predictor, grid),
                _errors(samples, predicted.survival, grid),
                observed_expected(samples, predicted.survival, grid.horizons),
            ],
            axis=1,
        )


def observed_expected(samples: Samples, survival: Floats, horizons: Floats) -> Floats:
    """Return observed over expected deaths by each horizon, shape (B, h).

    One less Kaplan-Meier survival, over the mean predicted risk of death.
    """
    mean = _weighted_sum(samples.counts, survival[..., : len(horizons)]) / samples.total
    ratio: Floats = (1 - samples.survival(horizons)) / (1 - mean)
    return ratio


def _weighted_sum(weights: Floats, values: Floats) -> Floats:
    """Sum values of shape (B, n, t) over patients, with weights of shape (B, n)."""
    return (weights[:, None] @ values)[:, 0]


def _discrimination(samples: Samples, linear_predictor: Floats, grid: Grid) -> Floats:
    """Return Harrell's C, Uno's C and the AUC at each horizon, shape (B, 2 + h).

    Harrell's C: R's ``concordance``; Uno's: ``concordance(timewt = "n/G2", ymax = limit)``
    (Uno et al. 2011). AUC: cumulative cases, dynamic controls, cases weighed by 1/G(T-)
    (Hung & Chiang 2010, as ``timeROC``). Tied predictions count one half.
    """
    outcome, counts = samples.outcome, samples.counts
    died = outcome.months[outcome.dead]
    later = outcome.months[:, None] > grid.horizons
    controls = counts[..., None] * later
    wins, wins_past = _wins(outcome, linear_predictor, counts, controls)
    suffix = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    pairs = np.append(suffix, np.zeros((len(counts), 1)), axis=1)[:, outcome.outlived_from]
    once = counts[:, outcome.dead]
    by_death = samples.death_weights[:, outcome.dead]
    squared = once * by_death**2 * (died <= grid.limit)
    cases = (once * by_death)[..., None] * (died[:, None] <= grid.horizons)
    harrell = (once * wins).sum(axis=1) / (once * pairs).sum(axis=1)
    uno = (squared * wins).sum(axis=1) / (squared * pairs).sum(axis=1)
    auc = (cases * wins_past).sum(axis=1) / (cases.sum(axis=1) * controls.sum(axis=1))
    return np.column_stack([harrell, uno, auc])


def _wins(
    outcome: Outcome, linear_predictor: Floats, counts: Floats, controls: Floats
) -> tuple[Floats, Floats]:
    """Count for each death those with a lower predictor, ties one half.

    Returns
    -------
    among those who lived longer, shape (B, d), and among the controls of each
    horizon, weights of shape (B, n, h), shape (B, d, h)
    """
    size, n = linear_predictor.shape
    d = len(outcome.dead)
    wins, wins_past = np.empty((size, d)), np.empty((size, d, controls.shape[2]))
    places = np.arange(n)
    step = max(1, PAIRS_AT_ONCE // (size * n))
    for rows in (slice(first, first + step) for first in range(0, d, step)):
        difference = linear_predictor[:, outcome.dead[rows], None] - linear_predictor[:, None]
        beaten = 0.5 * np.sign(difference) + 0.5
        wins_past[:, rows] = beaten @ controls
        beaten *= places >= outcome.outlived_from[rows, None]
        wins[:, rows] = (beaten @ counts[..., None])[..., 0]
    return wins, wins_past


def _errors(samples: Samples, survival: Floats, grid: Grid) -> Floats:
    """Return Brier and IPA at each horizon, and the integrated Brier score, shape (B, 2h + 1).

    Inverse probability of censoring weights (Graf et al. 1999). IPA is one less the
    ratio to the Brier score of the sample's own Kaplan-Meier (Kattan & Gerds 2018).
    The integral, divided by the limit, starts at 0, where the score is 0.
    """
    brier = _brier(samples, survival, grid.months)
    at, steps = np.split(brier, [len(grid.horizons)], axis=1)
    marginal = np.repeat(samples.survival(grid.horizons)[:, None], survival.shape[1], axis=1)
    ipa = 1 - at / _brier(samples, marginal, grid.horizons)
    return np.column_stack([at, ipa, steps @ grid.widths / grid.limit])


def _brier(samples: Samples, survival: Floats, months: Floats) -> Floats:
    """Return the Brier score at each time, shape (B, t); survival has shape (B, n, t)."""
    alive = samples.outcome.months[:, None] > months
    square = (survival - alive) ** 2
    of_alive = _weighted_sum(samples.counts, square * alive) / samples.uncensored(months)
    square *= ~alive
    of_dead = _weighted_sum(samples.counts * samples.death_weights, square)
    score: Floats = (of_dead + of_alive) / samples.total
    return score
