"""What the command line says of a file that is no cohort: everything, and no traceback."""

from pathlib import Path

import pytest

from tests.cohorts import csv_text, rows, write_cohort
from tests.end_to_end.conftest import run_training

pytestmark = pytest.mark.slow

REAL = {"name": "Ward", "institution": "Elsewhere", "synthetic": False}


def broken(folder: Path) -> Path:
    table = [{**row} for row in rows(40)]
    lines = csv_text(table).splitlines()
    header = lines[0].split(",")

    def spoil(line: int, column: str, text: str) -> None:
        cells = lines[line - 1].split(",")
        cells[header.index(column)] = text
        lines[line - 1] = ",".join(cells)

    spoil(2, "ecog", "5")
    spoil(3, "ecog", "")
    spoil(4, "age_years", "Zebedee")
    spoil(4, "os_months", "-7313717")
    spoil(5, "death", "yes")
    spoil(6, "disease", "CML")
    lines[7] += ",Zebedee"
    return write_cohort(folder, "\n".join(lines), REAL)


EVERYTHING = [
    "row 2, ecog: Input is grade 5, dead: a prognosis exists for grades 0 to 4 only",
    "row 3, ecog: is empty, and is never imputed",
    "row 4, age_years: Input should be a number",
    "row 4, os_months: must be a number above 0",
    "row 5, death: must be 0 or 1",
    "row 6, disease: Input should be 'AML' or 'ALL'",
    "row 8: 15 cells, the header has 14",
]


@pytest.mark.parametrize("command", ["check", "fit"])
def test_every_problem_of_a_broken_file_is_named_and_nothing_is_written(
    command: str, tmp_path: Path
) -> None:
    file = broken(tmp_path)
    out = tmp_path / "models"
    options: list[str | Path] = ["--out", out] if command == "fit" else []
    run = run_training(command, file, *options)
    assert run.returncode == 1
    assert run.stderr.splitlines() == [*EVERYTHING, "cohort.csv cannot be used: 7 problems"]
    assert "Traceback" not in run.stdout + run.stderr
    for value in ("Zebedee", "7313717", "CML"):
        assert value not in run.stdout + run.stderr
    assert not out.exists()


def test_a_spreadsheet_without_a_declaration_is_told_both(tmp_path: Path) -> None:
    file = tmp_path / "cohort.csv"
    file.write_bytes(b"PK\x03\x04" + bytes(200))
    run = run_training("check", file)
    assert run.returncode == 1
    assert "cohort.cohort.json: No such file or directory" in run.stderr
    assert "cohort.csv: a spreadsheet; save it as CSV (UTF-8)" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_cohort_that_cannot_be_fitted_leaves_the_older_models_alone(tmp_path: Path) -> None:
    out = tmp_path / "models"
    good = write_cohort(tmp_path, csv_text(rows(60)), name="good")
    assert run_training("fit", good, "--out", out, "--alpha", "5").returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {path.name for path in before} >= {"manifest.json", "model.joblib", "MODEL_CARD.md"}
    no_deaths = write_cohort(
        tmp_path, csv_text([{**row, "death": 0} for row in rows(60)]), name="alive"
    )
    run = run_training("fit", no_deaths, "--out", out)
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert "death" in run.stderr
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_good_cohort_passes_the_check_and_is_summed_up(tmp_path: Path) -> None:
    table = [{**row, "Ward": "7"} for row in rows(60)]
    deaths = sum(int(row["death"]) for row in table)
    run = run_training("check", write_cohort(tmp_path, csv_text(table), REAL))
    assert run.returncode == 0, run.stderr
    assert f"60 patients, {deaths} deaths, 12 covariates: ecog, age_years" in run.stdout
    assert "ignored_columns: 1 columns are not part of the model" in run.stdout
