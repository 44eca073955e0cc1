"""The models of many resamples, and what each predicts for the cohort that was resampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.design import is_logged, shifts_of, transform
from model.errors import FitError
from training.cohort import Cohort
from training.cox import Ties
from training.validation.performance import Indices, Outcome, Predicted
from training.validation.procedure import CoxProcedure, Predictor, Procedure
from training.validation.regression import regress

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Refitted:
    """What the models of B resamples predict.

    Attributes
    ----------
    is_fitted : shape (B,), whether the resample determined a model
    predicted : by each model, for the whole cohort; nothing sensible where there is none
    failures : codes of the errors of those without
    """

    is_fitted: NDArray[np.bool_]
    predicted: Predicted
    failures: list[str]


class Refit(Protocol):
    """A way to go through a procedure in many resamples; other processes can import it."""

    def __call__(
        self, cohort: Cohort, drawn: Indices, seeds: Sequence[int], months: Floats
    ) -> Refitted:
        """Fit each resample and predict the linear predictor and survival.

        Parameters
        ----------
        cohort : of n patients, in the order of `Outcome`
        drawn : shape (B, n), places of the patients drawn, each row ascending
        seeds : B of them, of what is random in the procedure
        months : shape (t,), when survival is predicted
        """


@dataclass(frozen=True)
class OneByOne:
    """Any procedure, in one resample after the other."""

    procedure: Procedure

    def __call__(
        self, cohort: Cohort, drawn: Indices, seeds: Sequence[int], months: Floats
    ) -> Refitted:
        """Fit each resample and predict."""
        size, n = drawn.shape
        is_fitted, failures = np.ones(size, dtype=bool), []
        predicted = Predicted(np.zeros((size, n)), np.ones((size, n, len(months))))
        for row, (patients, seed) in enumerate(zip(drawn, seeds, strict=True)):
            try:
                model = self.procedure(cohort.take(patients), patients, seed)
            except FitError as error:
                is_fitted[row] = False
                failures.append(error.code)
            else:
                one = predict(model, cohort, months)
                predicted.linear_predictor[row] = one.linear_predictor[0]
                predicted.survival[row] = one.survival[0]
        return Refitted(is_fitted, predicted, failures)


@dataclass(frozen=True)
class Together:
    """The Cox procedure with a given penalty, in all resamples at once.

    For small cohorts, where nearly all the time of a fit would go into calling numpy. A
    resample that does not settle like the others is fitted by itself, and refused by name.
    """

    ties: Ties
    penalty: float

    def __call__(
        self, cohort: Cohort, drawn: Indices, seeds: Sequence[int], months: Floats
    ) -> Refitted:
        """Fit each resample and predict."""
        varies = np.ptp(cohort.numbers[drawn], axis=1) > 0
        standardised = _standardise(cohort, drawn, varies)
        penalised = np.array([name != "ecog" for name in cohort.names])
        found = regress(
            Outcome.of(cohort.months, cohort.death),
            drawn,
            standardised,
            months,
            start=np.zeros(len(penalised)),
            penalty=np.tile(self.penalty * penalised, (len(drawn), 1)),
            ties=self.ties,
        )
        predictor = (standardised @ found.coefficients[..., None])[..., 0]
        relative = np.exp(np.clip(predictor, -50, 50))
        survival = np.exp(-relative[..., None] * found.hazard[:, None])
        is_fitted = np.isfinite(predictor).all(axis=1) & ~found.is_flat
        is_fitted &= varies[:, ~penalised].all(axis=1)
        others = np.flatnonzero(~is_fitted)
        alone = OneByOne(CoxProcedure(self.ties, self.penalty))(
            cohort, drawn[others], [seeds[row] for row in others.tolist()], months
        )
        is_fitted[others] = alone.is_fitted
        predictor[others] = alone.predicted.linear_predictor
        survival[others] = alone.predicted.survival
        return Refitted(is_fitted, Predicted(predictor, survival), alone.failures)


def _standardise(cohort: Cohort, drawn: Indices, varies: NDArray[np.bool_]) -> Floats:
    """Return the cohort on the scales of each resample, (B, n, p); 0 where a column is left out.

    `model.design.Design.of_cohort` and `standardise`, of all resamples at once.
    """
    everybody = np.broadcast_to(cohort.numbers, (len(drawn), *cohort.numbers.shape))
    numbers = cohort.numbers[drawn]
    logged, shift = is_logged(cohort.names), shifts_of(cohort.names, numbers)[:, None]
    with np.errstate(all="ignore"):  # columns of one value
        transformed = transform(numbers, logged, shift)
        mean = transformed.mean(axis=1, keepdims=True)
        sd = transformed.std(axis=1, ddof=1, keepdims=True)
        standardised = (transform(everybody, logged, shift) - mean) / sd
    return np.where(varies[:, None], standardised, 0.0)


def predict(model: Predictor, cohort: Cohort, months: Floats) -> Predicted:
    """Return what one model predicts for a cohort."""
    return Predicted(
        model.linear_predictor(cohort.numbers)[None], model.survival(cohort.numbers, months)[None]
    )
