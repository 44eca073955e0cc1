"""Survival of many patients in the process, against the exponentials it cannot do without.

Ours is the served model and starts from the patients' own values, transforms included; the
exponentials have their arguments given. R and scikit-survival have a model of as many
covariates of as many patients, and answer for fewer, scaled to as many.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # no stubs

from benchmarks.comparison import Contest, seconds
from benchmarks.data import cohort, give_to_r
from benchmarks.peer import RSession
from model.artifact import load
from model.column_prediction import predict_columns
from model.columns import PatientColumns
from model.patient import COVARIATES
from model.prediction import PrognosticModel
from training.cohort import Cohort

_PATIENTS = 100_000
_OF_SCIKIT_SURVIVAL = 10_000
_OF_R = 500
_HORIZONS = (3.0, 6.0, 12.0, 24.0, 36.0)
_SERVED = Path(__file__).parent.parent / "model" / "artifacts" / "hsct2-os"


def contests(r: RSession) -> Iterator[Contest]:
    trained = cohort(72)
    model = load(_SERVED).model
    many = cohort(_PATIENTS, seed=6)
    complete, half = _columns(many, 0.0), _columns(many, 0.5)
    arguments = np.random.default_rng(1).normal(size=(_PATIENTS, len(_HORIZONS)))
    survival = _timed(lambda: predict_columns(model, complete, **_asked(None)))
    intervals = _timed(lambda: predict_columns(model, complete, **_asked(0.95)))
    unknown = _timed(lambda: predict_columns(model, half, **_asked(0.95)))
    exponentials = _timed(lambda: np.exp(arguments))
    of = f"{_PATIENTS:,} patients, {len(_HORIZONS)} horizons"
    yield Contest(f"survival of {of}", "five exp a patient", survival, exponentials, goal=2)
    yield Contest(f"with intervals, {of}", "five exp a patient", intervals, exponentials, goal=5)
    yield Contest("half of the values unknown", "all known", unknown, intervals, goal=4)
    yield Contest(
        f"with intervals, {of}",
        "scikit-survival, no interval",
        intervals,
        _scikit_survival(model, trained, many),
        goal=1 / 100,
    )
    yield Contest(
        f"with intervals, {of}",
        "R survfit(newdata)",
        intervals,
        _r(r, model, trained),
        goal=1 / 300,
    )


def _asked(confidence_level: float | None) -> Mapping[str, Any]:
    return {"horizons_months": _HORIZONS, "confidence_level": confidence_level}


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        with threadpool_limits(1):
            return seconds(work, 5)

    return run


def _columns(of: Cohort, share_unknown: float) -> PatientColumns:
    """Return a cohort as columns; each value but ECOG is unknown with the same chance."""
    rng = np.random.default_rng(2)
    numbers: dict[str, NDArray[np.float64]] = {}
    for name, column in zip(of.names, of.numbers.T, strict=True):
        low, high = COVARIATES[name].accepted or (0, 1)
        is_unknown = rng.random(len(column)) < (0 if name == "ecog" else share_unknown)
        numbers[name] = np.where(is_unknown, np.nan, np.clip(column, low, high))
    return PatientColumns(len(of.months), numbers, {})


def _scikit_survival(model: PrognosticModel, trained: Cohort, many: Cohort) -> Callable[[], float]:
    design = model.cox.design
    estimator = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12)
    estimator.fit(
        design.standardise(trained.numbers), Surv.from_arrays(trained.death, trained.months)
    )
    patients = design.standardise(many.numbers[:_OF_SCIKIT_SURVIVAL])

    def predict() -> None:
        for curve in estimator.predict_survival_function(patients):
            curve(np.array(_HORIZONS))

    timed = partial(seconds, predict)
    return lambda: timed() * _PATIENTS / _OF_SCIKIT_SURVIVAL


def _r(r: RSession, model: PrognosticModel, trained: Cohort) -> Callable[[], float]:
    give_to_r(r, "d", model.cox.design.standardise(trained.numbers), trained)
    few = cohort(_OF_R, seed=6)
    give_to_r(r, "new", model.cox.design.standardise(few.numbers), few)
    terms = " + ".join(f"x{k + 1}" for k in range(len(trained.names)))
    r.ask(f"{{ f <- coxph(Surv(time, death) ~ {terms}, d); 1 }}")
    times = ", ".join(map(str, _HORIZONS))
    expression = f'summary(survfit(f, new, conf.type = "log-log"), times = c({times}))$lower[1]'
    return lambda: r.seconds(expression) * _PATIENTS / _OF_R
