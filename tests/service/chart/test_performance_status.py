"""ECOG is read however it is written; Karnofsky counts only where it is absent."""

from typing import Any

import pytest

from model.patient import Patient
from service.chart import Severity, Verdict
from service.chart.codes import LOINC, SNOMED
from tests.service.chart.charts import (
    YESTERDAY,
    applicable,
    bundle,
    coded,
    condition,
    ecog,
    issues_of,
    observation,
    patient,
    quantity,
    reading,
    transplant,
)


def chart(*resources: Any) -> dict[str, Any]:
    return bundle(patient(), condition(), transplant(), *resources)


def grade_of(*resources: Any) -> int | None:
    read = reading(chart(*resources)).patient
    return read.ecog if read else None


def karnofsky(value: Any, when: str | None = YESTERDAY, **elements: Any) -> dict[str, Any]:
    return observation("89243-0", when, valueInteger=value, **elements)


def answered(system: str, *codes: str) -> dict[str, Any]:
    return observation("89247-1", valueCodeableConcept=coded(system, *codes))


@pytest.mark.parametrize("grade", range(5))
def test_an_integer_is_the_grade(grade: int) -> None:
    assert grade_of(ecog(grade)) == grade


@pytest.mark.parametrize("unit", ["{score}", "1", None, "", "{Score}", "score"])
@pytest.mark.parametrize("grade", [2, 2.0])
def test_a_quantity_is_the_grade_with_or_without_a_unit(grade: float, unit: str | None) -> None:
    assert grade_of(observation("89247-1", valueQuantity=quantity(grade, unit))) == 2


@pytest.mark.parametrize(
    ("system", "codes"),
    [
        (LOINC, ["LA9622-7", "LA9623-5", "LA9624-3", "LA9625-0", "LA9626-8"]),
        (SNOMED, ["425389002", "422512005", "422894000", "423053003", "423237006"]),
    ],
)
def test_a_coded_answer_is_the_grade(system: str, codes: list[str]) -> None:
    assert [grade_of(answered(system, code)) for code in codes] == [0, 1, 2, 3, 4]


def test_codings_of_one_answer_must_agree() -> None:
    agreeing = answered(LOINC, "LA9624-3")
    agreeing["valueCodeableConcept"]["coding"] += coded(SNOMED, "422894000")["coding"]
    assert grade_of(agreeing) == 2
    differing = answered(LOINC, "LA9624-3", "LA9625-0")
    assert grade_of(differing) is None
    assert "contradictory_answer" in issues_of(chart(differing), "ecog")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"valueInteger": 6}, "out_of_range"),
        ({"valueInteger": -1}, "out_of_range"),
        ({"valueInteger": 1.5}, "not_a_grade"),
        ({"valueInteger": True}, "not_a_number"),
        ({"valueInteger": "1"}, "not_a_number"),
        ({"valueInteger": 10**400}, "not_a_number"),
        ({"valueString": "ECOG 1"}, "not_a_number"),
        ({"valueQuantity": quantity(1, "kg")}, "unknown_unit"),
        ({"valueQuantity": quantity(1, "%")}, "unknown_unit"),
        ({"valueQuantity": quantity(1, "1") | {"comparator": "<="}}, "comparator"),
        ({"valueQuantity": 1}, "not_a_number"),
        ({"valueCodeableConcept": coded(LOINC, "LA0-0")}, "unknown_answer"),
        ({}, "value_absent"),
    ],
)
def test_what_is_no_grade_leaves_no_patient_and_says_so(value: dict[str, Any], code: str) -> None:
    given = chart(observation("89247-1", **value))
    assert reading(given).patient is None
    assert issues_of(given, "ecog") == {code, "ecog_not_determined"}


def test_without_any_grade_there_is_no_patient_and_an_error() -> None:
    read = reading(chart())
    assert read.patient is None
    (error,) = (found for found in read.issues if found.severity is Severity.ERROR)
    assert (error.code, error.covariate) == ("ecog_not_determined", "ecog")


@pytest.mark.parametrize(
    ("value", "grade"),
    [(100, 0), (90, 0), (80, 1), (70, 1), (60, 2), (50, 2), (40, 3), (30, 3), (20, 4), (10, 4)],
)
def test_karnofsky_stands_for_a_grade_and_the_answer_says_so(value: int, grade: int) -> None:
    assert grade_of(karnofsky(value)) == grade
    assert "from_karnofsky" in issues_of(chart(karnofsky(value)), "ecog")
    (source,) = (s for s in reading(chart(karnofsky(value))).sources if s.covariate == "ecog")
    assert source.note == "derived from Karnofsky"


@pytest.mark.parametrize("value", [85, 5, 101, 110, -10, 72.5])
def test_what_is_no_step_of_karnofsky_is_refused(value: float) -> None:
    assert grade_of(karnofsky(value)) is None
    assert issues_of(chart(karnofsky(value)), "ecog") & {"not_a_grade", "out_of_range"}


def test_karnofsky_may_be_a_percentage_or_an_answer() -> None:
    percent = observation("89243-0", valueQuantity=quantity(70, "%"))
    coded_answer = observation("89243-0", valueCodeableConcept=coded(LOINC, "LA29178-3"))
    assert grade_of(percent) == grade_of(coded_answer) == 1


def test_karnofsky_does_not_count_where_there_is_ecog_even_a_newer_one() -> None:
    assert grade_of(ecog(3, "2026-10-01"), karnofsky(100)) == 3
    assert "from_karnofsky" not in issues_of(chart(ecog(3), karnofsky(100)), "ecog")


def test_karnofsky_counts_where_ecog_was_withdrawn_but_does_not_settle_a_contradiction() -> None:
    assert grade_of(ecog(3, status="entered-in-error"), karnofsky(100)) == 0
    assert grade_of(ecog(1), ecog(3), karnofsky(100)) is None


@pytest.mark.parametrize(
    "death",
    [ecog(5), answered(LOINC, "LA9627-6"), answered(SNOMED, "423409001"), karnofsky(0)],
)
def test_grade_5_and_karnofsky_0_are_a_dead_patient(death: dict[str, Any]) -> None:
    read = reading(chart(death))
    assert read.patient is None
    assert read.verdict is Verdict.DECEASED
    assert {"deceased", "ecog_not_determined"} <= {found.code for found in read.issues}


def test_a_dead_grade_that_was_corrected_since_kills_no_one() -> None:
    assert reading(chart(ecog(5, "2026-11-01"), ecog(2))).verdict is Verdict.APPLIES


def test_a_stale_grade_is_used_with_a_warning() -> None:
    assert grade_of(ecog(2, "2026-10-01")) == 2
    assert "stale_value" in issues_of(chart(ecog(2, "2026-10-01")), "ecog")


def test_a_grade_alone_makes_a_patient() -> None:
    assert reading(ecog(2)).patient == Patient(ecog=2)
    assert reading(applicable()).patient is not None
