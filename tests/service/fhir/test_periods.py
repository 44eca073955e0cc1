"""Horizons in months as dates."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fhir.periods import period


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2026, 11, 22), 6, "2027-05-22"),
        (date(2026, 1, 31), 1, "2026-02-28"),
        (date(2027, 8, 31), 6, "2028-02-29"),
        (date(2026, 12, 1), 1, "2027-01-01"),
        (date(2026, 1, 1), 1.5, "2026-02-16"),  # half of 365.25/12 days is 15.2
        (date(2026, 1, 1), 0.01, "2026-01-01"),
        (date(2026, 1, 1), 1200, "2126-01-01"),
    ],
)
def test_whole_months_are_calendar_months_and_parts_of_them_days(
    start: date, months: float, end: str
) -> None:
    assert period(start, months) == {"start": start.isoformat(), "end": end}


def test_past_the_last_year_that_can_be_written_there_is_no_end() -> None:
    assert period(date(9990, 1, 1), 1200) == {"start": "9990-01-01"}
    assert period(date(9999, 12, 31), 0.99) == {"start": "9999-12-31"}


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.floats(0.001, 1200))
def test_a_horizon_is_as_far_away_as_its_months_are_long(start: date, months: float) -> None:
    days = (date.fromisoformat(period(start, months)["end"]) - start) / timedelta(days=1)
    assert abs(days - months * 365.25 / 12) < 4
