"""Artifacts that are well formed but wrong: their digests match whatever is put in."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model import artifact, plain_values
from model.analysis import Analysis
from model.artifact import MANIFEST, MODEL, Documents
from model.manifest import (
    CohortProvenance,
    EcogEffect,
    Estimated,
    Finding,
    Manifest,
    Validation,
)
from tests.cohorts import fitted
from training.card.build import build_card

COHORT = CohortProvenance(
    name="Test cohort",
    institution="None",
    synthetic=True,
    end_of_follow_up="2024-06-30",
    sha256="0" * 64,
    patients=160,
    deaths=100,
)
PROVENANCE = Manifest(
    format_version=1,
    id="test-os",
    version="1.0.0",
    title="A model for tests: größer ≥ 0",
    covariates=list(fitted().model.cox.design.names),
    ties="efron",
    ridge_penalty=8.0,
    cohort=COHORT,
    validations=[],
    findings=[Finding(code="empty_column", message="bmi_kg_m2 has no value and is left out")],
    ecog_effects=[EcogEffect(source="here", hazard_ratio=1.5, lower=1.1, upper=2.0)],
    seed=1,
    library_versions={"numpy": "2"},
    files={},
)
VALIDATION = Validation(
    cohort=COHORT,
    concordance=Estimated(estimate=0.7, lower=0.6, upper=0.8),
    calibration_slope=Estimated(estimate=0.9, lower=0.5, upper=1.3),
    observed_expected=[],
)
CARD = "# Model card\n\nGrüße, ≥ 18 years\n"


def documents(manifest: Manifest = PROVENANCE) -> Documents:
    """Return the documents of an artifact; its card must be that of the manifest."""
    card = build_card(manifest, fitted().model, Analysis())
    return Documents(card=CARD, card_json=card.model_dump_json(), report="<p>Report: ≥ 0</p>\n")


def save(folder: Path, manifest: Manifest = PROVENANCE) -> artifact.Artifact:
    """Write a sound artifact."""
    return artifact.save(folder, manifest, fitted().model, Analysis(), documents(manifest))


def put(folder: Path, name: str, content: bytes) -> None:
    """Write a file of an artifact with its digest, as an author of malice would."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def spoil(folder: Path, change: Callable[[Any], None]) -> None:
    """Change the plain values of a saved model in place."""
    plain = plain_values.load((folder / MODEL).read_bytes())
    change(plain)
    put(folder, MODEL, plain_values.dump(plain))


def edit_manifest(folder: Path, change: Callable[[Any], None]) -> None:
    """Change the manifest of a saved model in place."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
