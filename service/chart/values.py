"""The value of one Observation: a quantity, a grade, a choice or a yes or no."""

from collections.abc import Iterable
from datetime import date, datetime

from model.patient import Value
from service.chart.codes import ECOG_OF_KARNOFSKY, KARNOFSKY, LYMPHOCYTES, Measure
from service.chart.elements import Json, Moment, codings, number_of, object_of
from service.chart.observations import Candidate, Read, Refused, same
from service.chart.units import factor_of, has_unit, is_percent

_DEAD_ECOG, _DEAD_KARNOFSKY = 5, 0
_DIGITS = ".10g"
_MOST_COUNTS_OF_A_TIME = 20


def quantity(candidate: Candidate) -> Read | Refused:
    """Read a valueQuantity in the measure's unit."""
    value = candidate.element.get("valueQuantity")
    if not isinstance(value, dict):
        return _no_value(candidate.element)
    return _checked(_number_with_unit(value, candidate.measure), candidate.measure)


def _number_with_unit(value: Json, measure: Measure) -> Read | Refused:
    if "comparator" in value:
        return Refused("comparator")
    number = number_of(value.get("value"))
    if number is None:
        return Refused("not_a_number" if value.get("value") is not None else "value_absent")
    if not has_unit(value):
        return Refused("missing_unit")
    found = factor_of(value, measure)
    if found is None:
        return Refused("unknown_unit")
    factor, unit = found
    if factor == 1 and unit == measure.unit:
        return Read(number)
    # 98 g/L is 9.8 g/dL, not 9.8000000000000007.
    return Read(float(f"{number * factor:{_DIGITS}}"), f"converted from {unit}")


def _checked(read: Read | Refused, measure: Measure) -> Read | Refused:
    if isinstance(read, Refused) or measure.accepted is None:
        return read
    low, high = measure.accepted
    return read if low <= float(read.value) <= high else Refused("out_of_range")


class WhiteCells:
    """White-cell counts by their time, for percentages of them; read when asked for."""

    def __init__(self, counts: Iterable[Candidate]) -> None:
        self._at: dict[datetime, list[Candidate]] = {}
        self._on: dict[date, list[Candidate]] = {}
        self._on_day_without_time: dict[date, list[Candidate]] = {}
        for count in counts:
            if moment := count.moment:
                self._on.setdefault(moment.day, []).append(count)
                if moment.instant:
                    self._at.setdefault(moment.instant, []).append(count)
                else:
                    self._on_day_without_time.setdefault(moment.day, []).append(count)

    def of(self, moment: Moment | None) -> float | None:
        """Return the count of the same time, 10⁹/L; None without one or with different ones.

        Where one of the two times is only a day, the same day is the same time.
        """
        if moment is None:
            return None
        if moment.instant is None:
            counts = self._on.get(moment.day, [])
        else:
            counts = self._at.get(moment.instant) or self._on_day_without_time.get(moment.day, [])
        if len(counts) > _MOST_COUNTS_OF_A_TIME:
            return None
        values = [float(r.value) for r in map(quantity, counts) if isinstance(r, Read)]
        agree = values and all(same(values[0], other) for other in values)
        return values[0] if agree else None


def lymphocytes(candidate: Candidate, white_cells: WhiteCells) -> Read | Refused:
    """Read lymphocytes, a percentage with the white-cell count of the same time."""
    value = object_of(candidate.element.get("valueQuantity"))
    if not is_percent(value):
        return quantity(candidate)
    if "comparator" in value:
        return Refused("comparator")
    percent = number_of(value.get("value"))
    if percent is None:
        return _no_value(candidate.element)
    if not 0 <= percent <= 100:
        return Refused("out_of_range")
    count = white_cells.of(candidate.moment)
    if count is None:
        return Refused("no_white_cell_count")
    number = float(f"{percent / 100 * count:{_DIGITS}}")
    read = Read(number, "percentage of the white-cell count of the same time", is_derived=True)
    return _checked(read, LYMPHOCYTES)


def grade(candidate: Candidate) -> Read | Refused:
    """Read a grade of performance from an integer, a quantity or a coded answer."""
    measure, element = candidate.measure, candidate.element
    if "valueCodeableConcept" in element:
        return answer(candidate)
    value = element.get("valueInteger")
    if value is None and isinstance(amount := element.get("valueQuantity"), dict):
        if "comparator" in amount:
            return Refused("comparator")
        if has_unit(amount) and factor_of(amount, measure) is None:
            return Refused("unknown_unit")
        value = amount.get("value")
    if value is None:
        return _no_value(element)
    number = number_of(value)
    if number is None:
        return Refused("not_a_number")
    if number != int(number):
        return Refused("not_a_grade")
    return _checked(Read(int(number)), measure)


def karnofsky(candidate: Candidate) -> Read | Refused:
    """Read a Karnofsky status; steps are of ten."""
    read = grade(candidate)
    statuses = (_DEAD_KARNOFSKY, *ECOG_OF_KARNOFSKY)
    is_status = isinstance(read, Refused) or read.value in statuses
    return read if is_status else Refused("not_a_grade")


def answer(candidate: Candidate) -> Read | Refused:
    """Read a coded answer; codings of one concept must agree."""
    concept = candidate.element.get("valueCodeableConcept")
    if not isinstance(concept, dict):
        return _no_value(candidate.element)
    answers = candidate.measure.answers or {}
    found = {answers[coding] for coding in codings(concept) if coding in answers}
    if not found:
        return Refused("unknown_answer")
    return Read(found.pop()) if len(found) == 1 else Refused("contradictory_answer")


def yes_or_no(candidate: Candidate) -> Read | Refused:
    """Read a boolean."""
    value = candidate.element.get("valueBoolean")
    return Read(value) if isinstance(value, bool) else _no_value(candidate.element)


def is_dead(measure: Measure, value: Value) -> bool:
    """Return whether a grade says that the patient is dead."""
    return value == (_DEAD_KARNOFSKY if measure is KARNOFSKY else _DEAD_ECOG)


def _no_value(element: Json) -> Refused:
    """Return why there is no value of the type that is read."""
    if "dataAbsentReason" in element or not any(name.startswith("value") for name in element):
        return Refused("value_absent")
    return Refused("not_a_number")
