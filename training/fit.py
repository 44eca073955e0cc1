"""Fit the served models to a cohort: coefficients, covariance, baseline, bands."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from model.analysis import Imputation, MissingValues
from model.cox import CoxModel
from model.design import Design
from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from model.manifest import Finding
from model.prediction import PrognosticModel
from training.averaging import fit_averaged, strengths_of_uniform_sd
from training.bands import DEFAULT_BANDS, observe_bands, parse_bands
from training.cohort import Cohort
from training.covariate_distribution import shrunk_covariance
from training.cox import FLAT, RiskSets, Ties, fit_newton, newton_step
from training.imputation.chained_equations import enough_imputations, impute
from training.imputation.pooling import CompletedFit, PooledFit, pool
from training.penalty import PenaltyPath, choose_penalty
from training.registry_cox import REGISTRY_PATIENTS, RegistryRiskSets, risk_sets_of

Floats = NDArray[np.float64]

FEWEST_DEATHS = 5


@dataclass(frozen=True)
class Options:
    """How to fit.

    Attributes
    ----------
    ties : Efron's or Breslow's form
    penalty : α of every coefficient but ECOG's; None chooses it by cross-validation
    bands : risk bands, as `training.bands.parse_bands` reads them
    seed : of the cross-validation
    registry_patients : from how many patients on our own Newton fit takes over from
        scikit-survival, whose estimator loops over patients
    """

    ties: Ties = Ties.EFRON
    penalty: float | None = None
    bands: str = DEFAULT_BANDS
    seed: int = 20250604
    registry_patients: int = REGISTRY_PATIENTS


@dataclass(frozen=True)
class FittedModel:
    """A fitted model with what was found on the way.

    Attributes
    ----------
    path : the cross-validation of the penalty; None where none was needed
    log_likelihood : partial, at the coefficients, without the penalty; the mean over
        completed cohorts
    completed : the cohort as fitted, once, or completed several times over
    imputation : what was imputed; None where no value was missing
    """

    model: PrognosticModel
    path: PenaltyPath | None
    log_likelihood: float
    completed: tuple[Cohort, ...]
    imputation: Imputation | None
    findings: tuple[Finding, ...]


def check_cohort(cohort: Cohort) -> Cohort:
    """Refuse what no model can be fitted to, and leave out constant columns.

    Raises
    ------
    FitError
        Names the finding: no deaths, too few, one grade of ECOG.
    """
    deaths = int(cohort.death.sum())
    if deaths == 0:
        raise FitError("no_deaths", "no death was observed, so no hazard can be estimated")
    if deaths < FEWEST_DEATHS:
        raise FitError(
            "too_few_deaths", f"{deaths} deaths were observed, at least {FEWEST_DEATHS} are needed"
        )
    if len(np.unique(cohort.numbers[:, cohort.names.index("ecog")])) == 1:
        raise FitError("one_ecog_grade", "all patients have the same ECOG grade")
    return _without_constant_columns(cohort)


def _without_constant_columns(cohort: Cohort) -> Cohort:
    varies = np.nanmax(cohort.numbers, axis=0) > np.nanmin(cohort.numbers, axis=0)
    constant = [name for name, varying in zip(cohort.names, varies, strict=True) if not varying]
    if not constant:
        return cohort
    finding = Finding(
        code="constant_column",
        message=f"{', '.join(constant)}: all patients have the same value; left out",
    )
    kept = cohort.with_covariates(tuple(n for n in cohort.names if n not in constant))
    return Cohort(**{**vars(kept), "findings": (*cohort.findings, finding)})


def fit_model(cohort: Cohort, options: Options) -> FittedModel:
    """Fit one Cox model to all covariates of a cohort.

    ECOG is never penalised. With a given penalty this matches R's ``coxph`` with
    ``ridge(..., theta = penalty, scale = FALSE)`` on the standardised covariates. Where
    the penalty is chosen from the data, the covariance also holds what the choice may
    have missed (`training.averaging`). Missing values are imputed several times over
    and the fits pooled by Rubin's rules.

    Raises
    ------
    FitError
        If the cohort or its covariates do not determine a model.
    """
    cohort = check_cohort(cohort).in_canonical_order()
    completed = _complete(cohort, options.seed)
    ecog = cohort.names.index("ecog")
    bands = observe_bands(
        parse_bands(options.bands), cohort.numbers[:, ecog], cohort.months, cohort.death
    )
    design = Design.of_cohort(
        cohort.names, np.vstack([each.numbers for each in completed]), bands.ecog_reference
    )
    standardised = [design.standardise(each.numbers) for each in completed]
    findings = list(cohort.findings)
    strength, path = _strength(cohort, standardised, options, findings)
    for table in standardised:
        _find_collinear(cohort.names, table, strength, findings)
    penalty = np.where(np.arange(len(cohort.names)) == ecog, 0.0, strength)
    fits = [
        _fit_completed(cohort, table, penalty, options, averaged=path is not None)
        for table in standardised
    ]
    pooled = pool([fit for fit, _ in fits]) if len(fits) > 1 else None
    one = pooled or fits[0][0]
    cox = CoxModel(
        design=design,
        ties=options.ties.value,
        penalty=penalty,
        coefficients=one.coefficients,
        covariance=_symmetric(one.covariance),
        months=one.baseline.months,
        hazard=one.baseline.hazard,
        hazard_variance=one.baseline.variance,
        hazard_mean=one.baseline.mean,
        covariate_covariance=shrunk_covariance(standardised),
        observed=KaplanMeier.estimate(cohort.months, cohort.death),
    )
    if one.coefficients[ecog] < 0:
        findings.append(
            Finding(
                code="ecog_protective",
                message="in this cohort a worse ECOG goes with better survival: check its coding",
            )
        )
    return FittedModel(
        model=PrognosticModel(cox, bands),
        path=path,
        log_likelihood=float(np.mean([log_likelihood for _, log_likelihood in fits])),
        completed=tuple(completed),
        imputation=_describe_imputation(cohort, pooled) if pooled else None,
        findings=tuple(dict.fromkeys(findings)),
    )


def _complete(cohort: Cohort, seed: int) -> list[Cohort]:
    if not np.isnan(cohort.numbers).any():
        return [cohort]
    return impute(cohort, imputations=enough_imputations(cohort), seed=seed)


def _describe_imputation(cohort: Cohort, pooled: PooledFit) -> Imputation:
    missing = np.isnan(cohort.numbers)
    increase = pooled.relative_variance_increase.tolist()
    return Imputation(
        imputations=pooled.imputations,
        incomplete_patients=int(missing.any(axis=1).sum()),
        covariates=[
            MissingValues(covariate=name, missing=count)
            for name, count in zip(cohort.names, missing.sum(axis=0).tolist(), strict=True)
            if count
        ],
        relative_variance_increase=dict(zip(cohort.names, increase, strict=True)),
    )


def _fit_completed(
    cohort: Cohort, standardised: Floats, penalty: Floats, options: Options, *, averaged: bool
) -> tuple[CompletedFit, float]:
    """Fit one completed cohort; return it with its log-likelihood."""
    risk_sets = RiskSets(standardised, cohort.months, cohort.death, options.ties)
    coefficients = _estimate(cohort, standardised, risk_sets, penalty, options)
    at = risk_sets.likelihood(coefficients)
    if averaged:
        quickest = risk_sets_of(
            *(standardised, cohort.months, cohort.death, options.ties),
            registry_patients=options.registry_patients,
        )
        over_strengths = fit_averaged(quickest, penalty > 0, strengths_of_uniform_sd())
        covariance = over_strengths.covariance_about(coefficients)
    else:
        covariance = np.asarray(np.linalg.inv(at.information + np.diag(penalty)))
    fit = CompletedFit(coefficients, covariance, risk_sets.baseline(coefficients))
    return fit, at.value


def _strength(
    cohort: Cohort, standardised: list[Floats], options: Options, findings: list[Finding]
) -> tuple[float, PenaltyPath | None]:
    """Return the penalty of every covariate but ECOG, and how it was chosen.

    It is chosen once, on all completed cohorts together: copies of a patient share a
    fold, and λ is that of one cohort.
    """
    penalised = np.array([name != "ecog" for name in cohort.names])
    if not penalised.any():
        return 0.0, None
    if options.penalty is not None:
        return options.penalty, None
    copies, n = len(standardised), len(cohort.months)
    stacked = choose_penalty(
        np.vstack(standardised),
        np.tile(cohort.months, copies),
        np.tile(cohort.death, copies),
        penalised,
        seed=options.seed,
        ties=options.ties,
        groups=np.tile(np.arange(n), copies),
    )
    path = PenaltyPath(stacked.strengths / copies, stacked.scores / copies, stacked.chosen / copies)
    if not path.supports_more_than_ecog:
        findings.append(
            Finding(
                code="no_support_beyond_ecog",
                message="no support beyond ECOG: the strongest penalty predicts best",
            )
        )
    return path.chosen, path


def _find_collinear(
    names: tuple[str, ...], standardised: Floats, strength: float, findings: list[Finding]
) -> None:
    """Refuse covariates that determine one another, or note it where the penalty decides."""
    values, vectors = np.linalg.eigh(np.atleast_2d(np.corrcoef(standardised, rowvar=False)))
    if values[0] >= FLAT:
        return
    message = f"these covariates determine one another: {_loaded(names, vectors[:, 0])}"
    if strength == 0:
        raise FitError("collinear", message)
    findings.append(
        Finding(code="collinear", message=f"{message}; only the penalty tells their effects apart")
    )


def _estimate(
    cohort: Cohort,
    standardised: Floats,
    risk_sets: RiskSets,
    penalty: Floats,
    options: Options,
) -> Floats:
    """Return the estimated coefficients after one more Newton step."""
    estimate = _newton if len(cohort.months) >= options.registry_patients else _scikit_survival
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            estimated = estimate(cohort, standardised, penalty, options.ties)
        coefficients = newton_step(risk_sets, estimated, penalty)
    except (Warning, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise FitError(
            "not_converged", f"the partial likelihood has no maximum within reach: {error}"
        ) from error
    information = risk_sets.likelihood(coefficients).information + np.diag(penalty)
    values, vectors = np.linalg.eigh(information)
    if values[0] < FLAT * cohort.death.sum():
        raise FitError(
            "separation",
            "the likelihood rises without end along "
            f"{_loaded(cohort.names, vectors[:, 0])}: these covariates separate the patients who"
            " died first from all others",
        )
    return coefficients


def _scikit_survival(cohort: Cohort, standardised: Floats, penalty: Floats, ties: Ties) -> Floats:
    estimator = CoxPHSurvivalAnalysis(alpha=penalty, ties=ties.value, n_iter=200, tol=1e-12)
    estimator.fit(standardised, Surv.from_arrays(cohort.death, cohort.months))
    return np.asarray(estimator.coef_)


def _newton(cohort: Cohort, standardised: Floats, penalty: Floats, ties: Ties) -> Floats:
    risk_sets = RegistryRiskSets(standardised, cohort.months, cohort.death, ties)
    return fit_newton(risk_sets, penalty).coefficients


def _loaded(names: tuple[str, ...], direction: Floats) -> str:
    heavy = np.abs(direction) > 0.1 * np.abs(direction).max()
    return ", ".join(name for name, is_heavy in zip(names, heavy, strict=True) if is_heavy)


def _symmetric(matrix: NDArray[Any]) -> Floats:
    return np.asarray((matrix + matrix.T) / 2, dtype=np.float64)
