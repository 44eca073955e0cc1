"""The coefficients at each strength of the penalty, beside what cross-validation said."""

import numpy as np

from model.analysis import PenaltyPath as PathRecord
from model.design import Design
from training.cohort import Cohort
from training.cox import RiskSets, Ties, fit_newton
from training.penalty import PenaltyPath


def trace_penalty(path: PenaltyPath, cohort: Cohort, ties: Ties) -> PathRecord:
    """Return the path with the standardised coefficients of a complete cohort."""
    design = Design.of_cohort(cohort.names, cohort.numbers, ecog_reference=0)
    risk_sets = RiskSets(design.standardise(cohort.numbers), cohort.months, cohort.death, ties)
    penalised = np.array([name != "ecog" for name in cohort.names])
    coefficients, start = [], None
    for strength in path.strengths[::-1]:
        start = fit_newton(risk_sets, strength * penalised, start=start).coefficients
        coefficients.append(start.tolist())
    return PathRecord(
        strengths=path.strengths.tolist(),
        scores=path.scores.tolist(),
        chosen=path.chosen,
        covariates=list(cohort.names),
        coefficients=coefficients[::-1],
    )
