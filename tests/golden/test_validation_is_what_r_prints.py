"""The committed values of the validation are what R prints for the data as they load today."""

import json
import subprocess
from pathlib import Path

from tests.golden.real_cohorts import write_all
from tests.golden.test_golden_is_what_r_prints import _differences, _rscript_with_survival

HERE = Path(__file__).parent


def test_r_prints_the_committed_measures(tmp_path: Path):
    rscript = _rscript_with_survival()
    write_all(tmp_path)
    output = tmp_path / "validation.json"
    run = subprocess.run(
        [rscript, "--vanilla", str(HERE / "validation.R"), str(tmp_path), str(output), "measures"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(output.read_text(encoding="utf-8"), parse_int=float)
    committed = json.loads((HERE / "validation.json").read_text(encoding="utf-8"), parse_int=float)
    # The same Brier and AUC by other packages, and rms's bootstrap, need more than `survival`.
    by_survival_alone = [
        {key: value for key, value in judged.items() if not key.startswith("score_")}
        for judged in committed["judged"]
    ]
    assert list(_differences({"judged": by_survival_alone}, printed)) == []
