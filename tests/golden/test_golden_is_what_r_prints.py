"""The committed reference values are what R prints for the data as they load today."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden import hand_worked
from tests.golden.real_cohorts import COHORTS, PATIENTS, write_all
from training.cohort import SHIPPED_COHORT

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def golden() -> Any:
    """Return the committed values."""
    return json.loads((HERE / "cox.json").read_text(encoding="utf-8"))


def _rscript_with_survival() -> str:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("Rscript is not installed: the reference values were not computed anew")
    found = subprocess.run(
        [rscript, "-e", "quit(status = !requireNamespace('survival', quietly = TRUE))"],
        check=False,
        capture_output=True,
    )
    if found.returncode != 0:
        pytest.skip("R has no package survival: the reference values were not computed anew")
    return rscript


def _differences(committed: Any, printed: Any, at: str = "") -> Iterator[str]:
    if isinstance(committed, dict) and isinstance(printed, dict):
        if committed.keys() != printed.keys():
            yield f"{at}: other keys"
            return
        for key, value in committed.items():
            yield from _differences(value, printed[key], f"{at}/{key}")
    elif isinstance(committed, list) and isinstance(printed, list):
        if len(committed) != len(printed):
            yield f"{at}: {len(printed)} values where {len(committed)} are committed"
            return
        for i, (one, other) in enumerate(zip(committed, printed, strict=True)):
            yield from _differences(one, other, f"{at}/{i}")
    elif isinstance(committed, float) and isinstance(printed, int | float):
        if not math.isclose(committed, printed, rel_tol=1e-9):
            yield f"{at}: {printed!r} where {committed!r} is committed"
    elif committed != printed:
        yield f"{at}: {printed!r} where {committed!r} is committed"


@pytest.fixture(scope="module")
def public_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the public data as cohort files."""
    folder = tmp_path_factory.mktemp("public")
    write_all(folder)
    return folder


def _measured_by_survival_alone(committed: Any) -> Any:
    """Leave out what needs R's rms and riskRegression: bootstrap, and Brier and AUC once more."""
    return {
        "judged": [
            {key: value for key, value in judged.items() if not key.startswith("score_")}
            for judged in committed["judged"]
        ]
    }


@pytest.mark.parametrize(
    ("name", "before_output", "after_output", "part"),
    [
        ("cox", [], [], None),
        ("kaplan_meier", [], [], None),
        ("residuals", [], [], None),
        ("cox_zph", [str(SHIPPED_COHORT)], [], None),
        ("validation", [], ["measures"], _measured_by_survival_alone),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_r_prints_the_committed_values(
    name: str,
    before_output: list[str],
    after_output: list[str],
    part: Callable[[Any], Any] | None,
    public_data: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "printed.json"
    script = [_rscript_with_survival(), "--vanilla", str(HERE / f"{name}.R")]
    run = subprocess.run(
        [*script, str(public_data), *before_output, str(output), *after_output],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(output.read_text(encoding="utf-8"), parse_int=float)
    committed = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"), parse_int=float)
    assert list(_differences(part(committed) if part else committed, printed)) == []


def test_a_change_in_the_ninth_digit_is_noticed(golden: Any) -> None:
    changed = json.loads(json.dumps(golden))
    changed["fits"][0]["survival"][1][2] *= 1 + 2e-9
    assert len(list(_differences(golden, changed))) == 1


@pytest.mark.parametrize("name", list(COHORTS))
def test_golden_times_and_patients_are_those_of_the_cohort(name: str, golden: Any) -> None:
    rows = COHORTS[name]()
    cohort = golden["cohorts"][name]
    assert cohort["rows"] == len(rows)
    assert cohort["deaths"] == sum(int(row["death"]) for row in rows)
    assert cohort["patients"] == PATIENTS[name]
    deaths = {float(row["os_months"]) for row in rows if row["death"]}
    followed = sorted(float(row["os_months"]) for row in rows)
    before, between, at_a_death, at_a_censoring, last = cohort["months"]
    assert before < min(deaths)
    assert between not in followed
    assert at_a_death in deaths
    assert at_a_censoring in followed
    assert at_a_censoring not in deaths
    assert last == followed[-5]
    for fit in golden["fits"]:
        if fit["cohort"] == name:
            assert fit["baseline"]["months"] == sorted(deaths)


@pytest.mark.parametrize(
    ("ties", "derived"), [("breslow", hand_worked.breslow), ("efron", hand_worked.efron)]
)
def test_the_hand_worked_example_agrees_with_r(
    ties: str, derived: Callable[[], hand_worked.HandWorked], golden: Any
) -> None:
    by_hand = derived()
    by_r = golden["hand_worked"][ties]
    for name in (
        "coefficient",
        "score_at_zero",
        "information_at_zero",
        "information",
        "log_likelihood_at_zero",
        "log_likelihood",
        "cumulative_hazard",
    ):
        assert getattr(by_hand, name) == pytest.approx(by_r[name], rel=1e-12, abs=0), name
    at_0, at_1 = by_r["variance_of_survival"]
    assert by_hand.variance_of_survival_at_0 == pytest.approx(at_0, rel=1e-12, abs=0)
    assert by_hand.variance_of_survival_at_1 == pytest.approx(at_1, rel=1e-12, abs=0)
