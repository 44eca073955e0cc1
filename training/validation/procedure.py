"""The whole way from a cohort to predictions, so that it can be gone again in each resample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.design import Design
from model.errors import FitError
from training.cohort import Cohort
from training.cox import RiskSets, Ties, fit_newton
from training.penalty import choose_penalty

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_SETTLED = 1e-6
"""A Newton step this small leaves an error of its square."""


class Predictor(Protocol):
    """A fitted model."""

    def linear_predictor(self, numbers: Floats) -> Floats:
        """Return the log relative hazard, shape (n,), of coded values, shape (n, p)."""

    def survival(self, numbers: Floats, months: Floats) -> Floats:
        """Return survival at each time, shape (n, t)."""


Procedure = Callable[[Cohort, Indices, int], Predictor]
"""Fits a cohort, given for each row the number of its original patient, and a seed."""


@dataclass(frozen=True)
class CoxPredictor:
    """A Cox model of some of the cohort's columns.

    Attributes
    ----------
    columns : shape (q,), places of the model's covariates among the cohort's
    design : their scales
    coefficients : shape (q,), per standard deviation
    months, hazard : shape (k,), cumulative baseline hazard at the death times
    """

    columns: Indices
    design: Design
    coefficients: Floats
    months: Floats
    hazard: Floats

    def linear_predictor(self, numbers: Floats) -> Floats:
        """Return the log relative hazard, shape (n,), of coded values, shape (n, p)."""
        return self.design.standardise(numbers[:, self.columns]) @ self.coefficients

    def survival(self, numbers: Floats, months: Floats) -> Floats:
        """Return survival at each time, shape (n, t); the hazard stays as at the last death."""
        baseline = np.append(0.0, self.hazard)[np.searchsorted(self.months, months, side="right")]
        relative = np.exp(np.clip(self.linear_predictor(numbers), -50, 50))
        survival: Floats = np.exp(-relative[:, None] * baseline)
        return survival


@dataclass(frozen=True)
class CoxProcedure:
    """A Cox model of a complete cohort: standardise, choose the penalty, fit, baseline.

    Attributes
    ----------
    ties : Efron's or Breslow's form
    penalty : α of every coefficient but ECOG's; None chooses it by cross-validation
    strengths, repeats : of the cross-validation, each with five folds
    """

    ties: Ties = Ties.EFRON
    penalty: float | None = None
    strengths: int = 10
    repeats: int = 1

    def __call__(self, cohort: Cohort, patients: Indices, seed: int) -> CoxPredictor:
        """Fit; columns of one value are left out, as they are when the model is fitted.

        Parameters
        ----------
        cohort : no value unknown
        patients : shape (n,), the original patient of each row; folds keep copies together
        seed : of the cross-validation

        Raises
        ------
        FitError
            If the rows do not determine a model.
        """
        columns = np.flatnonzero(np.ptp(cohort.numbers, axis=0) > 0)
        names = tuple(cohort.names[column] for column in columns)
        if "ecog" not in names:
            raise FitError("one_ecog_grade", "all patients have the same ECOG grade")
        numbers = cohort.numbers[:, columns]
        # What contributions are measured from changes no prediction, so any grade will do.
        design = Design.of_cohort(names, numbers, ecog_reference=0)
        standardised = design.standardise(numbers)
        penalised = np.array([name != "ecog" for name in names])
        strength = self._strength(cohort, standardised, penalised, patients, seed)
        risk_sets = RiskSets(standardised, cohort.months, cohort.death, self.ties)
        penalty = strength * penalised
        fit = fit_newton(risk_sets, penalty, tolerance=_SETTLED)
        coefficients = fit.coefficients
        baseline = risk_sets.baseline(coefficients)
        return CoxPredictor(columns, design, coefficients, baseline.months, baseline.hazard)

    def _strength(
        self,
        cohort: Cohort,
        standardised: Floats,
        penalised: NDArray[np.bool_],
        patients: Indices,
        seed: int,
    ) -> float:
        if not penalised.any():
            return 0.0
        if self.penalty is not None:
            return self.penalty
        path = choose_penalty(
            standardised,
            cohort.months,
            cohort.death,
            penalised,
            seed=seed,
            ties=self.ties,
            groups=patients,
            number=self.strengths,
            repeats=self.repeats,
        )
        return path.chosen
