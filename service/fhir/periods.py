"""From a day to a horizon that is so many months later."""

import calendar
from datetime import MAXYEAR, date, timedelta

from service.fhir.elements import Period

_DAYS_PER_MONTH = 365.25 / 12


def period(start: date, months: float) -> Period:
    """Return the time from a day to the horizon.

    Whole months are calendar months; where the last one is too short for the day, they
    end on its last day. What is left of a month counts as that part of 365.25/12 days,
    to the nearest day. A horizon past year 9999 has no date, and the period no end.
    """
    whole = int(months)
    years, month = divmod(start.year * 12 + start.month - 1 + whole, 12)
    if years >= MAXYEAR:  # the last day of it is the last day there is
        return {"start": start.isoformat()}
    day = min(start.day, calendar.monthrange(years, month + 1)[1])
    end = date(years, month + 1, day) + timedelta(days=round((months - whole) * _DAYS_PER_MONTH))
    return {"start": start.isoformat(), "end": end.isoformat()}
