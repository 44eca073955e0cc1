"""Models with their manifests, for the tests of cards."""

from dataclasses import replace
from functools import cache

from model.analysis import (
    Analysis,
    EcogShape,
    Imputation,
    InternalValidation,
    Interval,
    MissingValues,
    Performance,
    StudyAnalysis,
)
from model.card import ModelCard
from model.manifest import (
    CohortProvenance,
    EcogEffect,
    Estimated,
    Finding,
    Manifest,
    ObservedExpected,
    Validation,
)
from model.prediction import PrognosticModel
from tests.cohorts import cohort_of, fitted, rows
from tests.golden.real_cohorts import lung, veteran
from training.card.build import build_card
from training.fit import Options, fit_model

VALIDATION = InternalValidation(
    resamples=1000,
    failed=3,
    seed=7,
    performance=[
        Performance(
            measure="Harrell's C",
            horizon_months=None,
            apparent=0.7114,
            optimism=0.0312,
            corrected=0.6802,
            lower=0.6012,
            upper=0.7544,
        ),
        Performance(
            measure="Brier",
            horizon_months=12.0,
            apparent=0.1911,
            optimism=-0.0113,
            corrected=0.2024,
            lower=0.1801,
            upper=0.2222,
        ),
    ],
    calibration=[],
    decision=None,
)

NOT_REACHED = Interval(estimate=11.0, lower=7.25, upper=None)

STUDY = StudyAnalysis(
    figures=[],
    table_one_bands=[],
    table_one=[],
    univariate=[],
    multivariable=[],
    elimination=[],
    median_survival_log_log=NOT_REACHED,
    median_survival_study=NOT_REACHED,
    median_follow_up=Interval(estimate=31.5, lower=20.0, upper=44.0),
    log_rank_p=0.02,
)

IMPUTATION = Imputation(
    imputations=20,
    incomplete_patients=9,
    covariates=[MissingValues(covariate="ldh_u_l", missing=9)],
    relative_variance_increase={"ldh_u_l": 0.1},
)

SHAPE = EcogShape(forms=[], linearity_p=0.4, conclusion="per point is enough.")

FULL_ANALYSIS = Analysis(
    study=STUDY, validation=VALIDATION, imputation=IMPUTATION, ecog_shape=SHAPE
)


@cache
def model_of(which: str) -> PrognosticModel:
    """Return a model of all covariates, of ECOG alone, or of real data without a penalty."""
    if which == "all":
        return fitted().model
    if which == "ecog":
        return fit_model(cohort_of(rows()).with_covariates(("ecog",)), Options()).model
    table = {"lung": lung, "veteran": veteran}[which]()
    return fit_model(cohort_of(table), Options(penalty=0.0)).model


def early(model: PrognosticModel, factor: float, later: float = 0.0) -> PrognosticModel:
    """Return a model whose times are multiplied and moved."""
    observed = model.cox.observed
    moved = replace(
        model.cox,
        months=model.cox.months * factor + later,
        observed=replace(observed, months=observed.months * factor + later),
    )
    return replace(model, cox=moved)


def provenance(*, synthetic: bool = True, name: str = "Test cohort") -> CohortProvenance:
    """Return a cohort as a manifest describes it."""
    return CohortProvenance(
        name=name,
        institution="Test institution",
        synthetic=synthetic,
        end_of_follow_up="2024-06-30",
        sha256="0" * 64,
        patients=160,
        deaths=112,
    )


def manifest_of(
    model: PrognosticModel,
    *,
    cohort: CohortProvenance | None = None,
    validated: bool = False,
    published: bool = False,
    findings: list[Finding] | None = None,
) -> Manifest:
    """Return the manifest that a release would write."""
    effect = EcogEffect(source="served by this model", hazard_ratio=1.4, lower=1.1, upper=1.7)
    study = EcogEffect(
        source="published: 72 patients", hazard_ratio=2.142, lower=1.061, upper=4.326
    )
    return Manifest(
        format_version=1,
        id="hsct2-os",
        version="1.2.3",
        title="Overall survival after HSCT2",
        covariates=list(model.cox.design.names),
        ties="efron",
        ridge_penalty=float(model.cox.penalty.max()),
        cohort=cohort or provenance(),
        validations=[
            Validation(
                cohort=provenance(synthetic=False, name="Other centre"),
                concordance=Estimated(estimate=0.6612, lower=0.58, upper=0.74),
                calibration_slope=Estimated(estimate=0.91, lower=0.4, upper=1.42),
                observed_expected=[
                    ObservedExpected(
                        horizon_months=12,
                        ratio=Estimated(estimate=1.08, lower=0.9, upper=1.3),
                    )
                ],
            )
        ]
        if validated
        else [],
        findings=findings or [],
        ecog_effects=[study, effect] if published else [effect],
        seed=7,
        library_versions={"numpy": "2.0.0", "joblib": "1.6.0"},
        files={},
    )


@cache
def card_of(which: str) -> ModelCard:
    """Return the card of a model on a synthetic cohort, without an analysis."""
    model = model_of(which)
    return build_card(manifest_of(model), model, Analysis())
