"""One data set of the coverage simulation: fit by every candidate, predict, compare."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel
from model.errors import FitError
from training.coverage.batch_survival import SurvivalBatch, expect_batch, predict_batch
from training.coverage.candidates import (
    PENALISED,
    Candidate,
    TrainingData,
    cross_validate,
    models_of_candidates,
    resample,
)
from training.coverage.population import NAMES, Truth, draw_patients
from training.cox import RiskSets, fit_newton

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Knowledge(StrEnum):
    """What is known of a patient when predicting."""

    ALL = "all known"
    WITHOUT_LABORATORY = "three laboratory values unknown"
    ONLY_ECOG = "only ECOG known"

    @property
    def unknown(self) -> Flags:
        """Which covariates are unknown, shape (p,)."""
        if self is Knowledge.ONLY_ECOG:
            return PENALISED
        missing = () if self is Knowledge.ALL else _LABORATORY
        return np.isin(NAMES, missing)


_LABORATORY = ("lymphocytes_10e9_l", "ldh_u_l", "ferritin_ng_ml")


@dataclass(frozen=True)
class Settings:
    """Sizes of the simulation.

    Attributes
    ----------
    patients, new_patients : in a training data set; predicted by each fit
    repeats, strengths : of the cross-validation, fewer than `training.penalty` takes
    resamples : bootstrap samples of a data set, at the chosen strength
    """

    patients: int = 72
    new_patients: int = 60
    repeats: int = 3
    strengths: int = 16
    resamples: int = 100
    horizons: tuple[float, ...] = (12.0, 24.0)
    confidence_level: float = 0.95


@dataclass(frozen=True)
class Trial:
    """What one data set gave, with c candidates, s states of knowledge and h horizons.

    Attributes
    ----------
    covered, width, squared_error : shape (c, s, h), means over the new patients
    concordance, slope : shape (c,), of the new patients, all known and followed to death
    chosen : λ by cross-validation
    deaths : in the training data
    """

    covered: Floats
    width: Floats
    squared_error: Floats
    concordance: Floats
    slope: Floats
    chosen: float
    deaths: int


def run_trial(truth: Truth, seed: np.random.SeedSequence, settings: Settings) -> Trial:
    """Draw a training data set and new patients; compare intervals with their own S(t).

    Data, folds and resamples have generators of their own, so that other settings of
    the search or the bootstrap meet the same data.

    Raises
    ------
    FitError
        If the model cannot be fitted to the data drawn.
    """
    of_data, of_folds, of_resamples = map(np.random.default_rng, seed.spawn(3))
    data = TrainingData.draw(of_data, truth, settings.patients)
    new = draw_patients(of_data, settings.new_patients)
    until_death = truth.draw_death(of_data, new)
    own = np.stack([truth.survival(new, months) for months in settings.horizons], axis=1)
    standardised = data.design.standardise(new)
    chosen = cross_validate(
        data.standardised, data.death, of_folds, settings.repeats, settings.strengths
    )
    resampled = resample(
        data, of_resamples, chosen, resamples=settings.resamples, horizons=settings.horizons
    )
    models = models_of_candidates(data, chosen, resampled)
    shape = (len(models), len(Knowledge), len(settings.horizons))
    covered, width, squared = np.empty(shape), np.empty(shape), np.empty(shape)
    for k, knowledge in enumerate(Knowledge):
        patients = expect_batch(models[Candidate.CHOSEN], standardised, knowledge.unknown)
        for c, (candidate, model) in enumerate(models.items()):
            predicted = predict_batch(model, patients, settings.horizons)
            if candidate is Candidate.BOOTSTRAP:
                predicted = replace(predicted, spread=resampled.spread(patients.mean))
            covered[c, k], width[c, k], squared[c, k] = _compare(predicted, own, settings)
    concordance, slope = _worth_of_each(models, standardised, until_death)
    return Trial(covered, width, squared, concordance, slope, chosen, int(data.death.sum()))


def _compare(predicted: SurvivalBatch, own: Floats, settings: Settings) -> Iterator[Floats]:
    """Yield coverage, width and squared error at each horizon, shape (h,) each."""
    lower, upper = predicted.limits(settings.confidence_level)
    withheld = np.isnan(lower)
    covered = np.where(withheld, np.nan, (lower <= own) & (own <= upper))
    for values in (covered, upper - lower, (predicted.survival - own) ** 2):
        yield values.mean(axis=0)


def _worth_of_each(
    models: dict[Candidate, CoxModel], standardised: Floats, until_death: Floats
) -> tuple[Floats, Floats]:
    """Return concordance and slope, shape (c,) each; equal coefficients are judged once."""
    known: dict[bytes, tuple[float, float]] = {}
    for model in models.values():
        key = model.coefficients.tobytes()
        if key not in known:
            known[key] = _worth(standardised @ model.coefficients, until_death)
    concordance, slope = np.array([known[m.coefficients.tobytes()] for m in models.values()]).T
    return concordance, slope


def _worth(predictor: Floats, until_death: Floats) -> tuple[float, float]:
    """Return Harrell's C and the calibration slope for patients followed to death."""
    sooner = until_death[:, None] < until_death
    higher = np.sign(predictor[:, None] - predictor)
    concordance = 0.5 + 0.5 * float(higher[sooner].mean())
    try:
        everyone = np.ones(len(predictor), dtype=bool)
        fit = fit_newton(RiskSets(predictor[:, None], until_death, everyone))
    except FitError:
        return concordance, np.nan
    return concordance, float(fit.coefficients[0])
