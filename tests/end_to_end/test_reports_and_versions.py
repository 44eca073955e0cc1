"""``python -m training report`` and ``validate``, as a centre's statistician uses them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from model import artifact
from tests.cohorts import csv_text, rows, write_cohort
from training.__main__ import app

pytestmark = pytest.mark.slow


def training(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    cohort = write_cohort(folder, csv_text(rows(120)))
    done = training("fit", cohort, "--out", folder / "models", "--alpha", 20, "--bootstrap", 8)
    assert done.exit_code == 0, done.stderr
    return folder / "models"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("other"), csv_text(rows(90, seed=8)))


def test_a_report_is_rendered_anew_elsewhere(models: Path, tmp_path: Path) -> None:
    before = (models / "hsct2-os" / artifact.REPORT).read_bytes()
    done = training("report", models / "hsct2-os", "--out", tmp_path / "report.html")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "report.html").read_bytes() == before


def test_a_report_is_not_written_into_the_artifact(models: Path) -> None:
    folder = models / "hsct2-os"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = training("report", folder, "--out", folder / artifact.REPORT)
    assert done.exit_code == 1
    assert "write the new one elsewhere" in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_validation_is_printed_and_recorded_where_asked(
    models: Path, other: Path, tmp_path: Path
) -> None:
    done = training("validate", models / "hsct2-os", other)
    assert done.exit_code == 0, done.stderr
    for measure in ("Harrell's C", "calibration slope", "observed / expected deaths, 12 months"):
        assert measure in done.stdout
    assert training("validate", models / "hsct2-os", other, "--out", tmp_path / "v").exit_code == 0
    (validation,) = artifact.load(tmp_path / "v").manifest.validations
    assert validation.cohort.patients == 90


def test_a_recalibrated_version_is_written_only_where_asked(
    models: Path, other: Path, tmp_path: Path
) -> None:
    refused = training("validate", models / "hsct2-os", other, "--recalibrate")
    assert refused.exit_code == 1
    assert "--out" in refused.stderr
    done = training(
        "validate", models / "hsct2-os", other, "--recalibrate", "--out", tmp_path / "v"
    )
    assert done.exit_code == 0, done.stderr
    manifest = artifact.load(tmp_path / "v").manifest
    assert (manifest.version, manifest.recalibration is not None) == ("1.1.0", True)


def test_the_training_cohort_is_called_what_it_is(models: Path) -> None:
    done = training("validate", models / "hsct2-os", models.parent / "cohort.csv")
    assert "this is the training cohort" in done.stdout


def test_an_altered_artifact_is_refused(models: Path, other: Path, tmp_path: Path) -> None:
    folder = tmp_path / "altered"
    folder.mkdir()
    for path in (models / "hsct2-os").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / artifact.CARD).write_text("changed")
    for command in (("report", folder, "--out", tmp_path / "r"), ("validate", folder, other)):
        done = training(*command)
        assert done.exit_code == 1
        assert "SHA-256" in done.stderr
        assert "Traceback" not in done.stderr
