"""Complete the unknown values of a cohort several times over, by chained equations.

Each imputation is one Gibbs chain (van Buuren & Groothuis-Oudshoorn 2011, R's ``mice``):
covariate by covariate, the parameters of a model given everything else are drawn from
their posterior, and then the unknown values from the model. The models work on the
transformed scale and hold every other covariate, the death indicator and the
Nelson-Aalen estimate of the cumulative hazard at the patient's last time (White & Royston
2009, Statistics in Medicine 28:1982): without the outcome, effects come out too weak.

- A number: predictive mean matching of type 1 (van Buuren 2018, algorithm 3.3), with
  drawn parameters for the patient and estimated ones for the donors, 5 donors as in
  ``mice``. A completed value is another patient's measured value, hence never outside
  the accepted range, and the model need not be normal. Beyond the measured range it
  cannot go.
- A binary: a draw from a logistic model. Under separation the likelihood has no maximum;
  a normal prior on the slopes answers that rather than the pseudo-observations of
  ``mice``, which also draw a rare level towards one half.
- ECOG: never completed.

The chains start from randomly chosen known values and make `SWEEPS` sweeps (``mice`` makes
5), columns with fewer gaps first; where only one column has gaps its first draw is already
from its posterior, and there is one sweep. All chains advance together as one array.

It is ours because no kept library does all of it: scikit-learn's ``IterativeImputer`` draws
values but no parameters, and makes binaries normal; statsmodels' ``MICE`` draws from the
global random state; miceforest draws no parameters.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.errors import FitError
from model.patient import COVARIATES, Transform
from training.cohort import Cohort
from training.cox import RiskSets, Ties
from training.imputation.conditional_draws import draw_binary, draw_donors

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]

FEWEST_IMPUTATIONS = 20
FEWEST_KNOWN = 10
LARGEST_MISSING_PERCENT = 60
SWEEPS = 10


def enough_imputations(cohort: Cohort) -> int:
    """Return the percentage of incomplete patients, rounded up, and at least 20.

    White, Royston & Wood 2011, Statistics in Medicine 30:377, section 7.
    """
    incomplete = int(np.isnan(cohort.numbers).any(axis=1).sum())
    return max(FEWEST_IMPUTATIONS, -(-100 * incomplete // len(cohort.months)))


def impute(cohort: Cohort, *, imputations: int, seed: int) -> list[Cohort]:
    """Return a cohort's completed copies; the known values are the same in all.

    Parameters
    ----------
    cohort : in canonical order (`Cohort.in_canonical_order`), on which the draws depend
    imputations : how many copies
    seed : of all draws

    Raises
    ------
    FitError
        ``imputation_impossible`` names every column that cannot be completed and why;
        ``no_deaths`` if nobody died.
    """
    missing = np.isnan(cohort.numbers)
    if not missing.any():
        return [cohort] * imputations
    _refuse_impossible(cohort, missing)
    rng = np.random.default_rng(seed)
    return [
        replace(cohort, numbers=numbers)
        for numbers in _completed(rng, cohort, missing, imputations)
    ]


def _refuse_impossible(cohort: Cohort, missing: Booleans) -> None:
    varies = np.array([len(np.unique(c[~np.isnan(c)])) > 1 for c in cohort.numbers.T])
    obstacles = [
        obstacle
        for column in np.flatnonzero(missing.any(axis=0)).tolist()
        if (
            obstacle := _obstacle(
                cohort.names[column],
                missing[:, column],
                varies=bool(varies[column]),
                others_vary=bool(np.delete(varies, column).any()),
            )
        )
    ]
    if obstacles:
        raise FitError("imputation_impossible", "; ".join(obstacles))


def _obstacle(name: str, missing: Booleans, *, varies: bool, others_vary: bool) -> str | None:
    gaps, n = int(missing.sum()), len(missing)
    known = n - gaps
    if name == "ecog":
        return f"ecog is unknown in {gaps} of {n} patients and is never imputed"
    if 100 * gaps > LARGEST_MISSING_PERCENT * n:
        return (
            f"{name} is unknown in {gaps} of {n} patients;"
            f" at most {LARGEST_MISSING_PERCENT} % can be imputed"
        )
    if known < FEWEST_KNOWN:
        return f"{name} is known in {known} patients; at least {FEWEST_KNOWN} are needed"
    if not varies:
        return f"{name} is the same in all {known} patients in whom it is known"
    if not others_vary:
        return f"{name} has no other covariate to be predicted from"
    return None


def _completed(rng: np.random.Generator, cohort: Cohort, missing: Booleans, m: int) -> Floats:
    """Run m chains; return the completed numbers, shape (m, n, p)."""
    numbers = np.tile(cohort.numbers, (m, 1, 1))
    scale = np.tile(np.column_stack([_standardised(cohort), _outcome(cohort)]), (m, 1, 1))
    gaps = missing.sum(axis=0)
    order = [column for column in np.argsort(gaps, kind="stable").tolist() if gaps[column]]

    def fill(column: int, donors: Indices) -> None:
        """Copy the known values at these positions among the known, shape (m, gaps)."""
        seen, unseen = ~missing[:, column], missing[:, column]
        numbers[:, unseen, column] = cohort.numbers[seen, column][donors]
        scale[:, unseen, column] = scale[0, seen, column][donors]

    for column in order:
        fill(column, rng.integers(len(missing) - gaps[column], size=(m, gaps[column])))
    for _ in range(SWEEPS if len(order) > 1 else 1):
        for column in order:
            seen = ~missing[:, column]
            predictors = np.delete(scale, column, axis=2)
            x, x_unseen = predictors[:, seen], predictors[:, ~seen]
            centre = x.mean(axis=1, keepdims=True)
            known = cohort.numbers[seen, column]
            if COVARIATES[cohort.names[column]].is_binary:
                drawn = draw_binary(rng, x - centre, known, x_unseen - centre)
                fill(column, np.where(drawn, known.argmax(), known.argmin()))
            else:
                y = scale[0, seen, column]
                fill(column, draw_donors(rng, x - centre, y - y.mean(), x_unseen - centre))
    return numbers


def _standardised(cohort: Cohort) -> Floats:
    """Return the transformed covariates, centred and scaled by what is known, shape (n, p)."""
    transformed = cohort.numbers.copy()
    for column, name in zip(transformed.T, cohort.names, strict=True):
        if COVARIATES[name].transform is not Transform.IDENTITY:
            if COVARIATES[name].transform is Transform.SHIFTED_LOG:
                positive = column[column > 0]  # the shift is that of `model.design.Design`
                column += positive.min() / 2 if len(positive) else 1.0
            column[:] = np.log(column)
    return _scaled(transformed)


def _outcome(cohort: Cohort) -> Floats:
    """Return the death indicator and the Nelson-Aalen H(T), scaled, shape (n, 2)."""
    nobody = np.zeros((len(cohort.months), 1))
    hazard = RiskSets(nobody, cohort.months, cohort.death, Ties.BRESLOW).baseline(np.zeros(1))
    step = np.searchsorted(hazard.months, cohort.months, side="right")
    return _scaled(np.column_stack([cohort.death, np.append(0.0, hazard.hazard)[step]]))


def _scaled(table: Floats) -> Floats:
    sd = np.nanstd(table, axis=0)
    scaled: Floats = (table - np.nanmean(table, axis=0)) / np.where(sd > 0, sd, 1.0)
    return scaled
