"""The strength of the ridge penalty, chosen by cross-validated partial likelihood."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.errors import FitError
from training.cox import Likelihood, Ties, fit_newton
from training.registry_cox import risk_sets_of

Floats = NDArray[np.float64]

FOLDS = 5
REPEATS = 20
STRENGTHS = 31


@dataclass(frozen=True)
class PenaltyPath:
    """Every strength that was tried and how well it predicted.

    Attributes
    ----------
    strengths : shape (m,), λ, weakest first
    scores : shape (m,), cross-validated partial log-likelihood, mean over repeats
    chosen : the λ with the highest score
    """

    strengths: Floats
    scores: Floats
    chosen: float

    @property
    def supports_more_than_ecog(self) -> bool:
        """Whether the best strength is weaker than the strongest tried.

        At the end of the grid nothing but the unpenalised covariate predicts.
        """
        return self.chosen < float(self.strengths[-1])


def choose_penalty(
    standardised: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    penalised: NDArray[np.bool_],
    *,
    seed: int,
    ties: Ties = Ties.EFRON,
    groups: NDArray[np.intp] | None = None,
    number: int = STRENGTHS,
    repeats: int = REPEATS,
) -> PenaltyPath:
    """Choose λ of ½ λ Σ βⱼ² over the penalised covariates.

    The score is Σₖ [ℓ(β₋ₖ) - ℓ₋ₖ(β₋ₖ)] over seeded, repeated folds, with ℓ
    unpenalised (Verweij & van Houwelingen 1993, equation 6). λ is the strength for
    the whole cohort and is reduced in proportion for the smaller training sets.

    Parameters
    ----------
    standardised : shape (n, p)
    months, death : shape (n,)
    penalised : shape (p,), which covariates are penalised
    seed : of the folds
    ties : Efron's or Breslow's form
    groups : shape (n,), rows of one group are in one fold, so that no copy of a patient
        is on both sides; default each row by itself
    number : how many strengths are tried, over the same range
    repeats : how often the cohort is divided anew
    """
    rng = np.random.default_rng(seed)
    n = len(months)
    together = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    number_of_groups = int(together.max()) + 1
    strengths = death.sum() * np.logspace(-3, 2, number)
    whole = risk_sets_of(standardised, months, death, ties)
    scores = np.zeros(number)
    for _ in range(repeats):
        fold_of = rng.permutation(np.arange(number_of_groups) % FOLDS)[together]
        for fold in range(FOLDS):
            train = fold_of != fold
            if not death[train].any():
                continue
            part = risk_sets_of(standardised[train], months[train], death[train], ties)
            scores += _fold_scores(whole, part, penalised, strengths * train.sum() / n)
    scores /= repeats
    if not np.isfinite(scores).any():
        raise FitError("no_penalty", "no strength of the penalty could be cross-validated")
    return PenaltyPath(strengths, scores, float(strengths[int(np.nanargmax(scores))]))


def _fold_scores(
    whole: Likelihood, part: Likelihood, penalised: NDArray[np.bool_], strengths: Floats
) -> Floats:
    """Return ℓ(β₋ₖ) - ℓ₋ₖ(β₋ₖ) for each strength, strongest first as each starts the next."""
    scores = np.full(len(strengths), -np.inf)
    start = None
    for index in range(len(strengths) - 1, -1, -1):
        try:
            fit = fit_newton(part, strengths[index] * penalised, start=start)
        except FitError:
            break
        start = fit.coefficients
        scores[index] = whole.likelihood(start).value - fit.log_likelihood
    return scores
