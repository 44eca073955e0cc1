"""Patients as JSON: one array, or one object a line (NDJSON)."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from pydantic_core import from_json

from service.batch.errors import UnreadableError
from service.batch.patients import ROWS_AT_ONCE, PatientRows, Unreadable, rows_of_objects

LONGEST_LINE_BYTES = 65_536
"""As the largest body of a single prediction is by default."""

_OPEN, _CLOSE = b"{}"
_NO_JSON = Unreadable("json_invalid", "the line is not JSON")
_TOO_LONG = Unreadable("line_too_long", f"the line has more than {LONGEST_LINE_BYTES} bytes")


class Lines:
    """Whole lines out of parts of a text, at most so long; None stands for a longer one."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes | bytearray) -> list[bytes | None]:
        """Return the lines that are complete now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines: list[bytes | None] = [None if len(w) > LONGEST_LINE_BYTES else w for w in whole]
        if lines and self._skipping:
            lines[0], self._skipping = None, False
        if len(self._rest) > LONGEST_LINE_BYTES:
            self._rest, self._skipping = b"", True
        return lines

    def end(self) -> list[bytes | None]:
        """Return the last line, which may have no end."""
        rest, self._rest = self._rest, b""
        return [None] if self._skipping else [rest] if rest else []


class NdjsonReader:
    """One patient a line; empty lines are passed over, and a bad one sinks no other."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._next = 1

    def feed(self, data: bytes | bytearray) -> Iterator[PatientRows]:
        """Return the patients whose lines are complete now."""
        yield from self._rows(self._lines.feed(data))

    def end(self) -> Iterator[PatientRows]:
        """Return the last patient."""
        yield from self._rows(self._lines.end())

    def _rows(self, lines: list[bytes | None]) -> Iterator[PatientRows]:
        stripped = [line and line.strip() for line in lines]
        filled = [line for line in stripped if line != b""]
        for start in range(0, len(filled), ROWS_AT_ONCE):
            part = filled[start : start + ROWS_AT_ONCE]
            yield rows_of_objects(_objects(part), self._next)
            self._next += len(part)


class JsonArrayReader:
    """One JSON array, which is held in memory until it is complete."""

    def __init__(self) -> None:
        self._content = bytearray()

    def feed(self, data: bytes | bytearray) -> Iterator[PatientRows]:
        """Keep what came."""
        self._content += data
        yield from ()

    def end(self) -> Iterator[PatientRows]:
        """Return the patients.

        Raises
        ------
        UnreadableError
            If it is not JSON, or no array.
        """
        content, self._content = bytes(self._content), bytearray()
        values = parse(content)
        if not isinstance(values, list):
            raise UnreadableError("The body must be one JSON array of patients.")
        for start in range(0, len(values), ROWS_AT_ONCE):
            yield rows_of_objects(values[start : start + ROWS_AT_ONCE], start + 1)


def parse(content: bytes) -> Any:
    """Parse JSON strictly; an object that repeats a key becomes `Unreadable`.

    Raises
    ------
    UnreadableError
        If it is not JSON in UTF-8, or has numbers that JSON lacks.
    """
    try:
        values = from_json(content, allow_inf_nan=False, cache_strings="keys")
        if _quotes_in(values) == content.count(b'"'):
            return values
    except ValueError:
        pass
    return _parse_slowly(content)


def _objects(lines: list[bytes | None]) -> list[Any]:
    """Parse lines all at once if they allow it: one array is read faster than many objects.

    Where all objects are flat and all lines begin and end with a brace, no object can go
    over the end of a line, so that as many objects as lines are one on each.
    """
    if all(line is not None and line[0] == _OPEN and line[-1] == _CLOSE for line in lines):
        array = b"[" + b",".join(filter(None, lines)) + b"]"
        try:
            values = from_json(array, allow_inf_nan=False, cache_strings="keys")
            if len(values) == len(lines) and _quotes_in(values) == array.count(b'"'):
                return list(values)
        except ValueError:
            pass
    return [_TOO_LONG if line is None else _object(line) for line in lines]


def _object(line: bytes) -> Any:
    try:
        return _parse_slowly(line)
    except UnreadableError:
        return _NO_JSON


def _quotes_in(values: Any) -> int:
    """Return how many quotes flat objects are written with; -1 for anything else.

    Where a text has more, a key is repeated in it (the parser keeps the last one) or
    a string holds a quote.
    """
    if type(values) is not list or not set(map(type, values)) <= {dict}:
        return -1
    texts = 0
    for value in values:
        texts += len(value)
        for member in value.values():
            kind = type(member)
            if kind is str:
                texts += 1
            elif kind is dict or kind is list:
                return -1
    return 2 * texts


def _parse_slowly(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError as error:
        raise UnreadableError(f"Not UTF-8 at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise UnreadableError(f"Not JSON at line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError):
        raise UnreadableError("A number is too long or the nesting too deep.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Unreadable:
    unique = dict(pairs)
    if len(unique) == len(pairs):
        return unique
    names = [name for name, _ in pairs]
    repeats = ", ".join(str(i + 1) for i, name in enumerate(names) if name in names[:i])
    return Unreadable("repeated_key", f"a key is there more than once: key {repeats} repeats one")


def _no_number(_: str) -> NoReturn:
    raise UnreadableError("NaN and Infinity are not numbers in JSON.")
