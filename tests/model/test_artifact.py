"""The artifact: what is written is read back to the bit, and anything off is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model import artifact, plain_values
from model.artifact import CARD as CARD_FILE
from model.artifact import CARD_JSON, MANIFEST, MODEL, REPORT
from model.errors import ArtifactError
from model.manifest import NOT_VALIDATED_NOTICE, SYNTHETIC_NOTICE
from model.patient import Patient
from model.prediction import predict
from tests.cohorts import fitted
from tests.model import artifacts

FILES = (CARD_FILE, CARD_JSON, MANIFEST, MODEL, REPORT)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "test-os"
    artifacts.save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def reason(folder: Path) -> str:
    with pytest.raises(ArtifactError) as refused:
        artifact.load(folder)
    return str(refused.value)


def test_an_artifact_round_trips_bit_for_bit(saved: Path, tmp_path: Path):
    loaded = artifact.load(saved)
    again = artifact.save(
        tmp_path / "again", loaded.manifest, loaded.model, loaded.analysis, loaded.documents
    )
    assert {path.name for path in saved.iterdir()} == set(FILES)
    for name in FILES:
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert again.sha256 == loaded.sha256
    assert loaded.documents.card == artifacts.CARD
    assert loaded.manifest.title == artifacts.PROVENANCE.title


def test_a_loaded_model_predicts_what_the_fitted_one_does(saved: Path):
    loaded = artifact.load(saved).model
    for patient in (Patient(ecog=1), Patient(ecog=4, age_years=33.5, disease="ALL")):
        assert predict(loaded, patient) == predict(fitted().model, patient)


def test_every_array_is_read_back_to_the_bit(saved: Path):
    loaded, original = artifact.load(saved).model.cox, fitted().model.cox
    for name in ("coefficients", "covariance", "months", "hazard", "hazard_mean", "penalty"):
        ours, theirs = getattr(loaded, name), getattr(original, name)
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()


def test_both_scales_are_stored(saved: Path):
    plain: Any = plain_values.load((saved / MODEL).read_bytes())
    cox = fitted().model.cox
    per_unit = plain["per_unit"]["coefficients"]
    np.testing.assert_allclose(per_unit * cox.design.sd, cox.coefficients, rtol=1e-15)
    np.testing.assert_array_equal(plain["cox"]["coefficients"], cox.coefficients)


def test_saving_replaces_an_older_artifact_whole(folder: Path):
    (folder / "left-over.txt").write_text("old", encoding="utf-8")
    artifacts.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_digest_is_that_of_the_manifest(folder: Path):
    before = artifact.load(folder).sha256
    artifacts.edit_manifest(folder, lambda manifest: manifest.update(title="Another"))
    assert artifact.load(folder).sha256 != before


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    assert reason(folder) == f"{name} cannot be read (No such file or directory)"


def test_a_missing_folder_is_refused(tmp_path: Path):
    assert "cannot be read" in reason(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [CARD_FILE, MODEL])
@pytest.mark.parametrize("at", [0.0, 0.3, 0.7, 0.999])
def test_one_altered_byte_is_refused(folder: Path, name: str, at: float):
    content = bytearray((folder / name).read_bytes())
    content[int(at * len(content))] ^= 1
    (folder / name).write_bytes(content)
    assert reason(folder) == f"{name} is not the file that the manifest describes (SHA-256)"


@pytest.mark.parametrize("name", [CARD_FILE, MODEL])
def test_an_altered_digest_is_refused(folder: Path, name: str):
    artifacts.edit_manifest(folder, lambda manifest: manifest["files"].update({name: "0" * 64}))
    assert name in reason(folder)


@pytest.mark.parametrize("name", [CARD_FILE, MODEL])
def test_a_file_without_digest_is_refused(folder: Path, name: str):
    artifacts.edit_manifest(folder, lambda manifest: manifest["files"].pop(name))
    assert reason(folder) == f"{name} is not the file that the manifest describes (SHA-256)"


def test_a_file_that_an_artifact_does_not_have_is_refused(folder: Path):
    artifacts.put(folder, "run_me.py", b"print('CANARY')")
    assert reason(folder) == "the manifest lists files that an artifact does not have"


@pytest.mark.parametrize("version", [0, 2, 999_999_999])
def test_another_format_version_is_named_even_where_the_rest_is_unknown(folder: Path, version: int):
    artifacts.edit_manifest(folder, lambda m: m.update(format_version=version, novelty=1))
    assert reason(folder) == f"the artifact has format version {version}; this reads 1"


@pytest.mark.parametrize("version", ["9" * 5000, "1e400", "1.5", '"1"', "null", "-1", "[]"])
def test_a_format_version_that_is_none_is_refused(folder: Path, version: str):
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    changed = text.replace('"format_version": 1', f'"format_version": {version}')
    assert changed != text
    (folder / MANIFEST).write_text(changed, encoding="utf-8")
    assert reason(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.pop("seed"), "seed"),
        (lambda m: m.update(id="../../etc"), "id"),
        (lambda m: m.update(version="one"), "version"),
        (lambda m: m["cohort"].update(patients="many"), "cohort.patients"),
        (lambda m: m.update(author="CANARY"), "author"),
        (lambda m: m["files"].update({MODEL: "zz"}), f"files.{MODEL}"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused_by_field(folder: Path, change: Any, named: str):
    artifacts.edit_manifest(folder, change)
    assert reason(folder) == f"{MANIFEST} is not valid: {named}"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, content: bytes):
    (folder / MANIFEST).write_bytes(content)
    assert reason(folder) == f"{MANIFEST} is not valid: the whole"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_a_manifest_holds_finite_numbers(folder: Path, text: str):
    content = (folder / MANIFEST).read_text(encoding="utf-8")
    changed = content.replace('"ridge_penalty": 8.0', f'"ridge_penalty": {text}')
    assert changed != content
    (folder / MANIFEST).write_text(changed, encoding="utf-8")
    assert reason(folder) == f"{MANIFEST} is not valid: ridge_penalty"


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_wherever_it_ends(folder: Path, name: str):
    content = (folder / name).read_bytes()
    for end in {0, 1, *range(2, len(content) - 1, max(1, len(content) // 40)), len(content) - 3}:
        (folder / name).write_bytes(content[:end])
        assert reason(folder)


def test_a_truncated_model_with_its_own_digest_is_refused_wherever_it_ends(folder: Path):
    content = (folder / MODEL).read_bytes()
    for end in {*range(200), *range(0, len(content), 199), len(content) - 1}:
        artifacts.put(folder, MODEL, content[:end])
        assert "model file" in reason(folder)


def test_a_card_that_is_not_text_is_refused(folder: Path):
    artifacts.put(folder, CARD_FILE, b"\xff\xfe\x00")
    assert reason(folder) == f"{CARD_FILE} is not UTF-8 text"


def test_covariates_other_than_the_manifests_are_refused(folder: Path):
    artifacts.edit_manifest(folder, lambda m: m["covariates"].reverse())
    assert reason(folder) == "the model's covariates are not those of its manifest"


def test_a_synthetic_cohort_is_always_told():
    manifest = artifacts.PROVENANCE
    assert manifest.notice == SYNTHETIC_NOTICE
    validated = manifest.model_copy(update={"validations": [artifacts.VALIDATION]})
    assert validated.notice == SYNTHETIC_NOTICE


def test_a_real_cohort_is_not_validated_until_a_validation_is_recorded():
    real = artifacts.PROVENANCE.cohort.model_copy(update={"synthetic": False})
    manifest = artifacts.PROVENANCE.model_copy(update={"cohort": real})
    assert manifest.notice == NOT_VALIDATED_NOTICE
    validated = manifest.model_copy(update={"validations": [artifacts.VALIDATION]})
    assert validated.notice is None


def test_nothing_in_an_artifact_tells_when_it_was_written(saved: Path, tmp_path: Path):
    artifacts.save(tmp_path / "later")
    for name in FILES:
        assert (tmp_path / "later" / name).read_bytes() == (saved / name).read_bytes()
    assert "files" in json.loads((saved / MANIFEST).read_bytes())
