"""Where the model applies: a living patient, acute leukaemia, and a transplant behind them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.chart import Reading, Verdict
from service.chart.codes import CHART_CODES, ICD_10_CM, ICD_10_PCS, SNOMED
from tests.service.chart.charts import bundle, condition, ecog, order, patient, reading, transplant

SECOND = "second-allogeneic-transplant"


def read(*resources: Any) -> Reading:
    return reading(bundle(patient(), condition(), ecog(), *resources))


def verdict(*resources: Any) -> Verdict:
    return read(*resources).verdict


def issues(*resources: Any) -> set[str]:
    return {found.code for found in read(*resources).issues if found.covariate is None}


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("38240", "http://www.ama-assn.org/go/cpt"),
        ("38240", "urn:oid:2.16.840.1.113883.6.12"),
        ("58390007", SNOMED),
        ("30233G2", ICD_10_PCS),
        ("30243Y3", ICD_10_PCS),
        ("30233X4", "http://hl7.org/fhir/sid/icd-10-pcs"),
        ("30243Y1", ICD_10_PCS),
        ("allogeneic-transplant", CHART_CODES),
    ],
)
def test_an_allogeneic_transplant_that_is_done_applies(code: str, system: str) -> None:
    assert verdict(transplant(code, system=system)) is Verdict.APPLIES
    assert verdict(transplant(code, None, system=system)) is Verdict.APPLIES


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("38241", "http://www.ama-assn.org/go/cpt"),
        # Donor lymphocytes and a boost are no transplant.
        ("38242", "http://www.ama-assn.org/go/cpt"),
        ("38243", "http://www.ama-assn.org/go/cpt"),
        ("425983008", SNOMED),
        ("58776007", SNOMED),
        ("30233Y0", ICD_10_PCS),
        ("38240", SNOMED),
    ],
)
def test_an_autologous_transplant_or_none_does_not_apply(code: str, system: str) -> None:
    assert verdict(transplant(code, system=system)) is Verdict.NO_PRIOR_TRANSPLANT


def test_a_newly_diagnosed_chart_does_not_apply_not_even_with_an_order_for_a_first() -> None:
    assert verdict() is Verdict.NO_PRIOR_TRANSPLANT
    assert verdict(order()) is Verdict.NO_PRIOR_TRANSPLANT
    assert verdict(order(), transplant("38241")) is Verdict.NO_PRIOR_TRANSPLANT


@pytest.mark.parametrize(
    "status", ["preparation", "in-progress", "not-done", "stopped", "entered-in-error", None, {}]
)
def test_a_transplant_that_is_not_completed_is_none(status: Any) -> None:
    assert verdict(transplant(status=status)) is Verdict.NO_PRIOR_TRANSPLANT


def test_a_transplant_of_the_future_is_not_done() -> None:
    assert verdict(transplant(when="2027-01-01")) is Verdict.NO_PRIOR_TRANSPLANT


@pytest.mark.parametrize("status", ["draft", "active", "on-hold"])
def test_an_order_for_a_second_one_applies_by_its_code(status: str) -> None:
    assert verdict(order(SECOND, system=CHART_CODES, status=status)) is Verdict.APPLIES


@pytest.mark.parametrize(
    "elements",
    [
        {"status": "revoked"},
        {"status": "completed"},
        {"status": "entered-in-error"},
        {"status": None},
        {"doNotPerform": True},
        {"doNotPerform": "true"},
    ],
)
def test_an_order_that_is_not_open_does_not_apply(elements: dict[str, Any]) -> None:
    assert verdict(order(SECOND, system=CHART_CODES, **elements)) is Verdict.NO_PRIOR_TRANSPLANT


@pytest.mark.parametrize(
    "record",
    [
        transplant("234336002", system=SNOMED),
        condition("Z94.84", ICD_10_CM, id="z"),
        condition("153351000119102", SNOMED, id="z"),
        condition("D89.812", ICD_10_CM, id="z"),
    ],
)
def test_a_transplant_of_unknown_kind_makes_an_allogeneic_order_a_second_one(record: Any) -> None:
    assert verdict(record) is Verdict.NO_PRIOR_TRANSPLANT
    assert verdict(record, order()) is Verdict.APPLIES
    assert issues(record, order()) == issues(record) == {"transplant_type_unknown"}
    # An autologous transplant explains it.
    assert verdict(record, order(), transplant("38241")) is Verdict.NO_PRIOR_TRANSPLANT


def test_a_refuted_record_of_a_transplant_is_none() -> None:
    refuted = condition("Z94.84", ICD_10_CM, id="z", verified="entered-in-error")
    assert verdict(refuted, order()) is Verdict.NO_PRIOR_TRANSPLANT


def test_two_transplants_are_warned_of() -> None:
    twice = transplant(when="2024-01-01"), transplant(when="2026-05-01")
    assert verdict(*twice) is Verdict.APPLIES
    assert issues(*twice) == {"second_transplant_done"}


def test_two_records_of_one_transplant_are_one() -> None:
    clinical = transplant("58390007", "2025-03-02", system=SNOMED)
    assert issues(transplant(when="2025-03-01"), clinical) == set()
    assert issues(transplant(when="2025-03-01"), transplant(when=None)) == set()
    assert issues(transplant(when="2025-03-01"), transplant(when="2025")) == set()


def test_an_autologous_transplant_before_is_not_the_first_of_two() -> None:
    assert issues(transplant("38241", "2020-01-01"), transplant()) == set()


def test_a_transplant_after_the_order_for_a_second_one_is_warned_of() -> None:
    ordered = order(SECOND, system=CHART_CODES, authoredOn="2025-01-01", status="completed")
    assert issues(ordered, transplant(when="2025-03-01")) == {"second_transplant_done"}
    assert issues(transplant(SECOND, system=CHART_CODES)) == {"second_transplant_done"}


def test_the_order_for_the_first_transplant_plans_no_second_one() -> None:
    left_open = order(authoredOn="2025-02-01", occurrenceDateTime="2025-03-01")
    assert read(left_open, transplant(when="2025-03-01")).planned_at is None
    assert issues(left_open, transplant(when="2025-03-01")) == set()


@pytest.mark.parametrize(
    "occurrence",
    [
        {"occurrenceDateTime": "2026-12-10"},
        {"occurrenceDateTime": "2026-12-10T00:00:00Z"},
        {"occurrencePeriod": {"start": "2026-12-10", "end": "2026-12-20"}},
        {"occurrenceTiming": {"event": ["2026-12-10"]}},
        {"occurrenceTiming": {"repeat": {"boundsPeriod": {"start": "2026-12-10"}}}},
    ],
)
def test_the_ordered_day_is_the_planned_day(occurrence: dict[str, Any]) -> None:
    planned = read(transplant(), order(**occurrence)).planned_at
    assert planned == datetime(2026, 12, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "code"),
    [("2026-11-21", "planned_date_past"), ("2026-12", "planned_date_unclear")],
)
def test_a_day_that_is_past_or_unclear_is_not_planned(when: str, code: str) -> None:
    ordered = transplant(), order(occurrenceDateTime=when)
    assert read(*ordered).planned_at is None
    assert issues(*ordered) == {code}


def test_today_is_still_planned_and_of_several_days_the_first_counts() -> None:
    today = order(occurrenceDateTime="2026-11-22")
    later = order(occurrenceDateTime="2026-12-22")
    assert read(transplant(), today).planned_at == datetime(2026, 11, 22, tzinfo=UTC)
    assert read(transplant(), later, today).planned_at == datetime(2026, 11, 22, tzinfo=UTC)
    assert issues(transplant(), later, today) == {"several_planned_dates"}


@pytest.mark.parametrize(
    "occurrence",
    [
        {"occurrenceDateTime": 20261210},
        {"occurrencePeriod": "2026-12-10"},
        {"occurrenceTiming": []},
        {"occurrenceTiming": {"event": "2026-12-10"}},
        {"occurrenceTiming": {"repeat": [1]}},
        {"occurrenceString": "soon"},
    ],
)
def test_an_occurrence_of_wrong_type_is_none(occurrence: dict[str, Any]) -> None:
    assert read(transplant(), order(**occurrence)).planned_at is None


@pytest.mark.parametrize(
    "death",
    [
        {"deceasedBoolean": True},
        {"deceasedBoolean": "true"},
        {"deceasedDateTime": "2026-10-01"},
        {"deceasedDateTime": "2026"},
    ],
)
def test_a_deceased_patient_is_refused_whatever_else_holds(death: dict[str, Any]) -> None:
    chart = bundle(patient(**death), condition(), ecog(), transplant())
    assert reading(chart).verdict is Verdict.DECEASED
    assert "deceased" in {found.code for found in reading(chart).issues}
    assert reading(bundle(patient(**death))).verdict is Verdict.DECEASED


def test_a_patient_who_is_recorded_as_alive_is() -> None:
    chart = bundle(patient(deceasedBoolean=False), condition(), ecog(), transplant())
    assert reading(chart).verdict is Verdict.APPLIES


def test_without_leukaemia_a_transplant_does_not_apply() -> None:
    assert reading(bundle(patient(), ecog(), transplant())).verdict is Verdict.NO_ACUTE_LEUKAEMIA
