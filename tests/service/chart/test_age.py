"""Age is at the planned transplant, from a birth date that may be partial."""

from typing import Any

import pytest

from tests.service.chart.charts import (
    bundle,
    condition,
    ecog,
    issues_of,
    order,
    patient,
    reading,
    transplant,
    value_of,
)


def chart(*resources: Any, **elements: Any) -> dict[str, Any]:
    return bundle(patient(**elements), condition(), transplant(), ecog(), *resources)


def test_age_is_now_where_nothing_is_planned() -> None:
    # 22 November 1968 to 22 November 2026: 21,184 days of 1/365.25 year.
    assert value_of(chart(), "age_years") == 58.0


def test_age_is_that_of_the_planned_day() -> None:
    planned = order(authoredOn="2026-11-01", occurrenceDateTime="2027-05-22")
    assert value_of(chart(planned), "age_years") == pytest.approx(58.5, abs=0.01)


@pytest.mark.parametrize(
    ("birth_date", "age"),
    # 2 July 1968 to 22 November 2026; 16 March 1968 to it.
    [("1968", 58.39), ("1968-03", 58.69)],
)
def test_of_a_partial_birth_date_the_middle_is_used(birth_date: str, age: float) -> None:
    given = chart(birthDate=birth_date)
    assert value_of(given, "age_years") == pytest.approx(age, abs=0.005)
    assert issues_of(given, "age_years") == {"partial_birth_date"}
    (source,) = (s for s in reading(given).sources if s.covariate == "age_years")
    assert source.note is not None
    assert source.note.startswith("middle of the ")


@pytest.mark.parametrize(
    ("birth_date", "code"),
    [
        ("22.11.1968", "bad_birth_date"),
        ("1968-13", "bad_birth_date"),
        (1968, "bad_birth_date"),
        ("", "bad_birth_date"),
        ([], "bad_birth_date"),
        ("1890-01-01", "out_of_range"),
        ("2027-01-01", "out_of_range"),
        (None, "no_value"),
    ],
)
def test_what_is_no_birth_date_leaves_age_unknown(birth_date: Any, code: str) -> None:
    given = chart(birthDate=birth_date)
    assert value_of(given, "age_years") is None
    assert issues_of(given, "age_years") == {code}


def test_copies_of_the_patient_must_agree() -> None:
    twice = chart(patient())
    assert value_of(twice, "age_years") == 58.0
    differing = chart(patient(birthDate="1969-11-22"))
    assert value_of(differing, "age_years") is None
    assert issues_of(differing, "age_years") == {"contradictory_values"}


def test_a_newer_version_of_the_patient_replaces_the_older() -> None:
    newer = patient(birthDate="1969-11-22", meta={"versionId": "2"})
    given = bundle(newer, patient(meta={"versionId": "1"}), ecog())
    assert value_of(given, "age_years") == pytest.approx(57, abs=0.01)


def test_without_a_patient_age_is_unknown_and_the_chart_says_so() -> None:
    read = reading(bundle(ecog()))
    assert read.subject is None
    assert "no_patient" in {found.code for found in read.issues}
