"""Internal validation: Harrell's bootstrap optimism correction, the whole procedure each time.

In each resample the model is made anew, from the standardisation to the baseline, and
judged twice: in the resample that it was made from and in the original cohort. The mean
difference is the optimism that the apparent performance is corrected by (Harrell, Lee
& Mark 1996).

Limits are location-shifted (Noma et al. 2021): percentiles of the bootstrap distribution
of the apparent measure, less the optimism. The calibration measures and curves of a model in
the very patients it was fitted to hardly vary (an unpenalised slope is always 1), so
theirs is the distribution of the original model's in the resampled patients.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed, parallel_config
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from model.analysis import CalibrationCurve, InternalValidation, NetBenefit, Performance
from model.errors import FitError
from training.cohort import Cohort
from training.penalty import REPEATS, STRENGTHS
from training.validation import decision
from training.validation.bench import CALIBRATION_SLOPE, Bench
from training.validation.calibration import calibration_groups
from training.validation.performance import OBSERVED_EXPECTED, Outcome, Samples
from training.validation.procedure import CoxProcedure, Predictor
from training.validation.refit import OneByOne, Refit, Together

if TYPE_CHECKING:  # or each worker process would load scikit-survival, which it does not use
    from training.fit import Options

Floats = NDArray[np.float64]

_AT_ONCE = 100
_TOGETHER = 500
"""Patients up to whom resamples are fitted together: in more, numpy's calls take no time."""
_FEWEST_RESAMPLES = 2
_CALIBRATION = (CALIBRATION_SLOPE, OBSERVED_EXPECTED)


def validate_internally(
    cohort: Cohort,
    options: "Options",
    *,
    resamples: int,
    seed: int,
    jobs: int,
    on_progress: Callable[[int], None],
) -> InternalValidation:
    """Validate the Cox model that `training.fit.fit_model` makes of a complete cohort.

    Where the penalty is chosen, it is by the full search for the model itself and by 10
    strengths on one division into folds in each resample.

    Parameters
    ----------
    cohort : no value unknown
    options : as for the fit
    resamples : how many
    seed : the same gives the same answer, whatever `jobs`
    jobs : processes
    on_progress : called with the number of resamples done since the last call

    Raises
    ------
    FitError
        If the cohort cannot be fitted, or next to no resample.
    """
    inside = CoxProcedure(options.ties, options.penalty)
    whole = replace(inside, strengths=STRENGTHS, repeats=REPEATS)
    in_order = _in_order_of_time(cohort)
    with _threads().limit(limits=1):
        model = whole(in_order, np.arange(len(in_order.months)), options.seed)
    refit: Refit = OneByOne(inside)
    if options.penalty is not None and len(in_order.months) <= _TOGETHER:
        refit = Together(options.ties, options.penalty)
    return validate_procedure(
        in_order,
        refit,
        model,
        resamples=resamples,
        seed=seed,
        jobs=jobs,
        on_progress=on_progress,
    )


def validate_procedure(
    cohort: Cohort,
    refit: Refit,
    model: Predictor,
    *,
    resamples: int,
    seed: int,
    jobs: int,
    on_progress: Callable[[int], None],
) -> InternalValidation:
    """Validate a model by the procedure that made it.

    Parameters
    ----------
    cohort : what `model` was fitted to; values may be unknown if procedure and models take them
    refit : goes through the procedure in resamples; other processes must be able to import it
    model : the model whose performance is to be corrected
    resamples, seed, jobs, on_progress : as for `validate_internally`

    Raises
    ------
    FitError
        If a measure of the model is undefined in the cohort, or next to no resample
        could be fitted.
    """
    bench = Bench.of(_in_order_of_time(cohort), model)
    apparent = bench.evaluate(np.arange(bench.size)[None], bench.predicted)[0]
    if not np.isfinite(apparent).all():
        raise FitError(
            "undefined_measure", "the performance of the model is not defined in this cohort"
        )
    starts = range(0, resamples, _AT_ONCE)
    parts: list[_Part] = []
    with parallel_config(backend="loky", inner_max_num_threads=1):
        run = Parallel(n_jobs=min(jobs, len(starts)), return_as="generator")(
            delayed(_resample)(bench, refit, seed, range(i, min(i + _AT_ONCE, resamples)))
            for i in starts
        )
        for some in run:
            parts += some
            on_progress(sum(part.tried for part in some))
    return _assemble(bench, apparent, parts, seed)


def _in_order_of_time(cohort: Cohort) -> Cohort:
    """Sort so that nothing depends on the order of a file, deaths before censorings."""
    canonical = cohort.in_canonical_order()
    return canonical.take(Outcome.of(canonical.months, canonical.death).order)


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


@dataclass(frozen=True)
class _Part:
    """What some resamples gave; each array has one row a resample that could be judged.

    Attributes
    ----------
    refitted : the resample's model in the resample
    tested : the resample's model in the original cohort
    original : the original model in the resample, its calibration only
    failures : codes of the errors of the others
    """

    tried: int
    refitted: Floats
    tested: Floats
    original: Floats
    failures: list[str]


def _resample(bench: Bench, refit: Refit, seed: int, numbers: range) -> list[_Part]:
    step = bench.models_at_once
    with _threads().limit(limits=1):
        return [
            _judge(bench, refit, seed, numbers[first : first + step])
            for first in range(0, len(numbers), step)
        ]


def _judge(bench: Bench, refit: Refit, seed: int, numbers: range) -> _Part:
    """Draw some resamples, refit, and judge the models together."""
    generators = [
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        for number in numbers
    ]
    drawn = np.sort([rng.integers(0, bench.size, bench.size) for rng in generators], axis=1)
    inner_seeds = [int(rng.integers(2**32)) for rng in generators]
    refits = refit(bench.cohort, drawn, inner_seeds, bench.grid.months)
    drawn, predicted = drawn[refits.is_fitted], refits.predicted.of(refits.is_fitted)
    size = len(drawn)
    if not size:
        nothing = np.empty((0, 0))
        return _Part(len(numbers), nothing, nothing, nothing, refits.failures)
    everybody = np.repeat(np.arange(bench.size)[None], size, axis=0)
    three = [
        bench.evaluate(drawn, predicted),
        bench.evaluate(everybody, predicted),
        bench.evaluate_calibration(drawn, bench.predicted.of(np.zeros(size, dtype=np.intp))),
    ]
    defined = np.all([np.isfinite(part).all(axis=1) for part in three], axis=0)
    refitted, tested, original = (part[defined] for part in three)
    failures = [*refits.failures, *["undefined_measure"] * int((~defined).sum())]
    return _Part(len(numbers), refitted, tested, original, failures)


def _assemble(
    bench: Bench, apparent: Floats, parts: Sequence[_Part], seed: int
) -> InternalValidation:
    failures = Counter(code for part in parts for code in part.failures)
    usable = [part for part in parts if len(part.tested)]
    if sum(len(part.tested) for part in usable) < _FEWEST_RESAMPLES:
        raise FitError("validation_failed", f"no resample could be judged: {dict(failures)}")
    refitted = np.concatenate([part.refitted for part in usable])
    tested = np.concatenate([part.tested for part in usable])
    original = np.concatenate([part.original for part in usable])
    optimism = (refitted - tested).mean(axis=0)
    shifted = np.quantile(refitted, [0.025, 0.975], axis=0) - optimism
    shifted_original = np.quantile(original, [0.025, 0.975], axis=0) - optimism
    names = bench.names()
    performance = []
    for place, (name, horizon) in enumerate(names):
        limits = (shifted_original if name in _CALIBRATION else shifted)[:, place]
        performance.append(
            Performance(
                measure=name,
                horizon_months=horizon,
                apparent=float(apparent[place]),
                optimism=float(optimism[place]),
                corrected=float(apparent[place] - optimism[place]),
                lower=float(limits[0]),
                upper=float(limits[1]),
            )
        )
    first, last = len(names), len(names) + bench.points.size
    curves = np.clip([apparent - optimism, *shifted_original], 0, 1)[:, first:last]
    return InternalValidation(
        resamples=sum(part.tried for part in parts),
        failed=failures.total(),
        failures=dict(sorted(failures.items())),
        seed=seed,
        performance=performance,
        calibration=_curves(bench, curves.reshape(3, *bench.points.shape)),
        decision=_decision(bench, apparent[last:], optimism[last:]),
    )


def _curves(bench: Bench, curves: Floats) -> list[CalibrationCurve]:
    survival = bench.at_horizons(bench.predicted)[0]
    return [
        CalibrationCurve(
            horizon_months=horizon,
            groups=calibration_groups(bench.outcome, survival[:, column], horizon),
            smooth_predicted=bench.points[column].tolist(),
            smooth_observed=curves[0, column].tolist(),
            smooth_lower=curves[1, column].tolist(),
            smooth_upper=curves[2, column].tolist(),
        )
        for column, horizon in enumerate(bench.grid.horizons.tolist())
    ]


def _decision(bench: Bench, apparent: Floats, optimism: Floats) -> NetBenefit | None:
    if bench.decision_at is None:
        return None
    everybody = decision.net_benefit_of_treating_everybody(
        Samples.everybody(bench.outcome), decision.HORIZON_MONTHS
    )[0]
    return NetBenefit(
        horizon_months=decision.HORIZON_MONTHS,
        thresholds=decision.THRESHOLDS.tolist(),
        model=apparent.tolist(),
        model_corrected=(apparent - optimism).tolist(),
        everybody=everybody.tolist(),
    )
