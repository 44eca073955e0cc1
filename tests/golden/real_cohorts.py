"""Public research data in the columns of our cohorts, for comparison with R.

The data come out of the packages that carry them; none are committed. They are
not transplant data: where a covariate of ours does not exist, another one stands
in for it, so that every transform and coding is exercised on real values.

``python -m tests.golden.real_cohorts OUTDIR`` writes what ``cox.R`` reads: for each
name ``NAME.csv``, ``NAME.cohort.json`` and ``NAME.patients.csv``.
"""

import csv
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lifelines.datasets import load_lung
from sksurv.datasets import load_veterans_lung_cancer

from model.patient import Value

Row = dict[str, Value]

DAYS_A_MONTH = 30.4375


def lung() -> list[Row]:
    """Return the NCCTG lung cancer patients whose four covariates below are all known.

    `ecog` is the physician's ECOG grade and `age_years` the age. Stand-ins:
    `post_transplant_cyclophosphamide` is true for women, `ferritin_ng_ml` is the
    calories eaten at meals (positive and skewed: it exercises the logarithm).
    """
    table = load_lung().dropna(subset=["ph.ecog", "age", "sex", "meal.cal"])
    columns = (table[name].tolist() for name in COLUMNS_OF_LUNG)
    return [
        {
            "ecog": int(ecog),
            "age_years": float(age),
            "post_transplant_cyclophosphamide": sex == 2,
            "ferritin_ng_ml": float(calories),
            "os_months": _months(days),
            "death": int(death),
        }
        for ecog, age, sex, calories, days, death in zip(*columns, strict=True)
    ]


def lung_in_whole_months() -> list[Row]:
    """Return `lung` with the follow-up rounded up to whole months: up to 15 deaths at a time."""
    return [{**row, "os_months": float(math.ceil(float(row["os_months"])))} for row in lung()]


def veteran() -> list[Row]:
    """Return the Veterans' Administration lung cancer patients, none of whom has a gap.

    `ecog` comes from the Karnofsky score by its usual equivalence, `age_years` is the
    age. Stand-ins: `disease` is ALL for patients treated before, `conditioning` is
    myeloablative in the test arm, `ldh_u_l` is the months since diagnosis (1 to 87).
    """
    table, outcome = load_veterans_lung_cancer()
    columns = (table[name].tolist() for name in COLUMNS_OF_VETERAN)
    return [
        {
            "ecog": _ecog(karnofsky),
            "age_years": float(age),
            "disease": "ALL" if treated_before == "yes" else "AML",
            "conditioning": "myeloablative" if arm == "test" else "reduced_intensity",
            "ldh_u_l": float(months),
            "os_months": _months(days),
            "death": int(death),
        }
        for karnofsky, age, treated_before, arm, months, death, days in zip(
            *columns,
            outcome["Status"].tolist(),
            outcome["Survival_in_days"].tolist(),
            strict=True,
        )
    ]


COLUMNS_OF_LUNG = ("ph.ecog", "age", "sex", "meal.cal", "time", "status")
COLUMNS_OF_VETERAN = (
    "Karnofsky_score",
    "Age_in_years",
    "Prior_therapy",
    "Treatment",
    "Months_from_Diagnosis",
)

COHORTS: dict[str, Callable[[], list[Row]]] = {
    "lung": lung,
    "lung_in_whole_months": lung_in_whole_months,
    "veteran": veteran,
}

INSTITUTIONS = {
    "lung": "North Central Cancer Treatment Group",
    "lung_in_whole_months": "North Central Cancer Treatment Group",
    "veteran": "Veterans' Administration",
}

# Every grade, both values of each binary, and last a patient outside the range of the
# training values in more than one covariate: there the interval is mostly V's.
_PATIENTS_OF_LUNG: list[Row] = [
    {
        "ecog": ecog,
        "age_years": age,
        "post_transplant_cyclophosphamide": female,
        "ferritin_ng_ml": calories,
    }
    for ecog, age, female, calories in (
        (0, 44.0, True, 1225.0),
        (1, 63.5, True, 975.0),
        (2, 71.0, False, 384.0),
        (4, 85.0, False, 3000.0),
    )
]
_PATIENTS_OF_VETERAN: list[Row] = [
    {
        "ecog": ecog,
        "age_years": age,
        "disease": disease,
        "conditioning": conditioning,
        "ldh_u_l": months,
    }
    for ecog, age, disease, conditioning, months in (
        (0, 38.0, "ALL", "reduced_intensity", 3.0),
        (1, 62.5, "AML", "myeloablative", 5.0),
        (3, 49.0, "ALL", "myeloablative", 28.0),
        (4, 90.0, "AML", "reduced_intensity", 120.0),
    )
]
PATIENTS: dict[str, list[Row]] = {
    "lung": _PATIENTS_OF_LUNG,
    "lung_in_whole_months": _PATIENTS_OF_LUNG,
    "veteran": _PATIENTS_OF_VETERAN,
}


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write the rows with a header; a boolean is written as true or false."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    name: str(value).lower() if isinstance(value, bool) else value
                    for name, value in row.items()
                }
            )


def write_declaration(name: str, institution: str, folder: Path) -> Path:
    """Write ``NAME.cohort.json``, which declares the rows of ``NAME.csv`` to be real."""
    path = folder / f"{name}.cohort.json"
    declared = {
        "name": name,
        "institution": institution,
        "synthetic": False,
        "end_of_follow_up": None,
    }
    path.write_text(json.dumps(declared, indent=2) + "\n", encoding="utf-8")
    return path


def write_cohort(name: str, folder: Path) -> Path:
    """Write one of `COHORTS` with its declaration and return the path of the CSV."""
    path = folder / f"{name}.csv"
    write_csv(COHORTS[name](), path)
    write_declaration(name, INSTITUTIONS[name], folder)
    return path


def write_all(folder: Path) -> None:
    """Write every cohort, its declaration and the patients to predict for."""
    for name in COHORTS:
        write_cohort(name, folder)
        write_csv(PATIENTS[name], folder / f"{name}.patients.csv")


def _months(days: float) -> float:
    # Four decimals tell days apart (one is 0.0329) and are short enough for R and Python
    # to read the same double: with all seventeen digits R's reader can miss the last bit,
    # and a time would then no longer be exactly a death time.
    return round(days / DAYS_A_MONTH, 4)


def _ecog(karnofsky: float) -> int:
    # Scores between the tens (75, 85, 99) go with the band they have reached.
    bands = ((90, 0), (70, 1), (50, 2), (30, 3))
    return next((grade for least, grade in bands if karnofsky >= least), 4)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_all(target)
