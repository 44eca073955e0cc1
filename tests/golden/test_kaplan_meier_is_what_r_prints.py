"""The committed Kaplan-Meier values are what R prints for the data as they load today."""

import json
import subprocess
from pathlib import Path

from tests.golden.real_cohorts import write_all
from tests.golden.test_golden_is_what_r_prints import _differences, _rscript_with_survival

HERE = Path(__file__).parent


def test_r_prints_the_committed_kaplan_meier_values(tmp_path: Path):
    rscript = _rscript_with_survival()
    write_all(tmp_path)
    output = tmp_path / "kaplan_meier.json"
    run = subprocess.run(
        [rscript, "--vanilla", str(HERE / "kaplan_meier.R"), str(tmp_path), str(output)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(output.read_text(encoding="utf-8"), parse_int=float)
    committed = json.loads(
        (HERE / "kaplan_meier.json").read_text(encoding="utf-8"), parse_int=float
    )
    assert list(_differences(committed, printed)) == []
