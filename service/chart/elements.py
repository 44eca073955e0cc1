"""Elements of FHIR JSON, read from JSON that may be anything."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from service.chart.codes import OTHER_NAMES_OF_SYSTEMS

Json = Mapping[str, Any]

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?")


def object_of(value: Any) -> Json:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> Iterator[tuple[int, Json]]:
    """Yield the objects of a list with their index, and nothing of anything else."""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item


def text_of(value: Any) -> str | None:
    """Return a text without surrounding blanks; None for anything else or an empty one."""
    return value.strip() or None if isinstance(value, str) else None


def number_of(value: Any) -> float | None:
    """Return a finite JSON number; None for anything else, "12" and true included."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def codings(concept: Any) -> Iterator[tuple[str, str]]:
    """Yield system and code of a CodeableConcept's codings, systems by their usual name."""
    if not isinstance(concept, dict):
        return
    for _, coding in objects(concept.get("coding")):
        system, code = coding.get("system"), coding.get("code")
        if isinstance(system, str) and isinstance(code, str):
            yield OTHER_NAMES_OF_SYSTEMS.get(system, system), code.strip()


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time of a chart.

    Attributes
    ----------
    text : as the chart has it
    day : where it was; the first of a month or year that is all there is
    instant : UTC; None where there is no time of day, or one without its zone
    precision : of the date: 4 for a year, 7 for a month, 10 for a day
    """

    text: str
    day: date
    instant: datetime | None
    precision: int = 10


def moment_of(value: Any) -> Moment | None:
    """Read a FHIR date, dateTime or instant; None for anything else.

    A time without its zone is read as its day: it can be off by half a day.
    """
    if not isinstance(value, str):
        return None
    try:
        if _DATE.fullmatch(value):
            return Moment(value, date.fromisoformat((value + "-01-01")[:10]), None, len(value))
        if _TIME.fullmatch(value):
            time = datetime.fromisoformat(value)
            return Moment(value, time.date(), time.astimezone(UTC) if time.tzinfo else None)
    except (OverflowError, ValueError):
        pass
    return None
