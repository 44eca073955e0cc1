"""Table 1: the cohort's covariates, over all patients and by risk band."""

import numpy as np
import pandas as pd
from tableone import TableOne

from model.analysis import TableOneRow
from model.patient import COVARIATES, Kind
from model.risk import RiskBands
from training.cohort import Cohort


def describe_cohort(cohort: Cohort, bands: RiskBands) -> list[TableOneRow]:
    """Return the lines of Table 1: counts, or medians with quartiles, by risk band."""
    inhabited = [band.name for band in bands.bands if band.patients]
    columns, categorical = _columns(cohort)
    ecog = cohort.numbers[:, cohort.names.index("ecog")]
    group = [bands.of(int(grade)).name for grade in ecog]
    labels = [name for name in columns if name not in categorical]
    described = TableOne(
        pd.DataFrame({**columns, "band": group}),
        columns=list(columns),
        categorical=categorical,
        nonnormal=labels,
        groupby="band",
        missing=True,
        decimals=1,
    ).tableone
    described.columns = described.columns.get_level_values(-1)
    # Of a variable's levels only the first line holds its count of missing values.
    missing = pd.to_numeric(described["Missing"], errors="coerce").fillna(0).astype(int)
    return [
        TableOneRow(
            label=" ".join(part.rstrip(",") for part in index if part),
            overall=str(line["Overall"]),
            by_band=[str(line[band]) for band in inhabited],
            missing=int(count),
        )
        for (index, line), count in zip(described.iterrows(), missing, strict=True)
    ]


def _columns(cohort: Cohort) -> tuple[dict[str, list[object]], list[str]]:
    """Return labelled columns, unknown values None, and which of them are categorical."""
    columns: dict[str, list[object]] = {}
    categorical: list[str] = []
    for position, name in enumerate(cohort.names):
        covariate = COVARIATES[name]
        unit = f", {covariate.unit}" if covariate.unit else ""
        label = covariate.label + unit
        columns[label] = [
            None if np.isnan(number) else covariate.from_number(float(number))
            for number in cohort.numbers[:, position]
        ]
        if covariate.kind is not Kind.NUMBER:
            columns[label] = [None if v is None else str(v) for v in columns[label]]
            categorical.append(label)
    if cohort.complete_remission is not None:
        columns["Complete remission"] = [
            None if np.isnan(v) else ("yes" if v else "no") for v in cohort.complete_remission
        ]
        categorical.append("Complete remission")
    return columns, categorical
