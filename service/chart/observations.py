"""The Observations that are about a covariate, and which of them is the latest usable one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from model.patient import Value
from service.chart.codes import CLOCK_SKEW_MINUTES, MEASURE_OF_CODE, NOT_READ, Measure
from service.chart.collect import Chart, Entry, first_moment
from service.chart.elements import Json, Moment, codings, objects
from service.chart.issues import issue
from service.chart.reading import Issue, Source

_USABLE = ("final", "amended", "corrected", "preliminary")
_WITHDRAWN = ("cancelled", "entered-in-error")
_TIMES = ("effectiveDateTime", "effectivePeriod.end", "effectiveInstant", "issued")
_RELATIVE_TOLERANCE = 1e-9

# Each new unit takes the library a millisecond: ten thousand would take ten seconds.
_COSTLY = ("unknown_unit", "no_white_cell_count")
_MOST_COSTLY = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """An Observation, or a component of one, that is coded as a measure.

    Attributes
    ----------
    element : holds the value
    moment : when the value held; None where that is not said
    """

    measure: Measure
    entry: Entry
    element: Json = field(repr=False)
    expression: str
    moment: Moment | None


@dataclass(frozen=True, slots=True)
class Read:
    """A value that can be used.

    Attributes
    ----------
    value : in the measure's unit
    note : what was done to it
    is_derived : whether one of the same time that was measured is better
    """

    value: Value
    note: str | None = None
    is_derived: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that cannot be used, and the code of the issue that says why."""

    code: str


Reader = Callable[[Candidate], Read | Refused]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one measure.

    Attributes
    ----------
    chosen : the value and where it is from; None if there is none
    moment : of what was chosen
    issues : why values were not used, and what to know of the one that was
    """

    chosen: Source | None
    moment: Moment | None = None
    issues: Sequence[Issue] = ()

    def has(self, code: str) -> bool:
        """Return whether one of the issues has this code."""
        return any(found.code == code for found in self.issues)


@dataclass(frozen=True, slots=True)
class Observations:
    """The Observations of a chart by measure, and what was off about some."""

    of_measure: Mapping[str, Sequence[Candidate]]
    issues: Sequence[Issue]

    def candidates(self, measure: Measure) -> Sequence[Candidate]:
        """Return those of one measure."""
        return self.of_measure.get(measure.name, ())


def observations(chart: Chart) -> Observations:
    """Sort the Observations of a chart, and their components, by what they measure."""
    of_measure: dict[str, list[Candidate]] = {}
    issues: dict[tuple[str, str], Issue] = {}
    for entry in chart.of_type("Observation"):
        for element, expression in _elements(entry):
            found = _measured(element, expression)
            if isinstance(found, Issue):
                issues.setdefault((found.code, found.covariate or ""), found)
            elif found is not None:
                moment = first_moment(entry.resource, *_TIMES)
                candidate = Candidate(found, entry, element, expression, moment)
                of_measure.setdefault(found.name, []).append(candidate)
    return Observations(of_measure, tuple(issues.values()))


def _elements(entry: Entry) -> Iterator[tuple[Json, str]]:
    yield entry.resource, entry.expression
    if "component" in entry.resource:
        for index, component in objects(entry.resource["component"]):
            yield component, f"{entry.expression}.component[{index}]"


def _measured(element: Json, expression: str) -> Measure | Issue | None:
    measures: dict[str, Measure] = {}
    for coding in codings(element.get("code")):
        if coding in MEASURE_OF_CODE:
            measures[MEASURE_OF_CODE[coding].name] = MEASURE_OF_CODE[coding]
        elif coding in NOT_READ:
            return issue("not_this_quantity", NOT_READ[coding], expression)
    if len(measures) > 1:
        return issue("contradictory_code", min(measures.values(), key=_name).covariate, expression)
    return next(iter(measures.values()), None)


def _name(measure: Measure) -> str:
    return measure.name


def latest(candidates: Sequence[Candidate], read: Reader, now: datetime) -> Finding:
    """Return the latest usable value.

    Values of the same time that differ are none: to choose would be a guess. A
    preliminary value gives way to a final one of the same time, a derived one to a
    measured one. After `_MOST_COSTLY` values whose unit cannot be converted no older
    one is looked for.
    """
    issues: dict[str, Issue] = {}
    costly = 0
    covariate = candidates[0].measure.covariate if candidates else None
    for together in _latest_first(candidates):
        usable: list[tuple[Candidate, Read]] = []
        for candidate in together:
            outcome = refusal(candidate, now) or read(candidate)
            if isinstance(outcome, Read):
                usable.append((candidate, outcome))
            else:
                code = outcome.code
                issues.setdefault(code, issue(code, covariate, candidate.expression))
                costly += code in _COSTLY
            if costly > _MOST_COSTLY:
                issues["too_many_unusable"] = issue("too_many_unusable", covariate)
                return Finding(None, None, tuple(issues.values()))
        if usable:
            usable = [p for p in usable if not _is_preliminary(p[0])] or usable
            usable = [p for p in usable if not p[1].is_derived] or usable
            return _finding(usable, issues, now)
    return Finding(None, None, tuple(issues.values()))


def _finding(
    usable: Sequence[tuple[Candidate, Read]], issues: dict[str, Issue], now: datetime
) -> Finding:
    candidate, read = usable[0]
    covariate, expression = candidate.measure.covariate, candidate.expression

    def add(code: str) -> None:
        issues.setdefault(code, issue(code, covariate, expression))

    if not all(same(read.value, other.value) for _, other in usable):
        add("contradictory_values")
        return Finding(None, candidate.moment, tuple(issues.values()))
    if candidate.moment is None:
        add("undated_value")
    elif now.astimezone(UTC).date() - candidate.moment.day > timedelta(
        days=candidate.measure.limit_days
    ):
        add("stale_value")
    if _is_preliminary(candidate):
        add("preliminary_value")
    effective = candidate.moment.text if candidate.moment else None
    source = Source(covariate, read.value, candidate.entry.reference, effective, read.note)
    return Finding(source, candidate.moment, tuple(issues.values()))


def same(one: Value, other: Value) -> bool:
    """Return whether two values are one, converted or not."""
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= _RELATIVE_TOLERANCE * max(abs(one), abs(other))
    return one == other


def _is_preliminary(candidate: Candidate) -> bool:
    return candidate.entry.resource.get("status") == "preliminary"


def refusal(candidate: Candidate, now: datetime) -> Refused | None:
    """Return why a value is out before it is looked at."""
    status = candidate.entry.resource.get("status")
    if status in _WITHDRAWN:
        return Refused("withdrawn_value")
    if status not in _USABLE:
        return Refused("status_not_usable")
    if candidate.moment and is_future(candidate.moment, now):
        return Refused("future_value")
    if candidate.entry.resource.get("focus"):
        return Refused("about_another")
    return Refused("value_absent") if candidate.element.get("dataAbsentReason") else None


def is_future(moment: Moment, now: datetime) -> bool:
    """Return whether a moment is later than a clock, wherever on earth it was written."""
    if moment.instant is not None:
        return moment.instant > now + timedelta(minutes=CLOCK_SKEW_MINUTES)
    return moment.day > (now.astimezone(UTC) + timedelta(hours=14)).date()


def _latest_first(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Yield the candidates of each time together, the latest first, the undated last.

    A day without a time is as late as the latest time on it.
    """
    timed = sorted(
        (c for c in candidates if c.moment and c.moment.instant), key=_instant, reverse=True
    )
    dated = sorted(
        (c for c in candidates if c.moment and not c.moment.instant), key=_day, reverse=True
    )
    i = j = 0
    while i < len(timed) or j < len(dated):
        day_of_time = _day(timed[i]) if i < len(timed) else date.min
        day = _day(dated[j]) if j < len(dated) else date.min
        together: list[Candidate] = []
        if day_of_time >= day and i < len(timed):
            instant = _instant(timed[i])
            while i < len(timed) and _instant(timed[i]) == instant:
                together.append(timed[i])
                i += 1
        if day >= day_of_time:
            while j < len(dated) and _day(dated[j]) == day:
                together.append(dated[j])
                j += 1
        yield sorted(together, key=_rank)
    if undated := [c for c in candidates if c.moment is None]:
        yield sorted(undated, key=_rank)


def _instant(candidate: Candidate) -> datetime:
    assert candidate.moment is not None
    assert candidate.moment.instant is not None
    return candidate.moment.instant


def _day(candidate: Candidate) -> date:
    assert candidate.moment is not None
    return candidate.moment.day


def _rank(candidate: Candidate) -> tuple[str, str]:
    """Order equals by what they are, not by where they stood in a Bundle."""
    return candidate.entry.reference or "~", candidate.moment.text if candidate.moment else ""
