"""`python -m service predict`: whole files, restarts, side files of errors, workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.server import ROOT, environment, run_service
from tests.service.batch.batches import PARQUET, answer_of, invented, ndjson, parquet, post

ROWS = 300


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of patients in every form, three of whom are refused."""
    folder = tmp_path_factory.mktemp("registry")
    pq.write_table(invented(ROWS), folder / "a.parquet", row_group_size=100)
    (folder / "b.csv").write_text("ecog,age_years\n1,41\n9,4\n2,\n")
    (folder / "c.ndjson").write_bytes(ndjson([{"ecog": 1}, {"ecog": 1, "x": 2}, [], {"ecog": 0}]))
    (folder / "notes.txt").write_text("no patients")
    return folder


@pytest.fixture(scope="module")
def predicted(registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicted") / "out"
    done = run_service("predict", str(registry), str(out))
    assert done.returncode == 0, done.stderr
    assert "not stored in the audit store" in done.stderr
    assert f"{ROWS + 7} patients, 3 of them with errors" in done.stderr
    return out


def test_a_file_says_what_a_batch_over_http_says(
    registry: Path, predicted: Path, client: httpx.Client
) -> None:
    rows, _ = answer_of(post(client, parquet(invented(ROWS)), PARQUET))
    written = pq.read_table(predicted / "a-00000.parquet").to_pylist()
    assert [row["row"] for row in written] == list(range(1, ROWS + 1))
    for row, other in zip(written, rows, strict=True):
        assert (row["category"], row["imputed"]) == (other["category"], other["imputed"])
        assert row["survival_12"] == pytest.approx(other["survival_12"], rel=1e-9)
        assert row["lower_24"] == pytest.approx(other["lower_24"], rel=1e-9)


def test_what_was_refused_is_beside_the_rows(predicted: Path) -> None:
    [refused] = map(json.loads, (predicted / "b.errors.ndjson").read_text().splitlines())
    assert refused["row"] == 2
    assert [error["field"] for error in refused["errors"]] == ["ecog"]
    told = map(json.loads, (predicted / "c.errors.ndjson").read_text().splitlines())
    assert [error["row"] for error in told] == [2, 3]
    assert (predicted / "b.csv").read_text().splitlines()[2] == "2" + "," * 11
    lines = [json.loads(line) for line in (predicted / "c.ndjson").read_text().splitlines()]
    assert [line["category"] for line in lines] == ["standard", None, None, "standard"]
    summary = json.loads((predicted / "summary.json").read_text())
    assert summary == {
        "rows": ROWS + 7, "errors": 3, "parts": 3, "failed": [], "complete": True
    }  # fmt: skip


def test_again_does_nothing_anew_and_another_job_is_refused(
    registry: Path, predicted: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in predicted.glob("*.parquet")}
    again = run_service("predict", str(registry), str(predicted))
    assert again.returncode == 0
    assert "3 parts, 3 of them done before" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    other = run_service("predict", str(registry), str(predicted), "--confidence-level", "0.9")
    assert other.returncode == 1
    assert "confidence_level differ" in other.stderr
    stranger = run_service("predict", str(registry / "b.csv"), str(registry))
    assert "not of a job" in stranger.stderr


def test_workers_give_the_same_and_the_form_can_be_chosen(
    registry: Path, predicted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run_service("predict", str(registry), str(out), "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {path.name for path in predicted.iterdir()}
    assert (out / "summary.json").read_bytes() == (predicted / "summary.json").read_bytes()
    assert (out / "c.errors.ndjson").read_bytes() == (predicted / "c.errors.ndjson").read_bytes()
    ours, theirs = (pq.read_table(folder / "a-00000.parquet") for folder in (out, predicted))
    assert ours["category"].equals(theirs["category"])
    assert ours["lower_12"].to_numpy() == pytest.approx(theirs["lower_12"].to_numpy(), rel=1e-9)
    one = tmp_path / "one"
    options = ("--format", "csv", "--model", "hsct2-os-ecog", "--horizon-months", "3")
    assert run_service("predict", str(registry / "a.parquet"), str(one), *options).returncode == 0
    header, *rows = (one / "a-00000.csv").read_text().splitlines()
    assert header == "row,category,survival_3,lower_3,upper_3,imputed"
    assert len(rows) == ROWS


def test_files_that_cannot_be_predicted_do_not_keep_others(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "good.csv").write_text("ecog\n1\n")
    (source / "header.csv").write_text("ecog,ag_years,Zebedee Smith\n1,2,3\n")
    (source / "cut.parquet").write_bytes(parquet(invented(20))[:-30])
    pq.write_table(pa.table({"ecog": ["1"]}), source / "types.parquet")
    done = run_service("predict", str(source), str(out))
    assert done.returncode == 1
    assert "did you mean age_years" in done.stderr
    assert "cut.parquet: not a whole Parquet file" in done.stderr
    assert "types.parquet: ecog: must hold whole numbers" in done.stderr
    assert "Zebedee" not in done.stderr
    assert (out / "good.csv").exists()
    assert not json.loads((out / "summary.json").read_text())["complete"]
    assert [p for p in out.iterdir() if p.name.startswith(".")] == []
    nothing = run_service("predict", str(tmp_path / "none"), str(tmp_path / "x"))
    assert nothing.returncode == 1
    assert "no file that ends in" in nothing.stderr
    no_model = run_service("predict", str(source), str(tmp_path / "y"), "--model", "none")
    assert "there is no such model" in no_model.stderr


def test_a_cluster_that_does_not_answer_is_told(registry: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    done = run_service(
        "predict", str(registry), str(tmp_path / "o"), "--cluster", "tcp://127.0.0.1:9"
    )
    assert done.returncode == 1
    assert "no Dask scheduler answers" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_killed_job_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    made = invented(8_000)
    for number in range(8):
        pq.write_table(made, source / f"p{number}.parquet")
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "predict", str(source), str(out)],
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while len(list(out.glob("*.done.json"))) < 2 and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    before: dict[Path, Any] = {
        path: path.stat().st_mtime_ns for path in map(_output_of, out.glob("*.done.json"))
    }
    assert 2 <= len(before) < 8
    assert all(pq.read_metadata(path).num_rows == 8_000 for path in out.glob("*.parquet"))
    again = run_service("predict", str(source), str(out))
    assert again.returncode == 0, again.stderr
    assert f"8 parts, {len(before)} of them done before" in again.stderr
    assert "64000 patients" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet")) == 64_000
    os.utime(source / "p0.parquet")
    assert "input differ" in run_service("predict", str(source), str(out)).stderr


def _output_of(done: Path) -> Path:
    return done.with_name(done.name.replace(".done.json", ".parquet"))
