"""The latest usable Observation counts; what is not used is named, and why."""

from collections.abc import Mapping
from typing import Any

import pytest

from service.chart.codes import CHART_CODES, LOINC, SNOMED
from tests.service.chart.charts import (
    NOW,
    YESTERDAY,
    applicable,
    bundle,
    coded,
    ecog,
    issues_of,
    measured,
    observation,
    own,
    patient,
    quantity,
    reading,
    value_of,
)

HB = "718-7"


def hb(value: Any = 10.0, when: str | None = YESTERDAY, **elements: Any) -> dict[str, Any]:
    return measured(HB, value, elements.pop("unit", "g/dL"), when=when, **elements)


def hemoglobin(*resources: Any) -> Any:
    return value_of(applicable(*resources), "hemoglobin_g_dl")


def issues(*resources: Any) -> set[str]:
    return issues_of(applicable(*resources), "hemoglobin_g_dl")


def test_the_latest_one_counts_whatever_the_order() -> None:
    older, newer = hb(8, "2026-11-19T08:00:00Z"), hb(9, "2026-11-20T08:00:00Z")
    assert hemoglobin(older, newer) == hemoglobin(newer, older) == 9
    assert issues(older, newer) == set()


def test_times_are_compared_across_time_zones() -> None:
    # 23:00 in New York is 04:00 UTC of the next day, after 08:00 in Tokyo of that day.
    new_york, tokyo = hb(8, "2026-11-19T23:00:00-05:00"), hb(9, "2026-11-20T08:00:00+09:00")
    assert hemoglobin(new_york, tokyo) == 8


@pytest.mark.parametrize(
    "when",
    [
        {"effectiveDateTime": "2026-11-20T08:00:00Z"},
        {"effectivePeriod": {"start": "2026-11-01", "end": "2026-11-20T08:00:00Z"}},
        {"effectiveInstant": "2026-11-20T08:00:00.123456789Z"},
        {"issued": "2026-11-20T08:00:00Z"},
        {"effectiveDateTime": "rubbish", "issued": "2026-11-20T08:00:00Z"},
    ],
)
def test_the_time_is_effective_else_issued(when: Mapping[str, Any]) -> None:
    assert hemoglobin(hb(8, "2026-11-19T08:00:00Z"), hb(9, None, **when)) == 9
    assert hemoglobin(hb(8, "2026-11-21T08:00:00Z"), hb(9, None, **when)) == 8


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("entered-in-error", "withdrawn_value"),
        ("cancelled", "withdrawn_value"),
        ("registered", "status_not_usable"),
        ("unknown", "status_not_usable"),
        (None, "status_not_usable"),
        (["final"], "status_not_usable"),
        ({}, "status_not_usable"),
    ],
)
def test_a_status_that_is_not_usable_gives_way_to_an_older_value(status: Any, code: str) -> None:
    unusable = hb(9, status=status)
    assert hemoglobin(unusable) is None
    assert issues(unusable) == {code}
    assert hemoglobin(hb(8, "2026-11-19"), unusable) == 8
    assert issues(hb(8, "2026-11-19"), unusable) == {code}


def test_an_unusable_value_that_is_older_than_the_one_used_is_not_mentioned() -> None:
    assert issues(hb(9), hb(8, "2026-11-01", status="cancelled")) == set()


def test_a_preliminary_value_is_used_with_a_warning() -> None:
    assert hemoglobin(hb(9, status="preliminary")) == 9
    assert issues(hb(9, status="preliminary")) == {"preliminary_value"}


def test_a_preliminary_value_gives_way_to_a_final_one_of_the_same_time() -> None:
    assert hemoglobin(hb(9, status="preliminary"), hb(8.5)) == 8.5
    assert issues(hb(9, status="preliminary"), hb(8.5)) == set()


@pytest.mark.parametrize("status", ["amended", "corrected", "final"])
def test_an_amended_value_is_as_good_as_a_final_one(status: str) -> None:
    assert hemoglobin(hb(9, status=status)) == 9
    assert issues(hb(9, status=status)) == set()


def test_contradictory_values_of_one_time_are_not_used() -> None:
    assert hemoglobin(hb(9), hb(10), hb(8, "2026-11-01")) is None
    assert issues(hb(9), hb(10)) == {"contradictory_values"}


def test_contradictory_values_of_one_day_are_not_used() -> None:
    assert hemoglobin(hb(9, "2026-11-20"), hb(10, "2026-11-20")) is None
    # Which came first cannot be told: the day may have been before or after the time.
    assert hemoglobin(hb(9, "2026-11-20"), hb(10, "2026-11-20T08:00:00Z")) is None


def test_two_times_of_one_day_do_not_contradict() -> None:
    assert hemoglobin(hb(9, "2026-11-20T08:00:00Z"), hb(10, "2026-11-20T18:00:00Z")) == 10


def test_the_same_value_in_two_units_does_not_contradict() -> None:
    twice = (hb(9.8), hb(98, unit="g/L"), hb(9.8))
    assert hemoglobin(*twice) == 9.8
    assert issues(*twice) == set()


def test_a_time_without_its_zone_is_a_day() -> None:
    assert hemoglobin(hb(9, "2026-11-20T08:00:00"), hb(10, "2026-11-20T18:00:00")) is None
    assert hemoglobin(hb(9, "2026-11-20T08:00:00")) == 9


@pytest.mark.parametrize(
    "when", ["2026-11-22T12:30:00Z", "2026-12-01", "2027", "2026-11-23T08:00:00+09:00"]
)
def test_a_value_of_the_future_is_not_used(when: str) -> None:
    assert hemoglobin(hb(9, when), hb(8, "2026-11-19")) == 8
    assert issues(hb(9, when)) == {"future_value"}


def test_a_clock_that_is_some_minutes_ahead_is_no_future() -> None:
    assert hemoglobin(hb(9, "2026-11-22T12:05:00Z")) == 9


def test_today_is_not_the_future_anywhere_on_earth() -> None:
    # At 12:00 UTC it is the 23rd in Kiritimati.
    assert hemoglobin(hb(9, "2026-11-23")) == 9


@pytest.mark.parametrize(
    ("when", "is_stale"), [("2026-11-08", False), ("2026-11-07", True), ("2019", True)]
)
def test_a_stale_value_is_used_with_a_warning(when: str, is_stale: bool) -> None:
    assert hemoglobin(hb(9, when)) == 9
    assert issues(hb(9, when)) == ({"stale_value"} if is_stale else set())


def test_a_month_counts_from_its_beginning() -> None:
    assert hemoglobin(hb(9, "2026-11"), hb(10, "2026-11-02")) == 10
    assert hemoglobin(hb(9, "2026-11"), hb(10, "2026-10-31")) == 9


def test_an_undated_value_is_used_for_want_of_a_dated_one() -> None:
    assert hemoglobin(hb(9, None)) == 9
    assert issues(hb(9, None)) == {"undated_value"}
    assert hemoglobin(hb(9, None), hb(10, "2020-01-01")) == 10
    (source,) = (
        s for s in reading(applicable(hb(9, None))).sources if s.covariate == "hemoglobin_g_dl"
    )
    assert source.effective is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (quantity(9, "g/dL") | {"comparator": "<"}, "comparator"),
        (quantity(9, "g/dL") | {"comparator": ">="}, "comparator"),
        (quantity(9, None), "missing_unit"),
        (quantity(9, ""), "missing_unit"),
        (quantity(9, "furlong"), "unknown_unit"),
        (quantity(9, "mL"), "unknown_unit"),
        (quantity(9, "G/L", None), "unknown_unit"),
        ({"value": 9, "unit": 17, "code": []}, "missing_unit"),
        (quantity("9", "g/dL"), "not_a_number"),
        (quantity(True, "g/dL"), "not_a_number"),
        (quantity(float("nan"), "g/dL"), "not_a_number"),
        (quantity(float("inf"), "g/dL"), "not_a_number"),
        (quantity(10**400, "g/dL"), "not_a_number"),
        (quantity({}, "g/dL"), "not_a_number"),
        (quantity(None, "g/dL"), "value_absent"),
        (quantity(90, "g/dL"), "out_of_range"),
        (quantity(9, "g/L"), "out_of_range"),
        (quantity(-9, "g/dL"), "out_of_range"),
        ("9 g/dL", "not_a_number"),
        ([quantity(9, "g/dL")], "not_a_number"),
        (None, "not_a_number"),
    ],
)
def test_a_quantity_that_cannot_be_used_is_refused_by_name(value: Any, code: str) -> None:
    refused = observation(HB, valueQuantity=value)
    assert hemoglobin(refused) is None
    assert issues(refused) == {code}
    assert hemoglobin(refused, hb(8, "2026-11-19")) == 8


def test_values_of_other_types_are_no_quantities() -> None:
    assert issues(observation(HB, valueString="9 g/dL")) == {"not_a_number"}
    assert issues(observation(HB)) == {"value_absent"}


def test_an_absent_value_has_its_reason_and_no_number() -> None:
    absent = observation(HB, dataAbsentReason=coded("urn:x", "unknown"))
    assert issues(absent) == {"value_absent"}
    # Both cannot be (obs-6): the reason is believed.
    assert issues(hb(9, dataAbsentReason=coded("urn:x", "error"))) == {"value_absent"}


def test_a_value_about_the_donor_is_not_the_patients() -> None:
    donors = hb(14, focus=[{"reference": "RelatedPerson/donor"}])
    assert hemoglobin(donors) is None
    assert issues(donors) == {"about_another"}


def test_components_are_read() -> None:
    panel = observation(
        "58410-2",
        component=[
            {"code": coded(LOINC, HB), "valueQuantity": quantity(9, "g/dL")},
            {"code": coded(LOINC, "731-0"), "valueQuantity": quantity(0.4, "10*3/uL")},
            "no component",
            {"code": coded(LOINC, "2276-4"), "dataAbsentReason": coded("urn:x", "unknown")},
        ],
        id="panel",
    )
    read = reading(applicable(panel))
    assert read.patient is not None
    assert (read.patient.hemoglobin_g_dl, read.patient.lymphocytes_10e9_l) == (9, 0.4)
    (absent,) = (i for i in read.issues if i.covariate == "ferritin_ng_ml")
    assert absent.expression == "Bundle.entry[4].resource.component[3]"


def test_other_codes_beside_ours_do_not_matter_and_two_of_ours_do() -> None:
    local = {"coding": [{"system": "urn:lab", "code": "HB"}, *coded(LOINC, HB)["coding"]]}
    assert hemoglobin(observation(local, valueQuantity=quantity(9, "g/dL"))) == 9
    both = coded(LOINC, HB, "2276-4")
    assert hemoglobin(observation(both, valueQuantity=quantity(9, "g/dL"))) is None
    read = reading(applicable(observation(both, valueQuantity=quantity(9, "g/dL"))))
    assert "contradictory_code" in {found.code for found in read.issues}


def test_a_code_of_another_system_is_no_code_of_ours() -> None:
    assert hemoglobin(observation(coded("urn:lab", HB), valueQuantity=quantity(9, "g/dL"))) is None
    oid = coded("urn:oid:2.16.840.1.113883.6.1", HB)
    assert hemoglobin(observation(oid, valueQuantity=quantity(9, "g/dL"))) == 9


def test_the_reverse_reaction_is_not_ldh() -> None:
    reverse = measured("14805-6", 300, "U/L")
    assert value_of(applicable(reverse), "ldh_u_l") is None
    assert issues_of(applicable(reverse), "ldh_u_l") == {"not_this_quantity", "no_value"}
    assert value_of(applicable(reverse, measured("14804-9", 5, "ukat/L")), "ldh_u_l") == 300


def test_an_unknown_covariate_always_has_its_reason() -> None:
    read = reading(applicable())
    assert read.patient is not None
    unknown = {name for name, value in read.patient.model_dump().items() if value is None}
    assert unknown == {i.covariate for i in read.issues if i.code == "no_value"}


def test_a_source_says_where_a_value_is_from_and_what_was_done_to_it() -> None:
    read = reading(applicable(hb(98, unit="g/L", id="hb-1")))
    (source,) = (s for s in read.sources if s.covariate == "hemoglobin_g_dl")
    assert source.value == 9.8
    assert source.reference == "https://ehr.example/fhir/Observation/hb-1"
    assert source.effective == YESTERDAY
    assert source.note == "converted from g/L"


def test_a_resource_without_an_url_is_referred_to_by_type_and_id() -> None:
    chart = {"resourceType": "Parameters", "parameter": [{"resource": ecog(id="e1")}]}
    (source,) = reading(chart).sources
    assert source.reference == "Observation/e1"
    with_uuid = bundle(ecog())
    with_uuid["entry"][0]["fullUrl"] = "urn:uuid:0b4ac58e-06e4-4e2a-9c5e-1a2b3c4d5e6f"
    (source,) = reading(with_uuid).sources
    assert source.reference is None


@pytest.mark.parametrize(
    ("code", "value", "unit", "covariate", "expected"),
    [
        (HB, 98, "g/L", "hemoglobin_g_dl", 9.8),
        # 6.1 mmol/L of monomer at 16.11 g/mmol is 98.3 g/L.
        ("59260-0", 6.1, "mmol/L", "hemoglobin_g_dl", 9.8271),
        ("731-0", 420, "/uL", "lymphocytes_10e9_l", 0.42),
        ("26474-7", 0, "10*9/L", "lymphocytes_10e9_l", 0),
        ("2532-0", 4.5, "ukat/L", "ldh_u_l", 270),
        ("2532-0", 270, "[IU]/L", "ldh_u_l", 270),
        ("2276-4", 1200, "ug/L", "ferritin_ng_ml", 1200),
        ("14723-1", 2000, "pmol/L", "ferritin_ng_ml", 890),
        ("78002-3", 5.2, "10*6/kg", "cd34_dose_10e6_per_kg", 5.2),
    ],
)
def test_each_laboratory_value_arrives_in_the_models_unit(
    code: str, value: float, unit: str, covariate: str, expected: float
) -> None:
    assert value_of(applicable(measured(code, value, unit)), covariate) == expected


def test_what_is_planned_has_codes_of_our_own() -> None:
    chart = applicable(
        own("conditioning", valueCodeableConcept=coded(CHART_CODES, "reduced-intensity")),
        own("post-transplant-cyclophosphamide", valueBoolean=False),
        own("donor-chimerism", valueQuantity=quantity(45, "%")),
        own("cd34-dose", valueQuantity=quantity(6.5, "10*6/kg")),
    )
    read = reading(chart).patient
    assert read is not None
    assert read.conditioning == "reduced_intensity"
    assert read.post_transplant_cyclophosphamide is False
    assert (read.donor_chimerism_percent, read.cd34_dose_10e6_per_kg) == (45, 6.5)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"valueCodeableConcept": coded(CHART_CODES, "none")}, "unknown_answer"),
        ({"valueCodeableConcept": coded(SNOMED, "myeloablative")}, "unknown_answer"),
        ({"valueCodeableConcept": {"text": "RIC"}}, "unknown_answer"),
        ({"valueCodeableConcept": "RIC"}, "not_a_number"),
        (
            {"valueCodeableConcept": coded(CHART_CODES, "myeloablative", "reduced-intensity")},
            "contradictory_answer",
        ),
    ],
)
def test_a_coded_value_must_be_one_of_the_table(value: Mapping[str, Any], code: str) -> None:
    assert issues_of(applicable(own("conditioning", **value)), "conditioning") == {code}


def test_a_boolean_is_not_guessed() -> None:
    name = "post_transplant_cyclophosphamide"
    for value in ("true", 1, None):
        chart = applicable(own("post-transplant-cyclophosphamide", valueBoolean=value))
        assert value_of(chart, name) is None
        assert issues_of(chart, name) == {"not_a_number"}


def test_the_graft_and_the_plan_of_the_first_transplant_are_not_those_of_the_second() -> None:
    # The first transplant of these charts was on 1 March 2025.
    of_first = measured("78002-3", 7.1, "10*6/kg", when="2025-03-01T10:00:00Z")
    chart = applicable(of_first)
    assert value_of(chart, "cd34_dose_10e6_per_kg") is None
    assert issues_of(chart, "cd34_dose_10e6_per_kg") == {"of_first_transplant"}
    # Without a date of the transplant there is nothing to tell them apart by.
    assert value_of(bundle(patient(), ecog(), of_first), "cd34_dose_10e6_per_kg") == 7.1
    assert NOW.year == 2026
