"""Batches: over HTTP beside what they cannot do without, and files beside one pass over them."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # no stubs

from benchmarks.comparison import Contest
from benchmarks.peer import RSession
from benchmarks.serving_process import from_bytecode
from model import artifact
from model.column_prediction import predict_columns
from model.patient import COVARIATES
from service.batch.arrow_columns import check_schema, rows_of_batch
from service.predictions import PredictionRequest
from service.settings import SHIPPED_MODELS
from tests.faults.process import Victim

ARROW_ROWS, NDJSON_ROWS = 1_000_000, 100_000
FILE_ROWS = int(os.environ.get("BENCHMARK_FILE_ROWS", "10000000"))
"""Patients in the Parquet folder; fewer for a quick look."""

_ROWS_OF_A_BATCH = 65_536
_ROWS_OF_A_FILE = 1_000_000
_MEMORY_LIMIT_BYTES = 10**9
_TYPICAL = {
    "age_years": (18, 75),
    "bmi_kg_m2": (17, 38),
    "donor_chimerism_percent": (0, 100),
    "cd34_dose_10e6_per_kg": (1, 12),
    "hemoglobin_g_dl": (7, 14),
    "lymphocytes_10e9_l": (0, 4),
    "ldh_u_l": (120, 900),
    "ferritin_ng_ml": (50, 6000),
}


def patients(rows: int, seed: int = 1) -> pa.Table:
    """Return patients of whom everything is known."""
    rng = np.random.default_rng(seed)
    columns = {}
    for name, covariate in COVARIATES.items():
        if covariate.choices:
            values = np.array(covariate.choices)[rng.integers(0, 2, rows)]
        elif covariate.is_binary:
            values = rng.random(rows) < 0.4
        elif name == "ecog":
            values = rng.integers(0, 5, rows).astype(np.int8)
        else:
            values = np.round(rng.uniform(*_TYPICAL[name], rows), 2)
        columns[name] = pa.array(values)
    return pa.table(columns)


def contests(_: RSession) -> Iterator[Contest]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Victim(folder / "service", audit_url="off") as service:
            yield _arrow(service, folder)
            yield _ndjson(service, folder)
        yield _memory(folder)
        yield _files(folder)


def _arrow(service: Victim, folder: Path) -> Contest:
    path = folder / "patients.arrows"
    _write_arrow(path, ARROW_ROWS)
    model = artifact.load(SHIPPED_MODELS / "hsct2-os").model

    def in_process() -> float:
        start = perf_counter()
        with _one_thread(), pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            names = check_schema(stream.schema)
            for batch in stream:
                predict_columns(model, rows_of_batch(batch, names, 1).columns)
        return perf_counter() - start

    return Contest(
        f"Arrow batch over HTTP, {ARROW_ROWS:,} patients, no audit",
        "reading the file and computing",
        lambda: send(service.port, path, "application/vnd.apache.arrow.stream"),
        in_process,
        goal=1.5,
    )


def _ndjson(service: Victim, folder: Path) -> Contest:
    path = folder / "patients.ndjson"
    lines = [json.dumps(row).encode() for row in patients(NDJSON_ROWS).to_pylist()]
    path.write_bytes(b"\n".join(lines) + b"\n")
    array = b"[" + b",".join(lines) + b"]"
    adapter = TypeAdapter(list[PredictionRequest])

    def parse() -> float:
        start = perf_counter()
        adapter.validate_json(array)
        return perf_counter() - start

    return Contest(
        f"NDJSON batch over HTTP, {NDJSON_ROWS:,} patients, no audit",
        "pydantic list parsing",
        lambda: send(service.port, path, "application/x-ndjson"),
        parse,
        goal=2.0,
    )


def _memory(folder: Path) -> Contest:
    """Peak resident memory of a service that answers many rows, and one that answers few."""

    def peak(rows: int) -> float:
        path = folder / f"{rows}.arrows"
        if not path.exists():
            _write_arrow(path, rows)
        with (
            tempfile.TemporaryDirectory() as place,
            Victim(Path(place), audit_url="off") as service,
        ):
            send(service.port, path, "application/vnd.apache.arrow.stream")
            status = Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1e3

    return Contest(
        "peak memory, Arrow batch of 1,000,000",
        "of 200,000",
        lambda: peak(1_000_000),
        lambda: peak(200_000),
        unit="MB",
        goal=1.1,
    )


def _files(folder: Path) -> Contest:
    source, few = folder / "registry", folder / "few.parquet"
    source.mkdir()
    made = patients(_ROWS_OF_A_FILE)
    for number in range(max(1, FILE_ROWS // _ROWS_OF_A_FILE)):
        pq.write_table(made, source / f"{number:03}.parquet", row_group_size=250_000)
    pq.write_table(made[:1_000], few)
    model = artifact.load(SHIPPED_MODELS / "hsct2-os").model
    runs = iter(range(1_000))

    def command(given: Path) -> float:
        out = folder / f"out-{next(runs)}"
        start = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "predict", str(given), str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=from_bytecode(folder),
        )
        _limit(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = perf_counter() - start
        assert process.returncode == 0, "the command failed"
        assert used.ru_maxrss * 1024 < _MEMORY_LIMIT_BYTES, f"{used.ru_maxrss} kB"
        shutil.rmtree(out)
        return took

    def one_pass() -> float:
        start = perf_counter()
        for path in sorted(source.iterdir()):
            with _one_thread(), pq.ParquetFile(path) as file:
                names = check_schema(file.schema_arrow)
                for batch in file.iter_batches(_ROWS_OF_A_BATCH, use_threads=False):
                    predict_columns(model, rows_of_batch(batch, names, 1).columns)
        return perf_counter() - start

    command(few)  # makes the bytecode
    return Contest(
        f"python -m service predict, Parquet folder of {FILE_ROWS:,} patients",
        "one pass of pyarrow with the arithmetic",
        lambda: command(source),
        one_pass,
        goal=1.5,
        most_runs=1,
    )


def _one_thread() -> threadpool_limits:
    """Let numpy compute with one thread, as the service does: with two it is slower."""
    return threadpool_limits(1)


def _limit(pid: int) -> None:
    """Refuse a process more memory of its own than the limit, touched or not.

    What a file is mapped to, as libraries are, does not count here (`RLIMIT_DATA`); the most
    that was resident, all included, is looked at once the process has ended.
    """
    resource.prlimit(pid, resource.RLIMIT_DATA, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))


def send(port: int, path: Path, content_type: str) -> float:
    """Send a file as a batch, read the answer meanwhile, and return the seconds that it took."""
    head = (
        "POST /v1/predictions/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {path.stat().st_size}\r\n\r\n"
    )
    start = perf_counter()
    tail = b""
    with socket.create_connection(("127.0.0.1", port)) as connection, path.open("rb") as file:

        def give() -> None:
            connection.sendall(head.encode())
            connection.sendfile(file)

        sender = threading.Thread(target=give)
        sender.start()
        buffer = memoryview(bytearray(2**20))
        while read := connection.recv_into(buffer):
            tail = (tail + buffer[max(0, read - 1_500) : read])[-1_500:]
        sender.join()
    took = perf_counter() - start
    assert b'"complete":true' in tail.replace(b"\\", b""), "the answer is not complete"
    return took


def _write_arrow(path: Path, rows: int) -> None:
    made = patients(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, made.schema) as writer:
        writer.write_table(made, max_chunksize=_ROWS_OF_A_BATCH)
