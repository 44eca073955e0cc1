"""Everything that is found out about a fitted model, as its report and card need it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from model.analysis import Analysis, Assumptions, InternalValidation, PenaltyPath
from model.errors import FitError
from model.manifest import Finding
from model.prediction import DEFAULT_HORIZONS_MONTHS
from training.cohort import Cohort
from training.diagnostics.assumptions import examine_assumptions
from training.diagnostics.ecog_shape import examine_ecog_shape
from training.diagnostics.penalty_path import trace_penalty
from training.fit import FittedModel, Options
from training.study.route import follow_route
from training.validation.imputing_procedure import ExpectingPredictor, ImputingProcedure
from training.validation.internal import validate_internally, validate_procedure
from training.validation.refit import OneByOne

RESAMPLES = 1000
FEW_DEATHS_PER_COVARIATE = 10
MOST_VALIDATED = 5000
"""Larger cohorts are not resampled by default: optimism vanishes, and time does not."""


@dataclass(frozen=True)
class Resampling:
    """How the internal validation resamples.

    Attributes
    ----------
    resamples : how many; 0 leaves the validation out
    jobs : processes
    on_progress : called with the number of resamples done since the last call
    """

    resamples: int
    jobs: int
    on_progress: Callable[[int], None]


def analyse_model(
    cohort: Cohort, fit: FittedModel, options: Options, resampling: Resampling
) -> tuple[Analysis, list[Finding]]:
    """Analyse a fitted model; what cannot be computed becomes a finding.

    Parameters
    ----------
    cohort : what the model was fitted to, checked and in canonical order
    """
    findings = list(_findings(fit))
    bands = fit.model.risk_bands
    ecog = cohort.numbers[:, cohort.names.index("ecog")]
    analysis = Analysis(
        study=follow_route(cohort, fit),
        penalty_path=_path(fit, options),
        ecog_shape=examine_ecog_shape(ecog, cohort.months, cohort.death, bands, options.ties),
        assumptions=_assumptions(fit, options, findings),
        validation=_validation(cohort, fit, options, resampling, findings),
        imputation=fit.imputation,
    )
    return analysis, findings


def _findings(fit: FittedModel) -> Iterator[Finding]:
    """Yield what limits the analysis before it is made."""
    cox = fit.model.cox
    deaths, covariates = int(fit.completed[0].death.sum()), len(cox.design.names)
    if covariates > 1 and deaths < FEW_DEATHS_PER_COVARIATE * covariates:
        instead = (
            "all effects but that of ECOG are shrunk by the penalty"
            if cox.penalty.any()
            else "the effects are overestimated"
        )
        yield Finding(
            code="few_deaths_per_covariate",
            message=f"{deaths} deaths for {covariates} covariates ({deaths / covariates:.1f} each)"
            f" do not support a model without a penalty: {instead}",
        )
    beyond = [months for months in DEFAULT_HORIZONS_MONTHS if months > cox.last_months]
    if beyond:
        yield Finding(
            code="horizon_past_follow_up",
            message=f"follow-up ends at {cox.last_months:g} months, the last time with 5 patients"
            f" at risk: nothing is said of {', '.join(f'{months:g}' for months in beyond)} months",
        )


def _path(fit: FittedModel, options: Options) -> PenaltyPath | None:
    return None if fit.path is None else trace_penalty(fit.path, fit.completed[0], options.ties)


def _assumptions(fit: FittedModel, options: Options, findings: list[Finding]) -> Assumptions | None:
    try:
        return examine_assumptions(fit.completed[0], options.ties)
    except FitError as error:
        findings.append(
            Finding(
                code="assumptions_not_examined",
                message=f"the model without a penalty has no maximum ({error.code}), so"
                " proportional hazards and influence were not examined",
            )
        )
        return None


def _validation(
    cohort: Cohort,
    fit: FittedModel,
    options: Options,
    resampling: Resampling,
    findings: list[Finding],
) -> InternalValidation | None:
    if not resampling.resamples:
        return None
    try:
        if fit.imputation is None:
            return validate_internally(
                cohort,
                options,
                resamples=resampling.resamples,
                seed=options.seed,
                jobs=resampling.jobs,
                on_progress=resampling.on_progress,
            )
        return validate_procedure(
            cohort,
            OneByOne(ImputingProcedure(options.ties, options.penalty)),
            ExpectingPredictor(np.arange(len(cohort.names)), fit.model.cox),
            resamples=resampling.resamples,
            seed=options.seed,
            jobs=resampling.jobs,
            on_progress=resampling.on_progress,
        )
    except FitError as error:
        findings.append(Finding(code="not_validated_internally", message=f"{error.code}: {error}"))
        return None
