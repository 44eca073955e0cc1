"""An answer as Arrow or Parquet. This module loads pyarrow."""

import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic_core import to_json

from service.batch.answer import IMPUTED_BITS, BatchSummary, PredictedRows, horizon_columns
from service.batch.writing import AnsweredRows

_END = b"\xff\xff\xff\xff" + bytes(4)
_ROWS_OF_A_GROUP = 131_072


class Table:
    """The columns of an answer: `row` is null in the last one, which holds the summary."""

    def __init__(self, batch_id: UUID, horizons_months: Sequence[float]) -> None:
        names = horizon_columns(horizons_months)
        self.schema = pa.schema(
            [
                ("row", pa.int64()),
                ("category", pa.string()),
                *((name, pa.float64()) for name in names),
                ("imputed", pa.uint16()),
                ("error", pa.string()),
                ("summary", pa.string()),
            ],
            metadata={"batch_id": str(batch_id), "imputed": IMPUTED_BITS},
        )

    def rows(self, predicted: PredictedRows) -> pa.RecordBatch:
        """Return rows as a record batch."""
        n = len(predicted)
        none = predicted.category < 0 if predicted.errors else None
        category = pa.DictionaryArray.from_arrays(
            pa.array(predicted.category, mask=none), pa.array(predicted.categories, pa.string())
        ).cast(pa.string())
        of_horizons = zip(predicted.survival, predicted.lower, predicted.upper, strict=True)
        probabilities = [_probabilities(v) for horizon in of_horizons for v in horizon]
        columns: list[Any] = [
            pa.array(np.arange(predicted.first, predicted.first + n)),
            category,
            *probabilities,
            pa.array(predicted.imputed, mask=none),
            _errors(predicted, n),
            pa.nulls(n, pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def end(self, summary: BatchSummary) -> pa.RecordBatch:
        """Return the last record."""
        columns = [pa.nulls(1, field.type) for field in self.schema][:-1]
        last = pa.array([summary.model_dump_json()], pa.string())
        return pa.RecordBatch.from_arrays([*columns, last], schema=self.schema)


def _probabilities(values: NDArray[np.float64]) -> pa.Array:
    missing = np.isnan(values)
    return pa.array(values, mask=missing if missing.any() else None)


def _errors(predicted: PredictedRows, rows: int) -> pa.Array:
    if not predicted.errors:
        return pa.nulls(rows, pa.string())
    found = {at: to_json(errors).decode() for at, errors in predicted.errors.items()}
    return pa.array([found.get(at) for at in range(rows)], pa.string())


class ArrowWriter:
    """An Arrow IPC stream."""

    def __init__(self, batch_id: UUID, horizons_months: Sequence[float]) -> None:
        self._table = Table(batch_id, horizons_months)

    def begin(self) -> bytes:
        """Write the schema."""
        return bytes(self._table.schema.serialize())

    def rows(self, answered: AnsweredRows) -> bytes:
        """Write a record batch."""
        return bytes(self._table.rows(answered.predicted).serialize())

    def end(self, summary: BatchSummary) -> bytes:
        """Write the record of the summary and the stream's end."""
        return bytes(self._table.end(summary).serialize()) + _END


class ParquetWriter:
    """A Parquet file; its footer comes last, so that a part of a file cannot be read as one."""

    def __init__(self, batch_id: UUID, horizons_months: Sequence[float]) -> None:
        self._table = Table(batch_id, horizons_months)
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._table.schema, compression="zstd")
        self._group: list[pa.RecordBatch] = []
        self._rows = 0

    def begin(self) -> bytes:
        """Write the file's first bytes."""
        return self._sink.taken()

    def rows(self, answered: AnsweredRows) -> bytes:
        """Write a row group once there are rows enough."""
        self._group.append(self._table.rows(answered.predicted))
        self._rows += len(answered.predicted)
        return self._written() if self._rows >= _ROWS_OF_A_GROUP else b""

    def end(self, summary: BatchSummary) -> bytes:
        """Write the record of the summary and the footer."""
        self._group.append(self._table.end(summary))
        written = self._written()
        self._writer.close()
        return written + self._sink.taken()

    def _written(self) -> bytes:
        self._writer.write_table(pa.Table.from_batches(self._group, self._table.schema))
        self._group, self._rows = [], 0
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """A file that forgets what was taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held
