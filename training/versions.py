"""New versions of an artifact: with a validation recorded, and perhaps recalibrated."""

from pathlib import Path

from model import artifact
from model.artifact import Artifact
from model.errors import ArtifactError
from model.manifest import EcogEffect, Manifest, Recalibration, Validation
from model.prediction import PrognosticModel, ecog_hazard_ratio
from training.cohort import Cohort
from training.release import document
from training.validation.external import recalibrate


def write_next_version(
    before: Artifact,
    cohort: Cohort,
    validation: Validation,
    folder: Path,
    *,
    recalibrated: bool,
    version: str | None = None,
) -> Artifact:
    """Write a new version of an artifact beside the old one, which is not touched.

    The default version is the next patch where predictions stay as they are, the next
    minor where the model is recalibrated. A validation on the training cohort itself is
    none and is not recorded; neither is that of the model before it was recalibrated
    to the very same cohort.

    Raises
    ------
    ArtifactError
        If the folder exists, or there is nothing to record.
    FitError
        If the cohort does not support a recalibration.
    """
    if folder.exists():
        raise ArtifactError(f"{folder.name} exists; a version is never written over")
    manifest, model = before.manifest, before.model
    is_training = validation.cohort.sha256 == manifest.cohort.sha256
    if is_training:
        raise ArtifactError("the cohort is the training cohort: this is no validation")
    changes: dict[str, object] = {"version": version or _next(manifest.version, recalibrated)}
    if recalibrated:
        adjusted = recalibrate(before, cohort)
        model = adjusted.model
        changes["recalibration"] = Recalibration(
            cohort=validation.cohort,
            from_version=manifest.version,
            slope=adjusted.slope,
            baseline_scale=adjusted.baseline_scale,
        )
        changes["ecog_effects"] = [*manifest.ecog_effects, _served(model)]
        changes["validations"] = []
    else:
        changes["validations"] = [*manifest.validations, validation]
    after = Manifest.model_validate({**dict(manifest), **changes})
    documents = document(after, model, before.analysis)
    return artifact.save(folder, after, model, before.analysis, documents)


def _next(version: str, recalibrated: bool) -> str:
    major, minor, patch = map(int, version.split("."))
    return f"{major}.{minor + 1}.0" if recalibrated else f"{major}.{minor}.{patch + 1}"


def _served(model: PrognosticModel) -> EcogEffect:
    reference = model.risk_bands.ecog_reference
    ratio = ecog_hazard_ratio(model, reference + 1, 0.95)
    assert ratio.estimate is not None
    assert ratio.lower is not None
    assert ratio.upper is not None
    return EcogEffect(
        source="served by this version, recalibrated",
        hazard_ratio=ratio.estimate,
        lower=ratio.lower,
        upper=ratio.upper,
    )
