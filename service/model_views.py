"""What is said of a served model."""

from pydantic import BaseModel, ConfigDict, Field

from model.analysis import Figure, InternalValidation
from model.answer import ObservedContrast
from model.artifact import Artifact
from model.kaplan_meier import KaplanMeier
from model.manifest import CohortProvenance, EcogEffect, Finding, Recalibration, Validation
from service.predictions import ServedModel

_LEVEL = 0.95


class ModelSummary(ServedModel):
    """A served model."""

    title: str
    default: bool = Field(description="whether it answers calls that name no model")
    covariates: list[str]


class ObservedCurve(BaseModel):
    """A Kaplan-Meier curve as parallel lists, with 95 % log-log limits."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    months: list[float]
    probability: list[float]
    lower: list[float | None]
    upper: list[float | None]
    at_risk: list[int]


class ObservedBand(BaseModel):
    """A risk category and what was observed in it."""

    model_config = ConfigDict(frozen=True)

    category: str
    lowest_ecog: int
    highest_ecog: int
    patients: int
    deaths: int
    curve: ObservedCurve | None
    contrast: ObservedContrast | None


class ModelDetail(ModelSummary):
    """A served model with its provenance and what was observed in its cohort."""

    last_months: float = Field(description="beyond this time nothing is predicted")
    ridge_penalty: float
    cohort: CohortProvenance
    validations: list[Validation]
    recalibration: Recalibration | None
    internal_validation: InternalValidation | None = Field(
        description="performance and calibration on the training cohort, optimism taken away;"
        " null where it was not done"
    )
    findings: list[Finding]
    ecog_effects: list[EcogEffect] = Field(
        description="published, reproduced and served hazard ratio per point of ECOG"
    )
    study_figures: list[Figure] = Field(
        description="the study's figures: as published, as this cohort gives them, as served;"
        " empty where the study's analysis was not done"
    )
    observed: ObservedCurve
    bands: list[ObservedBand]


def summarise(artifact: Artifact, *, is_default: bool) -> ModelSummary:
    """Return what a list of models says of an artifact."""
    return ModelSummary(
        **dict(ServedModel.of(artifact)),
        title=artifact.manifest.title,
        default=is_default,
        covariates=artifact.manifest.covariates,
    )


def detail(artifact: Artifact, *, is_default: bool) -> ModelDetail:
    """Return everything that is said of an artifact."""
    manifest, model, study = artifact.manifest, artifact.model, artifact.analysis.study
    last = model.cox.last_months
    return ModelDetail(
        **dict(summarise(artifact, is_default=is_default)),
        last_months=last,
        ridge_penalty=manifest.ridge_penalty,
        cohort=manifest.cohort,
        validations=manifest.validations,
        recalibration=manifest.recalibration,
        internal_validation=artifact.analysis.validation,
        findings=manifest.findings,
        ecog_effects=manifest.ecog_effects,
        study_figures=study.figures if study else [],
        observed=_curve(model.cox.observed, last),
        bands=[
            ObservedBand(
                category=band.name,
                lowest_ecog=band.lowest,
                highest_ecog=band.highest,
                patients=band.patients,
                deaths=band.deaths,
                curve=_curve(band.observed, last) if band.observed else None,
                contrast=ObservedContrast(**vars(band.contrast)) if band.contrast else None,
            )
            for band in model.risk_bands.bands
        ],
    )


def _curve(observed: KaplanMeier, last_months: float) -> ObservedCurve:
    months = [0.0, *(m for m in observed.months.tolist() if m <= last_months)]
    estimates = [e for m in months if (e := observed.at(m, _LEVEL))]
    return ObservedCurve(
        months=months,
        probability=[e.estimate for e in estimates if e.estimate is not None],
        lower=[e.lower for e in estimates],
        upper=[e.upper for e in estimates],
        at_risk=[observed.at_risk_at(m) for m in months],
    )
