"""An answer in each form, as bytes from piece to piece."""

import csv
import io
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

from pydantic_core import to_json

from service.batch.answer import BatchSummary, PredictedRows, horizon_columns, row_id

HEAD, TAIL = ("row", "prediction_id", "category"), ("imputed", "error")


def row_columns(predicted: PredictedRows) -> list[list[Any]]:
    """Return category, probabilities and imputed bits as lists, None where there is none."""
    names = (*predicted.categories, None)  # -1 is the last
    of_horizons = zip(predicted.survival, predicted.lower, predicted.upper, strict=True)
    return [
        [names[code] for code in predicted.category.tolist()],
        *(values.tolist() for horizon in of_horizons for values in horizon),
        predicted.imputed.tolist(),
    ]


class RowObjects:
    """Writes rows as JSON objects: the answer's, and what is stored."""

    def __init__(self, batch_id: UUID | str, horizons_months: Sequence[float]) -> None:
        self._batch_id = str(batch_id)
        self._keys = (*HEAD, *horizon_columns(horizons_months), *TAIL)

    def of(self, predicted: PredictedRows) -> list[bytes]:
        """Return one JSON object a row."""
        numbers = range(predicted.first, predicted.first + len(predicted))
        ids = [f"{self._batch_id}-{number}" for number in numbers]
        columns = row_columns(predicted)
        nothing = [None] * len(predicted)
        objects = [
            dict(zip(self._keys, row, strict=True))
            for row in zip(numbers, ids, *columns, nothing, strict=True)
        ]
        lines = _lines(objects)
        for at, errors in predicted.errors.items():
            refused = dict.fromkeys(self._keys, None) | {"row": numbers[at], "error": errors}
            lines[at] = to_json(refused)
        return lines


class AnsweredRows:
    """Predicted rows, and what is written of them more than once."""

    def __init__(self, predicted: PredictedRows, as_objects: RowObjects) -> None:
        self.predicted = predicted
        self._as_objects = as_objects

    @cached_property
    def objects(self) -> list[bytes]:
        """One JSON object a row."""
        return self._as_objects.of(self.predicted)


class AnswerWriter(Protocol):
    """What writes an answer: what comes before rows, rows, and the summary."""

    def begin(self) -> bytes: ...  # noqa: D102
    def rows(self, answered: AnsweredRows) -> bytes: ...  # noqa: D102
    def end(self, summary: BatchSummary) -> bytes: ...  # noqa: D102


def _lines(objects: Sequence[dict[str, Any]]) -> list[bytes]:
    """Write flat objects all at once, and cut the array between them."""
    array = to_json(objects, inf_nan_mode="null")
    lines = array[1:-1].replace(b"},{", b"}\n{").split(b"\n")
    if len(lines) == len(objects):
        return lines
    return [to_json(one, inf_nan_mode="null") for one in objects]


def json_lines(objects: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return flat objects as JSON, one each."""
    return _lines(objects) if objects else []


class NdjsonWriter:
    """One object a line, the summary on the last one."""

    def begin(self) -> bytes:
        """Nothing comes before the rows."""
        return b""

    def rows(self, answered: AnsweredRows) -> bytes:
        """Write rows."""
        return b"".join(line + b"\n" for line in answered.objects)

    def end(self, summary: BatchSummary) -> bytes:
        """Write the summary."""
        return b'{"summary":' + summary.model_dump_json().encode() + b"}\n"


class JsonWriter:
    """One object with all rows and the summary."""

    def __init__(self) -> None:
        self._separator = b""

    def begin(self) -> bytes:
        """Open the object."""
        return b'{"predictions":['

    def rows(self, answered: AnsweredRows) -> bytes:
        """Write rows."""
        written = self._separator + b",".join(answered.objects)
        self._separator = b","
        return written

    def end(self, summary: BatchSummary) -> bytes:
        """Write the summary and close the object."""
        return b'],"summary":' + summary.model_dump_json().encode() + b"}"


class CsvWriter:
    """A header and lines; the last one has only `summary`, as JSON."""

    def __init__(self, batch_id: UUID, horizons_months: Sequence[float]) -> None:
        self._batch_id = batch_id
        self._names = (*HEAD, *horizon_columns(horizons_months), *TAIL, "summary")

    def begin(self) -> bytes:
        """Write the header."""
        return _csv([self._names])

    def rows(self, answered: AnsweredRows) -> bytes:
        """Write rows; a cell is empty where there is no value."""
        predicted = answered.predicted
        numbers = range(predicted.first, predicted.first + len(predicted))
        written: list[Sequence[Any]] = []
        empty = [None] * (len(self._names) - 3)
        for at, row in enumerate(zip(*row_columns(predicted), strict=True)):
            errors = predicted.errors.get(at)
            if errors is None:
                values = ["" if value != value else value for value in row]
                written.append((numbers[at], row_id(self._batch_id, numbers[at]), *values, "", ""))
            else:
                written.append((numbers[at], *empty, to_json(errors).decode(), ""))
        return _csv(written)

    def end(self, summary: BatchSummary) -> bytes:
        """Write the line of the summary."""
        return _csv([[*[""] * (len(self._names) - 1), summary.model_dump_json()]])


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
