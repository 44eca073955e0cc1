"""Seeded cohorts for tests: plausible patients with all twelve covariates, and their files.

The rows are invented for the tests and are not the shipped synthetic cohort. Survival
worsens with ECOG and with age; the times are tenths of a month, so that some are tied.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from model.patient import COVARIATES, Patient, Value
from training.cohort import Cohort, Declaration
from training.fit import FittedModel, Options, fit_model

Row = dict[str, Value]

DECLARATION: dict[str, object] = {
    "name": "Test cohort",
    "institution": "None",
    "synthetic": True,
    "end_of_follow_up": "2024-06-30",
}


def rows(n: int = 160, seed: int = 34) -> list[Row]:
    """Return patients with outcome, nothing unknown."""
    rng = np.random.default_rng(seed)
    frailty = rng.normal(size=n)
    ecog = np.searchsorted([-0.7, 0.35, 1.05, 1.9], 0.7 * frailty + 0.75 * rng.normal(size=n))
    age = np.clip(np.round(rng.normal(45, 14, n)), 18, 75)
    disease = rng.random(n) < 0.36
    hemoglobin = np.round(np.clip(rng.normal(10, 1.3, n) - 0.9 * frailty, 6, 16), 1)
    ldh = np.round(np.exp(rng.normal(5.5, 0.4, n) + 0.35 * frailty))
    ferritin = np.round(np.exp(rng.normal(7.0, 0.7, n) + 0.7 * frailty))
    lymphocytes = np.round(np.maximum(np.exp(rng.normal(-0.2, 0.7, n) - 0.5 * frailty) - 0.1, 0), 2)
    hazard = 0.035 * np.exp(0.45 * (ecog - 1) + 0.015 * (age - 45) + 0.25 * frailty)
    death_months = rng.weibull(0.8, n) / hazard
    censoring = rng.uniform(6, 70, n)
    months = np.maximum(np.round(np.minimum(death_months, censoring), 1), 0.1)
    columns: dict[str, list[Value]] = {
        "ecog": ecog.tolist(),
        "age_years": age.tolist(),
        "bmi_kg_m2": np.round(rng.normal(25, 4, n), 1).tolist(),
        "disease": ["ALL" if d else "AML" for d in disease],
        "conditioning": [
            "myeloablative" if m else "reduced_intensity" for m in rng.random(n) < 1.2 - age / 60
        ],
        "post_transplant_cyclophosphamide": (rng.random(n) < 0.35).tolist(),
        "donor_chimerism_percent": np.round(100 * rng.beta(4, 1.5, n), 1).tolist(),
        "cd34_dose_10e6_per_kg": np.round(np.exp(rng.normal(1.7, 0.4, n)), 2).tolist(),
        "hemoglobin_g_dl": hemoglobin.tolist(),
        "lymphocytes_10e9_l": lymphocytes.tolist(),
        "ldh_u_l": ldh.tolist(),
        "ferritin_ng_ml": ferritin.tolist(),
        "os_months": months.tolist(),
        "death": (death_months <= censoring).astype(int).tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def cohort_of(table: Sequence[Row]) -> Cohort:
    """Return rows as a checked cohort, without a file."""
    names = tuple(name for name in COVARIATES if name in table[0])
    numbers = [Patient.model_validate({n: row[n] for n in names}).numbers(names) for row in table]
    return Cohort(
        declaration=Declaration(name="Test cohort", institution="None", synthetic=True),
        names=names,
        numbers=np.array(numbers),
        months=np.array([float(row["os_months"]) for row in table]),
        death=np.array([row["death"] == 1 for row in table]),
        complete_remission=None,
        findings=(),
    )


@cache
def fitted(penalty: float = 8.0) -> FittedModel:
    """Return the twelve covariates fitted with a given ridge penalty."""
    return fit_model(cohort_of(rows()), Options(penalty=penalty))


def cell(value: Value | None) -> str:
    """Write a value as a cell of a CSV file."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def csv_text(table: Sequence[Mapping[str, Value | None]], end_of_line: str = "\n") -> str:
    """Write rows as CSV."""
    lines = [list(table[0]), *([cell(value) for value in row.values()] for row in table)]
    return "".join(",".join(line) + end_of_line for line in lines)


def write_cohort(
    folder: Path, content: str | bytes, declaration: object = DECLARATION, name: str = "cohort"
) -> Path:
    """Write ``NAME.csv`` and its declaration; return the path of the CSV."""
    path = folder / f"{name}.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / f"{name}.cohort.json").write_text(json.dumps(declaration), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as text."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
