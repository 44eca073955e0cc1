"""Invented patients with all twelve covariates, as many as are asked for."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peer import RSession
from model.patient import COVARIATES, Transform
from training.cohort import Cohort, Declaration

Floats = NDArray[np.float64]


def cohort(n: int, seed: int = 72) -> Cohort:
    """Return patients of whom about six in ten die, and most times differ."""
    rng = np.random.default_rng(seed)
    names = tuple(COVARIATES)
    columns = []
    for name in names:
        if name == "ecog":
            columns.append(rng.choice(5, n, p=[0.25, 0.4, 0.2, 0.1, 0.05]).astype(float))
        elif COVARIATES[name].is_binary:
            columns.append((rng.random(n) < 0.4).astype(float))
        elif COVARIATES[name].transform is Transform.IDENTITY:
            columns.append(rng.normal(50, 10, n))
        else:
            columns.append(np.exp(rng.normal(3, 0.8, n)))
    numbers = np.column_stack(columns)
    hazard = 0.04 * np.exp(0.5 * (numbers[:, 0] - 1) + 0.02 * (numbers[:, 1] - 50))
    died, censored = rng.exponential(1 / hazard), rng.uniform(2, 60, n)
    return Cohort(
        declaration=Declaration(name="Benchmark", institution="None", synthetic=True),
        names=names,
        numbers=numbers,
        months=np.minimum(died, censored),
        death=died <= censored,
        complete_remission=None,
        findings=(),
    )


def give_to_r(r: RSession, name: str, design: Floats, of: Cohort) -> None:
    """Make a data frame in R of a design, shape (n, 12), with `time` and `death`."""
    table = np.column_stack([design, of.months, of.death])
    header = ",".join([*(f"x{k + 1}" for k in range(design.shape[1])), "time", "death"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        np.savetxt(path, table, delimiter=",", header=header, comments="", fmt="%.17g")
        r.ask(f'{{ {name} <- read.csv("{path}"); nrow({name}) }}')
