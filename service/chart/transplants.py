"""Transplants that are done, and those that are ordered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from service.chart.codes import (
    ALLOGENEIC,
    AUTOLOGOUS,
    SAME_TRANSPLANT_DAYS,
    SECOND_TRANSPLANT,
    UNSPECIFIED_TRANSPLANT,
    CodeSet,
)
from service.chart.collect import Chart, Entry, first_moment
from service.chart.elements import Moment, codings, moment_of, object_of
from service.chart.issues import issue
from service.chart.observations import is_future
from service.chart.reading import Issue

_PERFORMED = ("performedDateTime", "performedPeriod.end", "performedPeriod.start")
_ORDERED = ("draft", "active", "on-hold")
_WHOLE_DAY = 10


@dataclass(frozen=True, slots=True)
class Transplants:
    """The stem-cell transplants of a chart.

    Attributes
    ----------
    has_allogeneic : whether an allogeneic one is done
    first_allogeneic : its day; None where that is not known
    second_is_ordered : whether an order is for a second one
    planned_at : start of the ordered one, on a day not yet past
    """

    has_allogeneic: bool
    first_allogeneic: date | None
    second_is_ordered: bool
    planned_at: datetime | None
    issues: Sequence[Issue]


def transplants(chart: Chart, now: datetime) -> Transplants:
    """Return the transplants that are done or ordered.

    An order is for a second transplant if its code says so, if an allogeneic transplant
    was done before it, or if it is for an allogeneic one and the chart records an earlier
    transplant, that no autologous one explains. Records at most
    `SAME_TRANSPLANT_DAYS` apart are of one transplant.
    """
    done = [p for p in chart.of_type("Procedure") if _is_done(p, now)]
    allogeneic = [p for p in done if _is_coded(p, ALLOGENEIC) or _is_coded(p, SECOND_TRANSPLANT)]
    days = _separate_days(allogeneic)
    orders = [o for o in chart.of_type("ServiceRequest") if _is_open_order(o, allogeneic)]
    of_second = any(_is_coded(order, SECOND_TRANSPLANT) for order in orders)

    issues: list[Issue] = []
    unclear = None if allogeneic else _of_unknown_type(chart, done)
    if unclear:
        issues.append(issue("transplant_type_unknown", expression=unclear.expression))
    second = _second_that_is_done(chart, allogeneic, days)
    if second:
        issues.append(issue("second_transplant_done", expression=second.expression))
    is_ordered = of_second or bool(orders and (allogeneic or unclear))
    planned_at, about_plan = _planned_at(orders if is_ordered else (), now)
    return Transplants(
        bool(allogeneic), days[0] if days else None, is_ordered, planned_at, (*issues, *about_plan)
    )


def _is_coded(entry: Entry, codes: CodeSet) -> bool:
    return any(codes.has(coding) for coding in codings(entry.resource.get("code")))


def _is_done(procedure: Entry, now: datetime) -> bool:
    performed = _performed(procedure)
    is_past = performed is None or not is_future(performed, now)
    return procedure.resource.get("status") == "completed" and is_past


def _performed(procedure: Entry) -> Moment | None:
    return first_moment(procedure.resource, *_PERFORMED)


def _separate_days(procedures: Sequence[Entry]) -> Sequence[date]:
    """Return the first day of each transplant; a year or month alone tells none apart."""
    days = sorted(
        moment.day
        for procedure in procedures
        if (moment := _performed(procedure)) and moment.precision == _WHOLE_DAY
    )
    separate: list[date] = []
    for day in days:
        if not separate or day - separate[-1] > timedelta(days=SAME_TRANSPLANT_DAYS):
            separate.append(day)
    return separate


def _second_that_is_done(
    chart: Chart, allogeneic: Sequence[Entry], days: Sequence[date]
) -> Entry | None:
    """Return a transplant that seems to be the second one."""
    for procedure in allogeneic:
        if _is_coded(procedure, SECOND_TRANSPLANT):
            return procedure
    if len(days) > 1:
        later = (p for p in allogeneic if (m := _performed(p)) and m.day >= days[1])
        return min(later, key=lambda procedure: procedure.reference or "~")
    for order in chart.of_type("ServiceRequest"):
        if _is_coded(order, SECOND_TRANSPLANT) and _is_valid(order):
            for procedure in allogeneic:
                if _is_fulfilled_by(order, procedure):
                    return procedure
    return None


def _is_valid(order: Entry) -> bool:
    withdrawn = ("revoked", "entered-in-error")
    return order.resource.get("status") not in withdrawn and not _is_forbidden(order)


def _is_forbidden(order: Entry) -> bool:
    return order.resource.get("doNotPerform") not in (None, False)


def _is_open_order(order: Entry, allogeneic: Sequence[Entry]) -> bool:
    """Return whether an allogeneic transplant is ordered and not yet done.

    An order from before a transplant was the order for that one.
    """
    return (
        order.resource.get("status") in _ORDERED
        and not _is_forbidden(order)
        and (_is_coded(order, ALLOGENEIC) or _is_coded(order, SECOND_TRANSPLANT))
        and not any(_is_fulfilled_by(order, procedure) for procedure in allogeneic)
    )


def _is_fulfilled_by(order: Entry, procedure: Entry) -> bool:
    ordered = moment_of(order.resource.get("authoredOn")) or _occurrence(order)
    performed = _performed(procedure)
    return bool(ordered and performed and ordered.day <= performed.day)


def _of_unknown_type(chart: Chart, done: Sequence[Entry]) -> Entry | None:
    """Return a record of a transplant that may have been allogeneic."""
    if any(_is_coded(procedure, AUTOLOGOUS) for procedure in done):
        return None
    conditions = (c for c in chart.of_type("Condition") if not _is_refuted(c))
    records = (e for e in (*done, *conditions) if _is_coded(e, UNSPECIFIED_TRANSPLANT))
    return min(records, key=lambda entry: entry.reference or "~", default=None)


def _is_refuted(condition: Entry) -> bool:
    statuses = {code for _, code in codings(condition.resource.get("verificationStatus"))}
    return bool(statuses & {"refuted", "entered-in-error", "differential"})


def _planned_at(orders: Sequence[Entry], now: datetime) -> tuple[datetime | None, Sequence[Issue]]:
    issues: dict[str, Issue] = {}
    starts: list[datetime] = []
    for order in orders:
        start = _start(order)
        if start is None:
            if _occurrence(order):
                issues["unclear"] = issue("planned_date_unclear", expression=order.expression)
        elif start.date() < now.astimezone(start.tzinfo).date():
            issues["past"] = issue("planned_date_past", expression=order.expression)
        else:
            starts.append(start)
    if len({start.date() for start in starts}) > 1:
        issues["several"] = issue("several_planned_dates")
    return min(starts, default=None), tuple(issues[name] for name in sorted(issues))


def _start(order: Entry) -> datetime | None:
    moment = _occurrence(order)
    if moment is None or moment.precision != _WHOLE_DAY:
        return None
    return moment.instant or datetime.combine(moment.day, time(), UTC)


def _occurrence(order: Entry) -> Moment | None:
    moments = (moment_of(value) for value in _occurrences(order))
    return next((moment for moment in moments if moment), None)


def _occurrences(order: Entry) -> Iterator[object]:
    yield order.resource.get("occurrenceDateTime")
    yield object_of(order.resource.get("occurrencePeriod")).get("start")
    timing = object_of(order.resource.get("occurrenceTiming"))
    if isinstance(events := timing.get("event"), list):
        yield from events
    yield object_of(object_of(timing.get("repeat")).get("boundsPeriod")).get("start")
