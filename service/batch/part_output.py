"""What a part of a job becomes: a file of narrow rows, and a side file of what was refused."""

import csv
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import to_json

from service.batch.answer import IMPUTED_BITS, PredictedRows, horizon_columns
from service.batch.forms import Form
from service.batch.writing import json_lines, row_columns

_ROWS_OF_A_GROUP = 131_072


class PartOutput:
    """Writes a part under temporary names; `keep` gives them their own."""

    def __init__(self, folder: Path, name: str, form: Form, horizons_months: list[float]) -> None:
        suffix = {Form.CSV: ".csv", Form.NDJSON: ".ndjson", Form.PARQUET: ".parquet"}[form]
        mark = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._rows_to = folder / f"{name}{suffix}"
        self._errors_to = folder / f"{name}.errors.ndjson"
        self._rows_in = folder / f".{name}{suffix}.{mark}"
        self._errors_in = folder / f".{name}.errors.{mark}"
        self._columns = ["row", "category", *horizon_columns(horizons_months), "imputed"]
        self._form = form
        self.rows = self.errors = 0

    def __enter__(self) -> Self:
        self._file: IO[bytes] = self._rows_in.open("wb")
        self._errors = self._errors_in.open("wb")
        self._parquet: Any = None
        self._group: list[pa.RecordBatch] = []
        if self._form is Form.PARQUET:
            fields = [pa.field(name, pa.float64()) for name in self._columns]
            fields[0], fields[1] = pa.field("row", pa.int64()), pa.field("category", pa.string())
            fields[-1] = pa.field("imputed", pa.uint16())
            self._schema = pa.schema(fields, metadata={"imputed": IMPUTED_BITS})
            # Probabilities have hardly a pattern: to compress them takes as long as to predict
            # them, and saves a twentieth.
            compression = {
                field.name: "none" if pa.types.is_floating(field.type) else "zstd"
                for field in self._schema
            }
            self._parquet = pq.ParquetWriter(
                self._file, self._schema, compression=compression, use_dictionary=["category"]
            )
        elif self._form is Form.CSV:
            self._file.write((",".join(self._columns) + "\n").encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError, pa.ArrowException):  # a writer that is left open complains at exit
            if self._parquet is not None:
                self._parquet.close()
        for file in (self._file, self._errors):
            with suppress(OSError):  # what was not written before the disk was full
                file.close()
        self._rows_in.unlink(missing_ok=True)
        self._errors_in.unlink(missing_ok=True)

    def write(self, predicted: PredictedRows) -> None:
        """Write rows; one with an error has its number alone, and the error beside."""
        self.rows += len(predicted)
        self.errors += len(predicted.errors)
        if self._parquet is not None:
            self._group.append(self._batch(predicted))
            if sum(map(len, self._group)) >= _ROWS_OF_A_GROUP:
                self._end_group()
        else:
            self._write_text(predicted)
        for at, errors in sorted(predicted.errors.items()):
            told = {"row": predicted.first + at, "errors": errors}
            self._errors.write(to_json(told) + b"\n")

    def keep(self) -> None:
        """Make the files whole and durable, then give them their names."""
        if self._parquet is not None:
            self._end_group()
            self._parquet.close()
        for file in (self._file, self._errors):
            file.flush()
            os.fsync(file.fileno())
        self._errors_in.replace(self._errors_to)
        self._rows_in.replace(self._rows_to)

    def _batch(self, predicted: PredictedRows) -> pa.RecordBatch:
        none = predicted.category < 0 if predicted.errors else None
        category = pa.DictionaryArray.from_arrays(
            pa.array(predicted.category, mask=none), pa.array(predicted.categories, pa.string())
        ).cast(pa.string())
        of_horizons = zip(predicted.survival, predicted.lower, predicted.upper, strict=True)
        arrays = [
            pa.array(np.arange(predicted.first, predicted.first + len(predicted))),
            category,
            *(pa.array(values, from_pandas=True) for horizon in of_horizons for values in horizon),
            pa.array(predicted.imputed, mask=none),
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _end_group(self) -> None:
        if self._group:
            self._parquet.write_table(pa.Table.from_batches(self._group, self._schema))
            self._group = []

    def _write_text(self, predicted: PredictedRows) -> None:
        numbers = range(predicted.first, predicted.first + len(predicted))
        rows = [list(row) for row in zip(numbers, *row_columns(predicted), strict=True)]
        for at in predicted.errors:
            rows[at][1:] = [None] * (len(self._columns) - 1)
        if self._form is Form.NDJSON:
            objects = [dict(zip(self._columns, row, strict=True)) for row in rows]
            self._file.writelines(line + b"\n" for line in json_lines(objects))
            return
        text = io.StringIO(newline="")
        cells = [["" if cell != cell else cell for cell in row] for row in rows]
        csv.writer(text, lineterminator="\n").writerows(cells)
        self._file.write(text.getvalue().encode())


def write_json(path: Path, value: object) -> None:
    """Write a small file so that it is there as a whole, or not at all."""
    made = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    with made.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
