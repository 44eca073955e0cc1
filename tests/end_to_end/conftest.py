"""Public research data, fitted by the command line and served: what comes back over HTTP."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.golden.real_cohorts import COHORTS, write_cohort
from tests.server import ROOT, Server, environment

GOLDEN: Any = json.loads((ROOT / "tests" / "golden" / "cox.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Fit:
    """One of R's fits, and the version under which ours is served."""

    golden: Any
    version: str

    @property
    def name(self) -> str:
        return f"{self.golden['cohort']}-{self.golden['ties']}-{max(self.golden['penalty']):g}"


# The penalised fits once with each way to handle ties; a fit takes seconds.
_PENALISED = {("lung", "efron"), ("lung_in_whole_months", "breslow")}
FITS = [
    Fit(golden, f"1.{i}.0")
    for i, golden in enumerate(GOLDEN["fits"])
    if not any(golden["penalty"]) or (golden["cohort"], golden["ties"]) in _PENALISED
]


def run_training(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``python -m training`` to its end, on a terminal wide enough for whole lines."""
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=ROOT,
        env=environment() | {"COLUMNS": "400"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="session")
def real_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit every cohort as R did and return a folder with all models, as versions of one."""
    folder = tmp_path_factory.mktemp("real")
    for name in COHORTS:
        write_cohort(name, folder)
    models = folder / "models"
    models.mkdir()
    for fit in FITS:
        out = folder / fit.name
        run = run_training(
            "fit",
            folder / f"{fit.golden['cohort']}.csv",
            *("--out", out),
            *("--alpha", f"{max(fit.golden['penalty']):g}"),
            *("--ties", fit.golden["ties"]),
            *("--model-version", fit.version),
            *("--bootstrap", "0"),  # it changes no number that R has
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert {path.name for path in out.iterdir()} == {"hsct2-os", "hsct2-os-ecog"}
        shutil.move(out / "hsct2-os", models / fit.name)
    return models


@pytest.fixture(scope="session")
def real(real_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve them."""
    log = tmp_path_factory.mktemp("end_to_end") / "log"
    with Server(log, models=real_models) as server, server.client() as client:
        yield client
