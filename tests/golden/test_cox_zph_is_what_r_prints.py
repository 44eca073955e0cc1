"""The committed values of ``cox.zph`` and of the study's route are what R prints today."""

import json
import subprocess
from pathlib import Path

from tests.golden.real_cohorts import write_all
from tests.golden.test_golden_is_what_r_prints import _differences, _rscript_with_survival
from training.cohort import SHIPPED_COHORT

HERE = Path(__file__).parent


def test_r_prints_the_committed_tests_of_proportional_hazards(tmp_path: Path):
    rscript = _rscript_with_survival()
    write_all(tmp_path)
    output = tmp_path / "cox_zph.json"
    script = str(HERE / "cox_zph.R")
    run = subprocess.run(
        [rscript, "--vanilla", script, str(tmp_path), str(SHIPPED_COHORT), str(output)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(output.read_text(encoding="utf-8"), parse_int=float)
    committed = json.loads((HERE / "cox_zph.json").read_text(encoding="utf-8"), parse_int=float)
    assert list(_differences(committed, printed)) == []
