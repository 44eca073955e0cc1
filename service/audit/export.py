"""The rows as a file for others to read: JSON lines or Parquet."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any

from service.audit.records import COLUMNS, StoredPrediction, moment

_JSON_COLUMNS = ("input", "query", "output", "warnings")
_LEFT_OUT = ("salt",)
_ROWS_AT_ONCE = 2_000


def as_json(row: StoredPrediction) -> dict[str, Any]:
    """Return a row with its time as ISO 8601 and its JSON as JSON, without the salt."""
    columns = {name: value for name, value in asdict(row).items() if name not in _LEFT_OUT}
    columns["created_at"] = moment(row.created_at).isoformat()
    columns["erased"] = row.erased
    for name in _JSON_COLUMNS:
        columns[name] = _parsed(columns[name])
    return columns


def write_ndjson(rows: Iterable[StoredPrediction], out: IO[str]) -> int:
    """Write one JSON object a line; return how many."""
    written = 0
    for row in rows:
        out.write(json.dumps(as_json(row), ensure_ascii=False) + "\n")
        written += 1
    return written


def write_parquet(rows: Iterable[StoredPrediction], out: Path) -> int:
    """Write a Parquet file, its JSON columns as text; return how many rows."""
    import pyarrow as arrow  # takes 30 MB: loaded by those who use it
    from pyarrow import parquet

    types = {"sequence": arrow.int64(), "created_at": arrow.timestamp("us", tz="UTC")}
    names = [name for name in COLUMNS if name not in _LEFT_OUT]
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in names])
    written = 0
    with parquet.ParquetWriter(out, schema) as writer:
        for batch in _batches(rows):
            columns = {name: [getattr(row, name) for row in batch] for name in names}
            columns["created_at"] = [moment(value) for value in columns["created_at"]]
            writer.write_table(arrow.table(columns, schema=schema))
            written += len(batch)
    return written


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:  # not as it was written: `verify` tells
        return text


def _batches(rows: Iterable[StoredPrediction]) -> Iterator[list[StoredPrediction]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _ROWS_AT_ONCE)):
        yield batch
