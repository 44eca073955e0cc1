"""The candidates for the served interval, each fitted to one data set of the simulation."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel
from model.design import Design
from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from training.averaging import AveragedFit, average, strengths_of_uniform_sd
from training.covariate_distribution import shrunk_covariance
from training.coverage.batch_cox import BatchData, fit_batch
from training.coverage.population import NAMES, Truth, draw_censoring, draw_patients
from training.cox import RiskSets, Ties, fit_newton
from training.penalty import FOLDS

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LOG_STRENGTHS = 21
PENALISED = np.array([name != "ecog" for name in NAMES])
_ECOG_REFERENCE = 1


class Candidate(StrEnum):
    """An interval that could be served.

    The last differs from the second by its prior. The third keeps the estimate at the
    chosen strength and counts its distance from the averaged one as error.
    """

    CHOSEN = "chosen strength"
    AVERAGED = "averaged"
    ABOUT_CHOSEN = "averaged about the chosen"
    BOOTSTRAP = "bootstrap"
    AVERAGED_LOG = "averaged, uniform in log"


@dataclass(frozen=True)
class TrainingData:
    """A training data set, rows in ascending order of follow-up."""

    design: Design
    standardised: Floats
    months: Floats
    death: Flags

    @classmethod
    def draw(cls, rng: np.random.Generator, truth: Truth, n: int) -> "TrainingData":
        """Draw n patients and follow them until death or the end of follow-up."""
        numbers = draw_patients(rng, n)
        until_death, until_end = truth.draw_death(rng, numbers), draw_censoring(rng, n)
        months = np.minimum(until_death, until_end)
        order = np.argsort(months)
        design = Design.of_cohort(NAMES, numbers, _ECOG_REFERENCE)
        return cls(
            design,
            design.standardise(numbers)[order],
            months[order],
            (until_death <= until_end)[order],
        )


def cross_validate(
    standardised: Floats, death: Flags, rng: np.random.Generator, repeats: int, strengths: int
) -> float:
    """Return the strength that `training.penalty.choose_penalty` chooses, all fits at once.

    Rows are in ascending order of follow-up, no two deaths at the same time.
    """
    n, tried = len(death), death.sum() * np.logspace(-3, 2, strengths)
    folds = [rng.permutation(np.arange(n) % FOLDS) for _ in range(repeats)]
    present = np.array([fold_of != fold for fold_of in folds for fold in range(FOLDS)])
    scaled = np.outer(present.mean(axis=1), tried).ravel()
    part = BatchData.of_parts(standardised, death, np.repeat(present, strengths, axis=0))
    whole = BatchData.of_parts(standardised, death, np.ones_like(part.present, dtype=bool))
    # A Newton step squares the error, and at a maximum the score's error is squared again.
    coefficients = fit_batch(part, np.outer(scaled, PENALISED), tolerance=1e-3)
    scores = whole.value(coefficients) - part.value(coefficients)
    scores = np.where(np.isfinite(scores), scores, -np.inf).reshape(-1, strengths).sum(axis=0)
    return float(tried[int(np.argmax(scores))])


@dataclass(frozen=True)
class Resampled:
    """Bootstrap covariances of (log Λ0(t), β), shape (h, 1 + p, 1 + p)."""

    covariances: Floats

    @property
    def of_coefficients(self) -> Floats:
        """The covariance of β, shape (p, p)."""
        return np.asarray(self.covariances[0, 1:, 1:])

    def spread(self, mean: Floats) -> Floats:
        """Return the variance of log Λ0(t) + x̂'β for each x̂, shape (n, h)."""
        terms = np.column_stack([np.ones(len(mean)), mean])
        return np.asarray(np.einsum("ni,hij,nj->nh", terms, self.covariances, terms))


def resample(
    data: TrainingData,
    rng: np.random.Generator,
    chosen: float,
    *,
    resamples: int,
    horizons: tuple[float, ...],
) -> Resampled:
    """Fit bootstrap samples of the patients at the chosen strength.

    Samples without a maximum or without a death before a horizon are left out.
    """
    n = len(data.death)
    rows = np.sort(rng.integers(0, n, (resamples, n)), axis=1)
    samples = BatchData.of_rows(data.standardised, data.death, rows)
    penalty = np.broadcast_to(chosen * PENALISED, (resamples, len(PENALISED)))
    coefficients = fit_batch(samples, penalty, tolerance=1e-4)
    hazard = samples.baseline(coefficients, data.months[rows], np.array(horizons))
    settled = np.isfinite(coefficients).all(axis=1) & (hazard > 0).all(axis=1)
    log_hazard, coefficients = np.log(hazard[settled]), coefficients[settled]
    return Resampled(np.array([np.cov(np.column_stack([h, coefficients]).T) for h in log_hazard.T]))


def models_of_candidates(
    data: TrainingData, chosen: float, resampled: Resampled
) -> dict[Candidate, CoxModel]:
    """Return each candidate's model, the bootstrap's with the covariance of its coefficients."""
    risk_sets = RiskSets(data.standardised, data.months, data.death)
    averaged = fit_averaged_at_once(data.standardised, data.death, strengths_of_uniform_sd())
    by_log = data.death.sum() * np.logspace(2, -3, LOG_STRENGTHS)
    in_log = fit_averaged_at_once(data.standardised, data.death, by_log)
    at_chosen = fit_newton(risk_sets, chosen * PENALISED)
    posterior = at_chosen.information + np.diag(chosen * PENALISED)
    b = at_chosen.coefficients
    estimates = {
        Candidate.CHOSEN: (b, np.asarray(np.linalg.inv(posterior), np.float64)),
        Candidate.AVERAGED: (averaged.coefficients, averaged.covariance),
        Candidate.ABOUT_CHOSEN: (b, averaged.covariance_about(b)),
        Candidate.BOOTSTRAP: (b, resampled.of_coefficients),
        Candidate.AVERAGED_LOG: (in_log.coefficients, in_log.covariance),
    }
    observed = KaplanMeier.estimate(data.months, data.death)
    covariate_covariance = shrunk_covariance([data.standardised])
    models = {}
    for candidate, (coefficients, covariance) in estimates.items():
        baseline = risk_sets.baseline(coefficients)
        models[candidate] = CoxModel(
            design=data.design,
            ties=Ties.EFRON.value,
            penalty=chosen * PENALISED,
            coefficients=coefficients,
            covariance=covariance,
            months=baseline.months,
            hazard=baseline.hazard,
            hazard_variance=baseline.variance,
            hazard_mean=baseline.mean,
            covariate_covariance=covariate_covariance,
            observed=observed,
        )
    return models


def fit_averaged_at_once(standardised: Floats, death: Flags, strengths: Floats) -> AveragedFit:
    """Return what `training.averaging.fit_averaged` does, by one batch of fits.

    Rows are in ascending order of follow-up, no two deaths at the same time.

    Raises
    ------
    FitError
        If the fit at any strength has no maximum.
    """
    everyone = np.ones((len(strengths), len(death)), dtype=bool)
    batch = BatchData.of_parts(standardised, death, everyone)
    modes = fit_batch(batch, np.outer(strengths, PENALISED), tolerance=1e-6)
    if not np.isfinite(modes).all():
        raise FitError("not_converged", "the partial likelihood has no maximum within reach")
    log_likelihood, _, information = batch.evaluate(modes)
    return average(modes, information, log_likelihood, PENALISED, strengths)
