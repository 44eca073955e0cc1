"""A model of the test cohort with every part of its analysis, for what is rendered from it.

The parts that training computes elsewhere are invented here; each holds a few numbers
that occur nowhere else, so that a test can look for them.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from model import analysis
from model.analysis import Analysis
from model.kaplan_meier import normal_quantile
from model.manifest import CohortProvenance, EcogEffect, Finding, Manifest
from model.prediction import PrognosticModel
from tests.cohorts import cohort_of, rows
from training.coverage.candidates import Candidate
from training.coverage.record import Cell, CoverageRecord, SimulatedTruth
from training.coverage.trial import Knowledge
from training.fit import Options, fit_model

HORIZONS = (6.0, 12.0, 24.0)


@dataclass(frozen=True)
class Reported:
    """What a report is rendered from."""

    manifest: Manifest
    model: PrognosticModel
    analysis: Analysis


@cache
def reported(*, only_ecog: bool = False, synthetic: bool = True) -> Reported:
    """Return a fitted model with a complete analysis."""
    cohort = cohort_of(rows(72, seed=5))
    if only_ecog:
        cohort = cohort.with_covariates(("ecog",))
    model = fit_model(cohort, Options(penalty=12.0)).model
    unpenalised = fit_model(cohort, Options(penalty=0.0)).model
    return Reported(manifest_of(model, synthetic=synthetic), model, _analysis(model, unpenalised))


def manifest_of(model: PrognosticModel, *, synthetic: bool = True) -> Manifest:
    """Return a manifest for a model of the test cohort."""
    only_ecog = model.cox.design.names == ("ecog",)
    return Manifest(
        format_version=1,
        id="hsct2-os-ecog" if only_ecog else "hsct2-os",
        version="1.0.0",
        title="Overall survival after HSCT2",
        covariates=list(model.cox.design.names),
        ties="efron",
        ridge_penalty=float(model.cox.penalty.max()),
        cohort=CohortProvenance(
            name="Test cohort",
            institution="No hospital",
            synthetic=synthetic,
            end_of_follow_up="2024-06-30",
            sha256="5e" * 32,
            patients=72,
            deaths=sum(model.risk_bands.deaths_by_grade),
        ),
        validations=[],
        findings=[Finding(code="ecog_grade_absent", message="no patient has ECOG 4")],
        ecog_effects=[
            EcogEffect(source="published", hazard_ratio=2.142, lower=1.061, upper=4.326),
            EcogEffect(source="served by this model", hazard_ratio=1.713, lower=1.2, upper=2.4),
        ],
        seed=20250604,
        library_versions={"python": "3.12.4", "numpy": "2.3.1"},
        files={},
    )


def _analysis(model: PrognosticModel, unpenalised: PrognosticModel) -> Analysis:
    return Analysis(
        study=_study(model, unpenalised),
        penalty_path=_penalty_path(model, unpenalised),
        ecog_shape=_ecog_shape(),
        assumptions=_assumptions(model),
        validation=_validation(),
        imputation=analysis.Imputation(
            imputations=23,
            incomplete_patients=16,
            covariates=[analysis.MissingValues(covariate="ferritin_ng_ml", missing=13)],
            relative_variance_increase={"ferritin_ng_ml": 0.37},
        ),
    )


def _study(model: PrognosticModel, unpenalised: PrognosticModel) -> analysis.StudyAnalysis:
    effects = _effects(unpenalised)
    weakest_first = sorted(effects, key=lambda effect: -effect.p_value)
    steps = [
        analysis.EliminationStep(
            effects=[e for e in effects if e not in weakest_first[:removed]],
            removed=weakest_first[removed].covariate if removed < len(effects) - 1 else None,
        )
        for removed in range(len(effects))
    ]
    return analysis.StudyAnalysis(
        figures=[
            analysis.Figure(label="patients", published="72", reproduced="72", served=None),
            analysis.Figure(
                label="ECOG, per point: hazard ratio",
                published="2.142",
                reproduced="2.139",
                served="1.713",
            ),
        ],
        table_one_bands=[band.name for band in model.risk_bands.bands],
        table_one=[
            analysis.TableOneRow(
                label="Age, years", overall="45.5 [36,54]", by_band=["44.1", "47.3"], missing=3
            )
        ],
        univariate=effects,
        multivariable=effects,
        elimination=steps,
        median_survival_log_log=analysis.Interval(estimate=11.3, lower=7.2, upper=None),
        median_survival_study=analysis.Interval(estimate=11.3, lower=1.0, upper=22.9),
        median_follow_up=analysis.Interval(estimate=31.4, lower=26.5, upper=38.6),
        log_rank_p=0.00021,
    )


def _effects(model: PrognosticModel) -> list[analysis.Effect]:
    cox, z = model.cox, normal_quantile(0.95)
    errors = np.sqrt(np.diag(cox.covariance_per_unit))
    return [
        analysis.Effect(
            covariate=name,
            hazard_ratio=float(np.exp(beta)),
            lower=float(np.exp(beta - z * error)),
            upper=float(np.exp(beta + z * error)),
            p_value=float(np.exp(-0.7 * (beta / error) ** 2)),
        )
        for name, beta, error in zip(
            cox.design.names, cox.coefficients_per_unit, errors, strict=True
        )
    ]


def _penalty_path(model: PrognosticModel, unpenalised: PrognosticModel) -> analysis.PenaltyPath:
    names = model.cox.design.names
    strengths = [float(s) for s in 44 * np.logspace(-3, 2, 31)]
    return analysis.PenaltyPath(
        strengths=strengths,
        scores=[-161.0 - 1.7 * float((np.log10(s) - 1.2) ** 2) for s in strengths],
        chosen=strengths[17],
        covariates=list(names),
        coefficients=[
            [
                float(beta) / (1 + (strength / 20 if name != "ecog" else 0))
                for name, beta in zip(names, unpenalised.cox.coefficients, strict=True)
            ]
            for strength in strengths
        ],
    )


def _ecog_shape() -> analysis.EcogShape:
    forms = [
        ("per point", 1, -158.42, [0.6, 1.0, 1.7, 2.9, 4.9]),
        ("by risk band", 1, -158.91, [1.0, 1.0, 2.4, 2.4, 2.4]),
        ("monotone", 3, -157.33, [0.8, 1.0, 1.5, 3.6, 3.6]),
        ("per grade", 4, -157.12, [0.8, 1.0, 1.5, 3.9, 3.2]),
    ]
    return analysis.EcogShape(
        forms=[
            analysis.EcogForm(
                name=name,
                parameters=parameters,
                log_likelihood=value,
                aic=2 * parameters - 2 * value,
                hazard_ratios=ratios,
            )
            for name, parameters, value, ratios in forms
        ],
        linearity_p=0.461,
        conclusion="Per point is served: no other form is supported.",
    )


def _assumptions(model: PrognosticModel) -> analysis.Assumptions:
    rng = np.random.default_rng(3)
    names = model.cox.design.names
    months = [float(month) for month in model.cox.months]
    return analysis.Assumptions(
        proportional_hazards=[
            analysis.ProportionalHazardsTest(
                transform=transform,
                term=term,
                chi_square=3.917 if term == "ecog" and transform == "log" else 0.834,
                degrees_of_freedom=len(names) if term == "global" else 1,
                p_value=0.048 if term == "ecog" and transform == "log" else 0.361,
            )
            for transform in ("km", "rank", "identity", "log")
            for term in (*names, "global")
        ],
        schoenfeld=[
            analysis.Schoenfeld(
                covariate=name, months=months, residuals=rng.normal(0.4, 1, len(months)).tolist()
            )
            for name in names
        ],
        influence=[
            analysis.Influence(
                row=17,
                dfbetas_ecog=-0.471,
                largest_dfbetas=0.682,
                largest_covariate="ecog",
                martingale=-2.217,
            )
        ],
    )


def _validation() -> analysis.InternalValidation:
    measures = [("Harrell's C", None), ("time-dependent AUC", 12.0), ("calibration slope", None)]
    predicted = np.linspace(0.15, 0.85, 21)
    thresholds = np.linspace(0.05, 0.95, 37)
    return analysis.InternalValidation(
        resamples=997,
        failed=3,
        seed=41,
        performance=[
            analysis.Performance(
                measure=name,
                horizon_months=months,
                apparent=0.7213,
                optimism=0.0534,
                corrected=0.6679,
                lower=0.5872,
                upper=0.7461,
            )
            for name, months in measures
        ],
        calibration=[
            analysis.CalibrationCurve(
                horizon_months=months,
                groups=[
                    analysis.CalibrationPoint(
                        predicted=p, observed=p - 0.03, lower=p - 0.13, upper=p + 0.1, patients=18
                    )
                    for p in (0.24, 0.43, 0.61, 0.78)
                ],
                smooth_predicted=predicted.tolist(),
                smooth_observed=(0.9 * predicted + 0.03).tolist(),
                smooth_lower=(0.9 * predicted - 0.07).tolist(),
                smooth_upper=(0.9 * predicted + 0.13).tolist(),
            )
            for months in HORIZONS
        ],
        decision=analysis.NetBenefit(
            horizon_months=12.0,
            thresholds=thresholds.tolist(),
            model=(0.47 * (1 - thresholds) ** 1.2).tolist(),
            model_corrected=(0.45 * (1 - thresholds) ** 1.4).tolist(),
            everybody=(0.5 - 0.5 * thresholds / (1 - thresholds)).tolist(),
        ),
    )


def coverage(shift: float = 0.0) -> CoverageRecord:
    """Return results of a coverage simulation; a negative shift makes the intervals miss."""
    truths = {"only ECOG": 0.02, "weak": 0.0, "moderate": -0.013}
    candidates = {
        Candidate.CHOSEN: 0.921,
        Candidate.ABOUT_CHOSEN: 0.953,
        Candidate.BOOTSTRAP: 0.902,
    }
    return CoverageRecord(
        seed=613,
        patients=72,
        new_patients=1,
        confidence_level=0.95,
        search_repeats=1,
        search_strengths=10,
        resamples=200,
        notes=("A note on the simulation.",),
        truths=tuple(
            SimulatedTruth(
                name=name,
                log_hazard_ratios={"ecog": 0.76},
                datasets=2003,
                failed=4,
                withheld=0,
                mean_deaths=44.0,
                median_strength=20.0,
            )
            for name in truths
        ),
        cells=tuple(
            Cell(
                truth=truth,
                knowledge=knowledge,
                horizon_months=months,
                candidate=candidate,
                coverage=base + of_truth + shift,
                monte_carlo_error=0.0047,
                mean_width=0.413,
                rmse=0.11,
            )
            for truth, of_truth in truths.items()
            for knowledge in Knowledge
            for months in (12.0, 24.0)
            for candidate, base in candidates.items()
        ),
        worth=(),
        search_check=None,
    )
