"""A Dask cluster of real processes, one of which is killed midway."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.ports import free_port
from tests.server import ROOT, environment, run_service
from tests.service.batch.batches import invented

PARTS, ROWS = 40, 4_000


@contextmanager
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield started
    finally:
        for process in started:
            process.kill()  # a worker whose scheduler has gone takes its time to end
        for process in started:
            process.wait(timeout=20)


def begin(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
            cwd=ROOT,
            env=environment() | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing_and_nothing_counts_twice(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(PARTS):
        pq.write_table(invented(ROWS, number), source / f"p{number:02}.parquet")
    address = f"tcp://127.0.0.1:{free_port()}"
    with processes() as started:
        scheduler = ["dask_scheduler", "--host", address, "--no-dashboard", "--no-show"]
        started.append(begin(scheduler, tmp_path / "scheduler.log"))
        worker = ["dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        for number in range(2):
            local = ["--local-directory", str(tmp_path / f"local-{number}")]
            started.append(begin([*worker, *local], tmp_path / f"worker-{number}.log"))
        job = subprocess.Popen(
            [sys.executable, "-m", "service", "predict", str(source), str(out),
             "--cluster", address],
            cwd=ROOT,
            env=environment(),
            stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(job)
        end = time.monotonic() + 120
        while len(list(out.glob("*.done.json"))) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(started[1].pid, signal.SIGKILL)
        assert len(list(out.glob("*.done.json"))) < PARTS
        _, told = job.communicate(timeout=180)
    said = told.decode()
    assert job.returncode == 0, said
    assert f"{PARTS * ROWS} patients, 0 of them with errors" in said
    written = sorted(out.glob("*.parquet"))
    assert len(written) == PARTS
    alone = tmp_path / "alone"
    assert run_service("predict", str(source), str(alone)).returncode == 0
    for path in written:
        read, expected = pq.read_table(path), pq.read_table(alone / path.name)
        assert read["row"].equals(expected["row"])
        assert read["category"].equals(expected["category"])
        for name in ("survival_12", "lower_24", "upper_6"):
            assert read[name].to_numpy() == pytest.approx(expected[name].to_numpy(), rel=1e-9)
