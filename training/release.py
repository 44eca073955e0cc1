"""Fit both served models to a cohort, and write them as artifacts with their documents."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from model import artifact
from model.analysis import Analysis
from model.artifact import Artifact, Documents
from model.errors import ArtifactError, FitError
from model.kaplan_meier import normal_quantile
from model.manifest import FORMAT_VERSION, EcogEffect, Finding, Manifest
from model.patient import COVARIATES
from model.prediction import PrognosticModel
from training.analysing import Resampling, analyse_model
from training.card.build import build_card
from training.card.render import render_markdown
from training.cohort import Cohort, is_shipped
from training.coverage.record import committed_coverage
from training.fit import FittedModel, Options, check_cohort, fit_model
from training.provenance import provenance
from training.report import render_report
from training.study.figures import PUBLISHED

FULL_MODEL = "hsct2-os"
ECOG_MODEL = "hsct2-os-ecog"

_TITLES = {
    FULL_MODEL: "Overall survival after HSCT2, ECOG with a ridge on all other covariates",
    ECOG_MODEL: "Overall survival after HSCT2 by ECOG alone",
}
_LIBRARIES = ("joblib", "numpy", "scikit-learn", "scikit-survival", "scipy")


@dataclass(frozen=True)
class Release:
    """One artifact as written, and how it compares with what stood there before."""

    artifact: Artifact
    folder: Path
    comparison: str


def release(
    cohort: Cohort, out: Path, options: Options, resampling: Resampling, model_version: str
) -> Iterator[Release]:
    """Fit, analyse and write the models, one folder each below `out`.

    The full model is left out where ECOG is the cohort's only covariate.

    Raises
    ------
    FitError
        If a model cannot be fitted; nothing is written then.
    """
    fitted = {
        model_id: fit_model(
            cohort if model_id == FULL_MODEL else cohort.with_covariates(("ecog",)), options
        )
        for model_id in models_of(cohort)
    }
    unpenalised = _unpenalised_ecog(cohort, options)
    analysed = {
        model_id: analyse_model(_prepared(cohort, fit), fit, options, resampling)
        for model_id, fit in fitted.items()
    }
    for model_id, fit in fitted.items():
        analysis, found = analysed[model_id]
        manifest = _manifest(model_id, model_version, cohort, options, fit, unpenalised, found)
        folder = out / model_id
        comparison = _compare(folder, fit, manifest)
        written = artifact.save(
            folder, manifest, fit.model, analysis, document(manifest, fit.model, analysis)
        )
        yield Release(written, folder, comparison)


def models_of(cohort: Cohort) -> list[str]:
    """Return the ids of the models that a cohort gives: of ECOG alone there is only one."""
    return [ECOG_MODEL] if cohort.names == ("ecog",) else [FULL_MODEL, ECOG_MODEL]


def document(manifest: Manifest, model: PrognosticModel, analysis: Analysis) -> Documents:
    """Render what people and programs read of a model."""
    card = build_card(manifest, model, analysis)
    coverage = committed_coverage() if manifest.id == FULL_MODEL else None
    return Documents(
        card=render_markdown(card),
        card_json=card.model_dump_json(indent=2) + "\n",
        report=render_report(manifest, model, analysis, coverage),
    )


def _prepared(cohort: Cohort, fit: FittedModel) -> Cohort:
    """Return the cohort as it was fitted: its columns and order, its gaps where it has any."""
    return check_cohort(cohort.with_covariates(fit.completed[0].names)).in_canonical_order()


def _unpenalised_ecog(cohort: Cohort, options: Options) -> EcogEffect | None:
    """Return ECOG's effect among all covariates without a penalty, the study's model."""
    if cohort.names == ("ecog",):
        return None
    try:
        fit = fit_model(cohort, replace(options, penalty=0.0))
    except FitError:
        return None
    count = len(fit.model.cox.design.names)
    return _ecog_effect(fit, f"this cohort, {count} covariates, no penalty")


def _ecog_effect(fit: FittedModel, source: str) -> EcogEffect:
    cox = fit.model.cox
    column = cox.design.names.index("ecog")
    log_ratio = float(cox.coefficients_per_unit[column])
    half_width = normal_quantile(0.95) * float(cox.covariance_per_unit[column, column]) ** 0.5
    ratio, lower, upper = np.exp([log_ratio, log_ratio - half_width, log_ratio + half_width])
    return EcogEffect(
        source=source, hazard_ratio=float(ratio), lower=float(lower), upper=float(upper)
    )


def _manifest(
    model_id: str,
    model_version: str,
    cohort: Cohort,
    options: Options,
    fit: FittedModel,
    unpenalised: EcogEffect | None,
    found: list[Finding],
) -> Manifest:
    lower, upper = PUBLISHED.ecog_limits
    published = EcogEffect(
        source="published: 72 patients, 12 covariates, no penalty",
        hazard_ratio=PUBLISHED.ecog_hazard_ratio,
        lower=lower,
        upper=upper,
    )
    return Manifest(
        format_version=FORMAT_VERSION,
        id=model_id,
        version=model_version,
        title=_TITLES[model_id],
        covariates=list(fit.model.cox.design.names),
        ties=options.ties.value,
        ridge_penalty=float(fit.model.cox.penalty.max()),
        cohort=provenance(cohort),
        validations=[],
        findings=[*fit.findings, *_findings_of_ecog(cohort, fit), *found],
        ecog_effects=[
            *([published] if is_shipped(cohort) else []),
            *([unpenalised] if unpenalised else []),
            _ecog_effect(fit, "served by this model"),
        ],
        seed=options.seed,
        library_versions={
            "python": platform.python_version(),
            "processor": platform.machine(),
            **{name: version(name) for name in _LIBRARIES},
        },
        files={},
    )


def _findings_of_ecog(cohort: Cohort, fit: FittedModel) -> Iterator[Finding]:
    counts = fit.model.risk_bands.patients_by_grade
    absent = [str(grade) for grade, count in enumerate(counts) if count == 0]
    if absent:
        yield Finding(
            code="ecog_grade_absent",
            message=f"no patient has ECOG {', '.join(absent)}: predictions there are extrapolated",
        )
    missing = [name for name in COVARIATES if name not in cohort.names]
    if missing:
        yield Finding(
            code="covariates_absent",
            message=f"the cohort does not have {', '.join(missing)}",
        )


def _compare(folder: Path, fit: FittedModel, manifest: Manifest) -> str:
    """Say how a new fit compares with the artifact that it replaces."""
    try:
        before = artifact.load(folder)
    except ArtifactError:
        return "new"
    old, new = before.model.cox, fit.model.cox
    if old.design.names != new.design.names or len(old.months) != len(new.months):
        return "another model than the one it replaces"
    pairs = [
        (getattr(old, name), getattr(new, name))
        for name in ("coefficients", "covariance", "months", "hazard", "hazard_variance")
    ]
    worst = max(float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-12))) for a, b in pairs)
    if worst == 0 and before.manifest.version == manifest.version:
        return "the same numbers, bit for bit, as the artifact it replaces"
    within = "within" if worst <= 1e-9 else "beyond"
    return f"differs from the artifact it replaces by {worst:.1e}, {within} 1e-9"
