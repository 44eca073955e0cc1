"""Where models are judged side by side: one cohort, and all that is measured on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.cox import FEWEST_AT_RISK, LONGEST_RESTRICTED_MEAN_MONTHS
from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from training.cohort import Cohort
from training.validation import decision
from training.validation.calibration import calibrate, curve_grid
from training.validation.performance import (
    PAIRS_AT_ONCE,
    Grid,
    Indices,
    Outcome,
    Predicted,
    Samples,
    measure_names,
    measures,
    observed_expected,
)
from training.validation.procedure import Predictor
from training.validation.refit import predict

Floats = NDArray[np.float64]

HORIZONS_MONTHS = (6.0, 12.0, 24.0)
CALIBRATION_SLOPE = "calibration slope"


@dataclass(frozen=True)
class Bench:
    """Where models are compared: the cohort, what is measured, and the model itself."""

    cohort: Cohort
    outcome: Outcome
    grid: Grid
    predicted: Predicted

    @classmethod
    def of(cls, cohort: Cohort, model: Predictor) -> "Bench":
        """Place a model beside its cohort, which is in the order of `Outcome`."""
        outcome = Outcome.of(cohort.months, cohort.death)
        observed = KaplanMeier.estimate(cohort.months, cohort.death)
        reached = observed.months[observed.at_risk >= FEWEST_AT_RISK]
        if not len(reached):
            raise FitError(
                "too_few_patients", f"a validation needs at least {FEWEST_AT_RISK} patients"
            )
        last = float(reached[-1])
        horizons = np.array([months for months in HORIZONS_MONTHS if months <= last])
        grid = Grid.of(outcome, horizons, min(LONGEST_RESTRICTED_MEAN_MONTHS, last))
        return cls(cohort, outcome, grid, predict(model, cohort, grid.months))

    @property
    def size(self) -> int:
        """How many patients there are."""
        return len(self.outcome.months)

    @cached_property
    def points(self) -> Floats:
        """Shape (h, 25), predicted survival at which calibration curves are drawn."""
        return curve_grid(self.at_horizons(self.predicted)[0])

    @cached_property
    def decision_at(self) -> int | None:
        """Which horizon the decision is taken for."""
        places = np.flatnonzero(self.grid.horizons == decision.HORIZON_MONTHS)
        return int(places[0]) if len(places) else None

    def at_horizons(self, predicted: Predicted) -> Floats:
        """Return predicted survival at the horizons, shape (B, n, h)."""
        return predicted.survival[..., : len(self.grid.horizons)]

    @property
    def models_at_once(self) -> int:
        """How many models are judged together, by the memory that it takes."""
        return max(1, PAIRS_AT_ONCE // (self.size * len(self.grid.months)))

    def names(self) -> list[tuple[str, float | None]]:
        """Name the measures, each with its horizon in months."""
        return [(CALIBRATION_SLOPE, None), *measure_names(self.grid)]

    def evaluate(self, drawn: Indices, predicted: Predicted) -> Floats:
        """Return every number of each of B models in the patients drawn for it, one row each.

        The slope, the other measures, the curves and the net benefit, in this order;
        not finite where undefined.
        """
        slopes, curves = self._calibrate(drawn, predicted)
        samples = self._samples(drawn)
        parts = [slopes, measures(samples, predicted, self.grid), curves]
        if self.decision_at is not None:
            risk = 1 - predicted.survival[..., self.decision_at]
            parts.append(decision.net_benefit(samples, risk, decision.HORIZON_MONTHS))
        return np.hstack(parts)

    def evaluate_calibration(self, drawn: Indices, predicted: Predicted) -> Floats:
        """Return the same rows, with 0 for what is not about calibration."""
        slopes, curves = self._calibrate(drawn, predicted)
        horizons = self.grid.horizons
        ratios = observed_expected(self._samples(drawn), predicted.survival, horizons)
        between = len(self.names()) - 1 - len(horizons)
        after = 0 if self.decision_at is None else len(decision.THRESHOLDS)
        nothing = np.zeros((len(drawn), between + after))
        return np.hstack([slopes, nothing[:, :between], ratios, curves, nothing[:, between:]])

    def _samples(self, drawn: Indices) -> Samples:
        counts = np.array([np.bincount(row, minlength=self.size) for row in drawn])
        return Samples(self.outcome, counts.astype(np.float64))

    def _calibrate(self, drawn: Indices, predicted: Predicted) -> tuple[Floats, Floats]:
        slopes, curves = calibrate(
            self.outcome,
            drawn,
            predicted.linear_predictor,
            self.at_horizons(predicted),
            self.grid.horizons,
            self.points,
        )
        return slopes[:, None], curves.reshape(len(drawn), -1)
