"""The whole procedure for a cohort with gaps: impute, choose the penalty, fit, pool."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel, ExpectedCovariates
from model.design import Design
from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from training.cohort import Cohort
from training.covariate_distribution import shrunk_covariance
from training.cox import RiskSets, Ties, fit_newton
from training.imputation.chained_equations import impute
from training.imputation.pooling import CompletedFit, pool
from training.penalty import choose_penalty
from training.validation.procedure import Indices

Floats = NDArray[np.float64]

IMPUTATIONS = 5
"""In each resample: the resamples average over far more than one cohort's own twenty."""

_STRENGTHS = 10
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class ExpectingPredictor:
    """A pooled model that expects unknown values from the known ones, as when served.

    Attributes
    ----------
    columns : shape (q,), places of the model's covariates among the cohort's
    cox : the pooled model
    """

    columns: Indices
    cox: CoxModel

    def linear_predictor(self, numbers: Floats) -> Floats:
        """Return the expected log relative hazard, shape (n,); NaN in (n, p) is unknown."""
        return np.array([e.mean @ self.cox.coefficients for e in self._expected(numbers)])

    def survival(self, numbers: Floats, months: Floats) -> Floats:
        """Return survival averaged over the unknown values, shape (n, t)."""
        cox = self.cox
        baseline = np.append(0.0, cox.hazard)[np.searchsorted(cox.months, months, side="right")]
        rows = []
        for expected in self._expected(numbers):
            spread = np.sqrt(expected.predictor_variance(cox)) * _NODES
            predictor = np.clip(expected.mean @ cox.coefficients + spread, -50, 50)
            rows.append(_WEIGHTS @ np.exp(-np.outer(np.exp(predictor), baseline)))
        return np.array(rows)

    def _expected(self, numbers: Floats) -> list[ExpectedCovariates]:
        known = self.cox.design.standardise(numbers[:, self.columns])
        return [ExpectedCovariates.given(self.cox, row) for row in known]


@dataclass(frozen=True)
class ImputingProcedure:
    """Fits a cohort with gaps: imputation is part of what is validated.

    Attributes
    ----------
    ties : Efron's or Breslow's form
    penalty : α of every coefficient but ECOG's; None chooses it once on the stacked
        completed cohorts
    """

    ties: Ties = Ties.EFRON
    penalty: float | None = None

    def __call__(self, cohort: Cohort, patients: Indices, seed: int) -> ExpectingPredictor:
        """Fit.

        Parameters
        ----------
        cohort : NaN is unknown
        patients : shape (n,), the original patient of each row; folds keep copies together
        seed : of imputation and cross-validation

        Raises
        ------
        FitError
            If the rows do not determine a model or cannot be imputed.
        """
        varies = np.nanmax(cohort.numbers, axis=0) > np.nanmin(cohort.numbers, axis=0)
        columns = np.flatnonzero(varies)
        names = tuple(cohort.names[column] for column in columns)
        if "ecog" not in names:
            raise FitError("one_ecog_grade", "all patients have the same ECOG grade")
        completed = impute(cohort.with_covariates(names), imputations=IMPUTATIONS, seed=seed)
        design = Design.of_cohort(names, np.vstack([c.numbers for c in completed]), 0)
        standardised = [design.standardise(c.numbers) for c in completed]
        penalty = self._penalty(cohort, names, standardised, patients, seed)
        fits = []
        for table in standardised:
            risk_sets = RiskSets(table, cohort.months, cohort.death, self.ties)
            fit = fit_newton(risk_sets, penalty)
            covariance = np.asarray(np.linalg.inv(fit.information + np.diag(penalty)))
            fits.append(
                CompletedFit(fit.coefficients, covariance, risk_sets.baseline(fit.coefficients))
            )
        pooled = pool(fits)
        cox = CoxModel(
            design=design,
            ties=self.ties.value,
            penalty=penalty,
            coefficients=pooled.coefficients,
            covariance=pooled.covariance,
            months=pooled.baseline.months,
            hazard=pooled.baseline.hazard,
            hazard_variance=pooled.baseline.variance,
            hazard_mean=pooled.baseline.mean,
            covariate_covariance=shrunk_covariance(standardised),
            observed=KaplanMeier.estimate(cohort.months, cohort.death),
        )
        return ExpectingPredictor(columns, cox)

    def _penalty(
        self,
        cohort: Cohort,
        names: tuple[str, ...],
        standardised: list[Floats],
        patients: Indices,
        seed: int,
    ) -> Floats:
        penalised = np.array([name != "ecog" for name in names])
        if self.penalty is not None or not penalised.any():
            return np.where(penalised, self.penalty or 0.0, 0.0)
        copies = len(standardised)
        path = choose_penalty(
            np.vstack(standardised),
            np.tile(cohort.months, copies),
            np.tile(cohort.death, copies),
            penalised,
            seed=seed,
            ties=self.ties,
            groups=np.tile(patients, copies),
            number=_STRENGTHS,
            repeats=1,
        )
        return np.where(penalised, path.chosen / copies, 0.0)
