"""Which interval of S(t) holds what it promises.

Data sets like the study's are drawn from populations in which every patient's own
survival is known, and each candidate's 95 % intervals are counted against it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import joblib
import numpy as np
from numpy.typing import NDArray

from model.errors import FitError
from training.coverage.candidates import Candidate
from training.coverage.population import NAMES, Truth, truths
from training.coverage.record import (
    SERVED,
    Cell,
    CoverageRecord,
    SearchCheck,
    SimulatedTruth,
    Worth,
)
from training.coverage.trial import Knowledge, Settings, Trial, run_trial
from training.penalty import REPEATS, STRENGTHS

Floats = NDArray[np.float64]

SEED = 20250604
DATASETS = 2000
CHECKED_DATASETS = 20
_CHUNK = 10
_DECIMALS = 5
_NOTES = (
    "Coverage is of the patient's own S(t | true covariates); its error is over data sets.",
    "New patients are drawn from the population of the training data.",
    "Three truths are those of the choice of model; with mixed directions effects do not add up.",
    "The search for the penalty has fewer repeats and strengths than that of fit, for time.",
    "The bootstrap interval is log Λ ± z times its standard deviation over resamples of patients.",
    "In each resample the strength is the chosen one: choosing anew is a hundred searches more.",
    "averaged: the prior is uniform on the SD of a log hazard ratio per SD, in (0, 1].",
    "averaged, uniform in log: the prior is uniform on log λ over the grid of the search.",
)


def trials(
    truth: Truth, index: int, settings: Settings, *, seed: int, datasets: int, jobs: int
) -> Iterator[Trial | None]:
    """Yield each data set's result, in order; None where no model could be fitted.

    A data set's draws depend on the seed, the truth's index and its own number only.
    """
    starts = range(0, datasets, _CHUNK)
    work = (
        joblib.delayed(_chunk)(truth, (seed, index), range(s, min(s + _CHUNK, datasets)), settings)
        for s in starts
    )
    for chunk in joblib.Parallel(n_jobs=jobs, return_as="generator")(work):
        yield from chunk


def _chunk(
    truth: Truth, entropy: tuple[int, int], numbers: Iterable[int], settings: Settings
) -> list[Trial | None]:
    return [_trial(truth, (*entropy, number), settings) for number in numbers]


def _trial(truth: Truth, entropy: tuple[int, ...], settings: Settings) -> Trial | None:
    try:
        return run_trial(truth, np.random.SeedSequence(entropy), settings)
    except FitError:
        return None


def simulate_coverage(
    settings: Settings,
    *,
    seed: int = SEED,
    datasets: int = DATASETS,
    checked: int = 0,
    jobs: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> CoverageRecord:
    """Simulate every truth; the same seed gives the same results for any number of jobs.

    Parameters
    ----------
    datasets : per truth
    checked : of these, how many are fitted again with the search that `fit` makes
    advance : called after each data set
    """
    full = replace(settings, repeats=REPEATS, strengths=STRENGTHS)
    described: list[SimulatedTruth] = []
    cells: list[Cell] = []
    worth: list[Worth] = []
    differences: list[tuple[Floats, Floats]] = []
    for index, truth in enumerate(truths()):
        reduced, searched = (
            [
                _counted(trial, advance)
                for trial in trials(truth, index, how, seed=seed, datasets=count, jobs=jobs)
            ]
            for how, count in ((settings, datasets), (full, checked))
        )
        done = [trial for trial in reduced if trial is not None]
        described.append(_describe(truth, done, datasets))
        cells += _cells(truth.name, done, settings)
        worth += _worth(truth.name, done)
        differences += _differences(reduced, searched)
    return CoverageRecord(
        seed=seed,
        patients=settings.patients,
        new_patients=settings.new_patients,
        confidence_level=settings.confidence_level,
        search_repeats=settings.repeats,
        search_strengths=settings.strengths,
        resamples=settings.resamples,
        notes=_NOTES,
        truths=tuple(described),
        cells=tuple(cells),
        worth=tuple(worth),
        search_check=_search_check(differences, checked, full) if checked else None,
    )


def _counted(trial: Trial | None, advance: Callable[[], None]) -> Trial | None:
    advance()
    return trial


def _describe(truth: Truth, done: list[Trial], datasets: int) -> SimulatedTruth:
    return SimulatedTruth(
        name=truth.name,
        log_hazard_ratios=dict(zip(NAMES, truth.coefficients.tolist(), strict=True)),
        datasets=len(done),
        failed=datasets - len(done),
        withheld=sum(bool(np.isnan(trial.covered).any()) for trial in done),
        mean_deaths=_rounded(np.mean([trial.deaths for trial in done])),
        median_strength=_rounded(np.median([trial.chosen for trial in done])),
    )


def _cells(truth: str, done: list[Trial], settings: Settings) -> Iterator[Cell]:
    covered = np.array([trial.covered for trial in done])
    error = np.nanstd(covered, axis=0, ddof=1) / np.sqrt(np.isfinite(covered).sum(axis=0))
    coverage = np.nanmean(covered, axis=0)
    width = np.nanmean([trial.width for trial in done], axis=0)
    rmse = np.sqrt(np.nanmean([trial.squared_error for trial in done], axis=0))
    for k, knowledge in enumerate(Knowledge):
        for h, months in enumerate(settings.horizons):
            for c, candidate in enumerate(Candidate):
                yield Cell(
                    truth=truth,
                    knowledge=knowledge,
                    horizon_months=months,
                    candidate=candidate,
                    coverage=_rounded(coverage[c, k, h]),
                    monte_carlo_error=_rounded(error[c, k, h]),
                    mean_width=_rounded(width[c, k, h]),
                    rmse=_rounded(rmse[c, k, h]),
                )


def _worth(truth: str, done: list[Trial]) -> Iterator[Worth]:
    concordance = np.mean([trial.concordance for trial in done], axis=0)
    slope = np.nanmedian([trial.slope for trial in done], axis=0)
    for c, candidate in enumerate(Candidate):
        yield Worth(
            truth=truth,
            candidate=candidate,
            c_index=_rounded(concordance[c]),
            calibration_slope=_rounded(slope[c]),
        )


def _differences(
    reduced: list[Trial | None], searched: list[Trial | None]
) -> list[tuple[Floats, Floats]]:
    """Return coverage and width with the full search less those with the reduced one.

    One pair for the truth, each of shape (data sets, states, horizons).
    """
    pairs = [
        (one, other)
        for one, other in zip(searched, reduced, strict=False)
        if one is not None and other is not None
    ]
    if not pairs:
        return []
    served = list(Candidate).index(SERVED)
    return [
        (
            np.array([one.covered[served] - other.covered[served] for one, other in pairs]),
            np.array([one.width[served] - other.width[served] for one, other in pairs]),
        )
    ]


def _search_check(
    differences: list[tuple[Floats, Floats]], datasets: int, full: Settings
) -> SearchCheck:
    coverage = np.array([np.nanmean(d, axis=0) for d, _ in differences])
    error = np.array([np.nanstd(d, axis=0) / np.sqrt(len(d)) for d, _ in differences])
    width = np.array([np.nanmean(d, axis=0) for _, d in differences])
    largest = np.unravel_index(np.argmax(np.abs(coverage)), coverage.shape)
    return SearchCheck(
        datasets=datasets,
        repeats=full.repeats,
        strengths=full.strengths,
        largest_coverage_difference=_rounded(coverage[largest]),
        its_monte_carlo_error=_rounded(error[largest]),
        largest_width_difference=_rounded(width.flat[np.argmax(np.abs(width))]),
    )


def _rounded(number: float | np.floating) -> float:
    """Round away the last bits, which differ between processors."""
    return round(float(number), _DECIMALS)
