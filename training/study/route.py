"""The study's route on any cohort: screen, all covariates, backward elimination."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import cast

import numpy as np
from sksurv.compare import compare_survival
from sksurv.util import Surv

from model import analysis
from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from model.prediction import PrognosticModel, ecog_hazard_ratio
from training.cohort import Cohort, is_shipped, shipped_cohort
from training.fit import FittedModel
from training.study.figures import (
    CONFIDENCE_LEVEL,
    PUBLISHED,
    SIGNIFICANT_BELOW,
    Effect,
    StudyFigures,
    analyse,
    cox_effects,
    median_survival,
)
from training.study.table_one import describe_cohort


def follow_route(cohort: Cohort, fit: FittedModel) -> analysis.StudyAnalysis:
    """Analyse a cohort as the study did, whatever covariates it has.

    Effects are pooled over the completed cohorts where values were missing. Published
    figures stand beside the reproduced ones where the cohort is the shipped one.
    Models that have no maximum are left out: an empty list says so.
    """
    model, completed = fit.model, fit.completed
    log_log = model.cox.observed.median_months(CONFIDENCE_LEVEL)
    follow_up = KaplanMeier.estimate(cohort.months, ~cohort.death).median_months(CONFIDENCE_LEVEL)
    names = completed[0].names
    return analysis.StudyAnalysis(
        figures=list(_figures(model)) if is_shipped(cohort) else [],
        table_one_bands=[band.name for band in model.risk_bands.bands if band.patients],
        table_one=describe_cohort(cohort, model.risk_bands),
        univariate=[effect for name in names for effect in _effects(completed, (name,))],
        multivariable=_effects(completed, names),
        elimination=list(_elimination(completed)),
        median_survival_log_log=analysis.Interval(**vars(log_log)),
        median_survival_study=_study_median(cohort),
        median_follow_up=analysis.Interval(**vars(follow_up)),
        log_rank_p=_log_rank(cohort, model),
    )


def _effects(completed: Sequence[Cohort], names: tuple[str, ...]) -> list[analysis.Effect]:
    """Return the pooled effects of one model; none where it has no maximum."""
    try:
        fits = [cox_effects(cohort, names) for cohort in completed]
    except FitError:
        return []
    return [_record(pool_effect(of_name)) for of_name in zip(*fits, strict=True)]


def pool_effect(effects: Sequence[Effect]) -> Effect:
    """Pool one coefficient over completed cohorts by Rubin's rules; Wald by the normal."""
    estimates = np.array([effect.log_hazard_ratio for effect in effects])
    within = float(np.mean([effect.standard_error**2 for effect in effects]))
    m = len(effects)
    between = float(estimates.var(ddof=1)) * (1 + 1 / m) if m > 1 else 0.0
    return Effect(effects[0].name, float(estimates.mean()), math.sqrt(within + between))


def _record(effect: Effect) -> analysis.Effect:
    lower, upper = effect.limits
    return analysis.Effect(
        covariate=effect.name,
        hazard_ratio=effect.hazard_ratio,
        lower=lower,
        upper=upper,
        p_value=effect.p,
    )


def _elimination(completed: Sequence[Cohort]) -> Iterator[analysis.EliminationStep]:
    """Yield every model of the elimination; the last one removes nothing."""
    kept = completed[0].names
    while kept:
        effects = _effects(completed, kept)
        if not effects:
            return
        weakest = max(effects, key=lambda effect: effect.p_value)
        if weakest.p_value < SIGNIFICANT_BELOW:
            yield analysis.EliminationStep(effects=effects, removed=None)
            return
        yield analysis.EliminationStep(effects=effects, removed=weakest.covariate)
        kept = tuple(name for name in kept if name != weakest.covariate)


def _study_median(cohort: Cohort) -> analysis.Interval:
    reached = KaplanMeier.estimate(cohort.months, cohort.death).survival[-1] <= 0.45
    if not reached:
        return analysis.Interval(estimate=None, lower=None, upper=None)
    median = median_survival(cohort.months, cohort.death)
    return analysis.Interval(estimate=median.months, lower=median.lower, upper=median.upper)


def _log_rank(cohort: Cohort, model: PrognosticModel) -> float | None:
    ecog = cohort.numbers[:, cohort.names.index("ecog")]
    bands = np.array([model.risk_bands.of(int(grade)).name for grade in ecog])
    if len(np.unique(bands)) < 2:
        return None
    _, p_value = compare_survival(Surv.from_arrays(cohort.death, cohort.months), bands)
    return float(p_value)


def _figures(model: PrognosticModel) -> Iterator[analysis.Figure]:
    # The whole cohort, of which the model may use some columns only.
    reproduced = analyse(shipped_cohort()).figures
    served = _served(model)
    for figure in fields(StudyFigures):
        yield analysis.Figure(
            label=figure.metadata["label"],
            published=_text(getattr(PUBLISHED, figure.name)),
            reproduced=_text(getattr(reproduced, figure.name)),
            served=served.get(figure.name),
        )


def _served(model: PrognosticModel) -> dict[str, str]:
    """Return what the served model says where the study printed a figure of a model."""
    cox = model.cox
    column = cox.design.names.index("ecog")
    ratio = ecog_hazard_ratio(model, model.risk_bands.ecog_reference + 1, CONFIDENCE_LEVEL)
    z = abs(cox.coefficients_per_unit[column]) / math.sqrt(cox.covariance_per_unit[column, column])
    return {
        "ecog_hazard_ratio": f"{ratio.estimate:.3f}",
        "ecog_limits": f"{ratio.lower:.3f} to {ratio.upper:.3f}",
        "ecog_p": f"{math.erfc(z / math.sqrt(2)):.2g}",
    }


def _text(figure: object) -> str:
    if isinstance(figure, frozenset):
        return ", ".join(sorted(map(str, figure))) or "none"
    if isinstance(figure, tuple):
        return " to ".join(map(str, cast("Sequence[object]", figure)))
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    return str(figure)
