"""Batches of patients for tests, in every form, and what their answers hold."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.patient import COVARIATES
from tests.server import FULL_PATIENT

PATH = "/v1/predictions/batch"
JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

PATIENTS: list[dict[str, Any]] = [
    FULL_PATIENT,
    {"ecog": 0},
    {"ecog": 4, "age_years": 33.25, "disease": "AML", "post_transplant_cyclophosphamide": False},
    {"ecog": 1, "lymphocytes_10e9_l": 0.0, "conditioning": "myeloablative"},
]

_TYPES = {
    "ecog": pa.int8(),
    "disease": pa.string(),
    "conditioning": pa.string(),
    "post_transplant_cyclophosphamide": pa.bool_(),
    "subject_reference": pa.string(),
}


def table(
    patients: Sequence[Mapping[str, Any]], types: Mapping[str, Any] | None = None
) -> pa.Table:
    """Return patients as a table of the columns that any of them has."""
    chosen = {**_TYPES, **(types or {})}
    names = [n for n in (*COVARIATES, "subject_reference") if any(n in p for p in patients)]
    columns = {
        name: pa.array([p.get(name) for p in patients], chosen.get(name, pa.float64()))
        for name in names
    }
    return pa.table(columns)


def invented(rows: int, seed: int = 7) -> pa.Table:
    """Return patients of whom a third of the values is unknown."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for name, covariate in COVARIATES.items():
        unknown = rng.random(rows) < (0 if name == "ecog" else 1 / 3)
        if covariate.choices:
            values = np.array(covariate.choices)[rng.integers(0, 2, rows)]
        elif covariate.is_binary:
            values = rng.random(rows) < 0.5
        elif name == "ecog":
            values = rng.integers(0, 5, rows)
        else:
            low, high = covariate.accepted or (0, 1)
            values = rng.uniform(low, low + (high - low) / 4, rows)
        columns[name] = pa.array(values, mask=unknown)
    return pa.table(columns)


def arrow(of: pa.Table, rows_at_once: int = 1_000) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, of.schema) as writer:
        writer.write_table(of, max_chunksize=rows_at_once)
    return sink.getvalue()


def parquet(of: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(of, sink, **options)
    return sink.getvalue()


def ndjson(patients: Sequence[Any]) -> bytes:
    return "".join(json.dumps(patient) + "\n" for patient in patients).encode()


def as_csv(of: pa.Table) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(of.column_names)
    writer.writerows(row.values() for row in of.to_pylist())
    return text.getvalue().encode()


def in_form(patients: Sequence[Mapping[str, Any]], form: str) -> bytes:
    """Return patients in a form."""
    if form == JSON:
        return json.dumps(patients).encode()
    if form == NDJSON:
        return ndjson(patients)
    return {CSV: as_csv, ARROW: arrow, PARQUET: parquet}[form](table(patients))


def post(
    client: httpx.Client, content: Any, form: str, query: str = "", **headers: str
) -> httpx.Response:
    return client.post(f"{PATH}{query}", content=content, headers={"Content-Type": form, **headers})


def answer_of(response: httpx.Response) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows and the summary of an answer in any form, errors as lists."""
    assert response.status_code == 200, response.text
    form = response.headers["Content-Type"].partition(";")[0]
    if form == JSON:
        body = response.json()
        return body["predictions"], body["summary"]
    if form == NDJSON:
        *rows, last = [json.loads(line) for line in response.text.splitlines()]
        return rows, last["summary"]
    if form == CSV:
        *records, last = list(csv.DictReader(io.StringIO(response.text)))
        rows = [{k: _cell(k, v) for k, v in r.items()} for r in records]
    else:
        opened = pa.ipc.open_stream if form == ARROW else pq.ParquetFile
        read = opened(io.BytesIO(response.content))
        found = read.read_all() if form == ARROW else read.read()
        *rows, last = found.to_pylist()
        for row in rows:
            row["error"] = json.loads(row["error"]) if row["error"] else None
    assert all(not row["summary"] for row in rows)
    summary = json.loads(last.pop("summary"))
    assert not any(last.values())
    return [{k: v for k, v in row.items() if k != "summary"} for row in rows], summary


def _cell(name: str, text: str) -> Any:
    if not text:
        return None
    if name in ("row", "imputed"):
        return int(text)
    if name == "error":
        return json.loads(text)
    return text if name in ("category", "prediction_id") else float(text)
