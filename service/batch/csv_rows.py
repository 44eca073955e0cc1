"""Patients as CSV: a header, then one patient a line."""

import csv
from collections.abc import Iterator
from math import isfinite
from typing import Any

from model.patient import COVARIATES, Value
from service.batch.columns import check_names
from service.batch.errors import ColumnsError, UnreadableError
from service.batch.json_rows import Lines
from service.batch.patients import (
    REFERENCE,
    ROWS_AT_ONCE,
    PatientRows,
    Unreadable,
    rows_of_objects,
)
from service.problems import FieldProblem

_TOO_LONG = Unreadable("line_too_long", "the line is too long")


class CsvReader:
    """Cells are read as `python -m training` reads them: an empty one is unknown.

    A record is one line: no covariate can hold a line's end. Empty lines are passed over.
    """

    def __init__(self) -> None:
        self._lines = Lines()
        self._header: list[str] = []
        self._next = 1

    def feed(self, data: bytes | bytearray) -> Iterator[PatientRows]:
        """Return the patients whose lines are complete now.

        Raises
        ------
        ColumnsError, UnreadableError
            If the header is not one of patients.
        """
        yield from self._rows(self._lines.feed(data))

    def end(self) -> Iterator[PatientRows]:
        """Return the last patient."""
        yield from self._rows(self._lines.end())
        if not self._header:
            raise UnreadableError("The body is empty; a header with ecog is expected.")

    def _rows(self, lines: list[bytes | None]) -> Iterator[PatientRows]:
        filled = [line for line in lines if line is None or line.strip()]
        if filled and not self._header:
            self._header = _header(filled.pop(0))
        for start in range(0, len(filled), ROWS_AT_ONCE):
            part = filled[start : start + ROWS_AT_ONCE]
            yield rows_of_objects([self._patient(line) for line in part], self._next)
            self._next += len(part)

    def _patient(self, line: bytes | None) -> dict[str, Value | None] | Unreadable:
        if line is None:
            return _TOO_LONG
        try:
            cells = _cells(line)
        except UnicodeDecodeError:
            return Unreadable("not_utf8", "the line is not UTF-8")
        except csv.Error:
            return Unreadable("csv_invalid", "the line is not CSV; a quote ends on its line")
        if len(cells) != len(self._header):
            return Unreadable(
                "cells", f"the line has {len(cells)} cells, the header has {len(self._header)}"
            )
        if "" in cells and cells[self._header.index("ecog")].strip() == "":
            return Unreadable("missing", "is empty, and is never imputed", "ecog")
        named: Any = zip(self._header, cells, strict=True)
        return {name: _value(name, cell) for name, cell in named}


def _value(name: str, cell: str) -> Value | None:
    if name == REFERENCE:
        return cell or None
    value = COVARIATES[name].parse(cell)
    # Only an empty cell is unknown; Python's nan and inf are refused as texts.
    return cell if type(value) is float and not isfinite(value) else value


def _header(line: bytes | None) -> list[str]:
    if line is None:
        raise UnreadableError("The header is too long.")
    try:
        names = [name.strip() for name in _cells(line.removeprefix(b"\xef\xbb\xbf"))]
    except UnicodeDecodeError:
        raise UnreadableError("The header is not UTF-8 text.") from None
    except csv.Error:
        raise UnreadableError("The header is not CSV.") from None
    if len(names) == 1 and names[0].count(";") > 1:
        message = "columns are separated by semicolons, commas are expected"
        raise ColumnsError([FieldProblem(field=None, code="separator", message=message)])
    check_names(names)
    return names


def _cells(line: bytes) -> list[str]:
    text = line.decode("utf-8").rstrip("\r")
    if '"' not in text:
        return text.split(",")
    [cells] = csv.reader([text], strict=True)
    return cells
