"""Whether hazards are proportional, and who moves the coefficients."""

import numpy as np
from numpy.typing import NDArray

from model.analysis import (
    Assumptions,
    Influence,
    ProportionalHazardsTest,
    Schoenfeld,
)
from model.design import Design
from training.cohort import Cohort
from training.cox import RiskSets, Ties, fit_newton
from training.diagnostics.proportional_hazards import TimeScale, proportional_hazards_test
from training.diagnostics.residuals import residuals

Floats = NDArray[np.float64]

MOST_INFLUENTIAL = 5


def examine_assumptions(cohort: Cohort, ties: Ties) -> Assumptions:
    """Test a complete cohort's unpenalised model of all its covariates.

    Rows are numbered from 1 in the order of the cohort as it is given.

    Raises
    ------
    FitError
        If that model has no maximum.
    """
    design = Design.of_cohort(cohort.names, cohort.numbers, ecog_reference=0)
    standardised = design.standardise(cohort.numbers)
    fit = fit_newton(RiskSets(standardised, cohort.months, cohort.death, ties))
    covariance: Floats = np.asarray(np.linalg.inv(fit.information), dtype=np.float64)
    left = residuals(standardised, cohort.months, cohort.death, fit.coefficients, covariance, ties)
    return Assumptions(
        proportional_hazards=[
            test
            for scale in TimeScale
            for test in _tests(cohort, standardised, fit.coefficients, scale, ties)
        ],
        schoenfeld=[
            Schoenfeld(
                covariate=name,
                months=left.death_months.tolist(),
                residuals=(left.scaled_schoenfeld[:, column] / design.sd[column]).tolist(),
            )
            for column, name in enumerate(cohort.names)
        ],
        influence=_influence(cohort, left.dfbeta / np.sqrt(np.diag(covariance)), left.martingale),
    )


def _tests(
    cohort: Cohort,
    standardised: Floats,
    coefficients: Floats,
    scale: TimeScale,
    ties: Ties,
) -> list[ProportionalHazardsTest]:
    tested = proportional_hazards_test(
        standardised, cohort.months, cohort.death, coefficients, ties=ties, time_scale=scale
    )
    terms = [*zip(cohort.names, tested.chi_square, tested.p, strict=True)]
    rows = [*((name, float(chi), 1, float(p)) for name, chi, p in terms)]
    rows.append(("global", tested.global_chi_square, len(cohort.names), tested.global_p))
    return [
        ProportionalHazardsTest(
            transform=scale.value,
            term=term,
            chi_square=chi_square,
            degrees_of_freedom=freedom,
            p_value=p_value,
        )
        for term, chi_square, freedom, p_value in rows
    ]


def _influence(
    cohort: Cohort,
    dfbetas: Floats,
    martingale: Floats,
) -> list[Influence]:
    """Return the rows that move any coefficient most, in its standard errors."""
    largest = np.abs(dfbetas).max(axis=1)
    order = np.argsort(-largest, kind="stable")[:MOST_INFLUENTIAL]
    ecog = cohort.names.index("ecog")
    return [
        Influence(
            row=row + 1,
            dfbetas_ecog=float(dfbetas[row, ecog]),
            largest_dfbetas=float(dfbetas[row, column]),
            largest_covariate=cohort.names[column],
            martingale=float(martingale[row]),
        )
        for row in order.tolist()
        for column in [int(np.abs(dfbetas[row]).argmax())]
    ]
