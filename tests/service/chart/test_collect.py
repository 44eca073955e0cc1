"""A chart is one patient's, however it arrives; what is malformed is named, not fatal."""

from typing import Any

import pytest

from service.chart import Chart, ChartError, Severity, collect, collect_prefetch, read_chart
from service.chart.issues import ISSUES, issue
from tests.service.chart.charts import (
    BASE,
    NOW,
    bundle,
    condition,
    ecog,
    measured,
    order,
    patient,
    reading,
    transplant,
)

UUID = "urn:uuid:0b4ac58e-06e4-4e2a-9c5e-1a2b3c4d5e6f"


def entries(chart: Chart) -> list[tuple[str, str]]:
    return [(entry.type, entry.expression) for entry in chart.entries]


def codes(chart: Chart) -> set[str]:
    return {found.code for found in chart.issues}


def refused(resource: Any) -> set[str]:
    with pytest.raises(ChartError) as error:
        collect(resource)
    assert str(error.value)
    return {found.code for found in error.value.issues}


@pytest.mark.parametrize(
    "kind", ["searchset", "collection", "transaction", "document", "message", "history", None, 7]
)
def test_a_bundle_of_any_kind_but_batch_is_a_chart(kind: Any) -> None:
    chart = collect(bundle(patient(), ecog(), type=kind))
    assert entries(chart) == [
        ("Patient", "Bundle.entry[0].resource"),
        ("Observation", "Bundle.entry[1].resource"),
    ]


def test_a_batch_is_no_chart() -> None:
    assert refused(bundle(patient(), type="batch")) == {"batch_bundle"}


def test_a_single_resource_is_a_chart() -> None:
    assert entries(collect(ecog())) == [("Observation", "Observation")]


def test_parameters_hold_resources_at_any_depth() -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "resource": patient()},
            {"name": "horizon", "valueInteger": 12},
            {"name": "more", "part": [{"part": [{"resource": ecog()}]}]},
            {"name": "chart", "resource": bundle(condition())},
        ],
    }
    assert entries(collect(parameters)) == [
        ("Patient", "Parameters.parameter[0].resource"),
        ("Observation", "Parameters.parameter[2].part[0].part[0].resource"),
        ("Condition", "Parameters.parameter[3].resource.entry[0].resource"),
    ]


def test_a_prefetch_holds_resources_by_key_and_null_is_nothing() -> None:
    chart = collect_prefetch(
        {"patient": patient(), "conditions": bundle(condition()), "labs": None, "orders": bundle()}
    )
    assert entries(chart) == [
        ("Patient", "prefetch.patient"),
        ("Condition", "prefetch.conditions.entry[0].resource"),
    ]
    assert chart.issues == ()


def test_what_a_server_says_about_its_search_is_not_clinical() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    page = bundle(patient(), outcome)
    page["entry"].append({"search": {"mode": "outcome"}, "resource": ecog()})
    page["entry"].append({"request": {"method": "DELETE", "url": "Observation/x"}})
    chart = collect(page)
    assert entries(chart) == [("Patient", "Bundle.entry[0].resource")]
    assert chart.issues == ()


def test_contained_resources_are_read_but_contained_patients_are_not() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "subject": {"reference": "#p"},
        "contained": [
            {**measured("718-7", 9, "g/dL", subject={"reference": "#p"}), "id": "o"},
            {"resourceType": "Patient", "id": "p"},
            "nothing",
        ],
    }
    chart = collect(bundle(patient(), ecog(), report))
    assert entries(chart)[-1] == ("Observation", "Bundle.entry[2].resource.contained[0]")
    read = read_chart(chart, now=NOW)
    assert read.patient is not None
    assert read.patient.hemoglobin_g_dl == 9
    assert [s.reference for s in read.sources if s.covariate == "hemoglobin_g_dl"] == [None]


# Two subjects


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        f"{BASE}/Patient/p1",
        f"{BASE}/Patient/p1/_history/3",
        "Patient/p1/_history/3",
        "#contained",
        "urn:oid:1.2.3",
        "nonsense",
    ],
)
def test_references_that_name_the_patient_or_no_one_are_of_one_subject(reference: str) -> None:
    assert len(collect(bundle(patient(), ecog(subject={"reference": reference}))).entries) == 2


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p2",
        f"{BASE}/Patient/p2",
        "https://other.example/fhir/Patient/p1",
        "urn:uuid:11111111-2222-3333-4444-555555555555",
    ],
)
def test_references_that_name_another_patient_are_refused(reference: str) -> None:
    chart = bundle(patient(), ecog(subject={"reference": reference}))
    assert refused(chart) == {"several_subjects"}


def test_a_urn_is_the_patient_of_the_entry_that_has_it() -> None:
    chart = bundle(patient(), ecog(subject={"reference": UUID}), ecog())
    chart["entry"][0]["fullUrl"] = UUID
    assert len(collect(chart).entries) == 3
    del chart["entry"][0]["resource"]["id"]
    assert refused(chart) == {"several_subjects"}


def test_two_patients_are_refused_and_the_second_is_pointed_at() -> None:
    with pytest.raises(ChartError) as error:
        collect(bundle(patient(), ecog(), patient(id="p2")))
    (found,) = error.value.issues
    assert found.expression == "Bundle.entry[2].resource"
    assert found.severity is Severity.ERROR


def test_two_patients_who_cannot_be_told_apart_are_refused() -> None:
    nameless = {"resourceType": "Patient", "birthDate": "1968"}
    assert refused(bundle(nameless, dict(nameless))) == {"several_subjects"}
    assert refused(bundle(nameless, patient())) == {"several_subjects"}
    assert len(collect(bundle(nameless, ecog())).entries) == 2


def test_one_id_on_two_servers_is_two_patients() -> None:
    chart = bundle(patient(meta={"versionId": "1"}), patient(meta={"versionId": "2"}))
    assert len(collect(chart).entries) == 1
    chart["entry"][1]["fullUrl"] = "https://other.example/fhir/Patient/p1"
    assert refused(chart) == {"several_subjects"}


def test_observations_of_two_subjects_are_refused_without_any_patient() -> None:
    two = bundle(ecog(), ecog(subject={"reference": "Patient/p2"}))
    assert refused(two) == {"several_subjects"}
    assert len(collect(bundle(ecog(), ecog(subject={"reference": f"{BASE}/Patient/p1"}))).entries)


def test_a_reference_without_a_server_does_not_join_two_servers() -> None:
    named = (
        {"reference": reference}
        for reference in ("Patient/p1", f"{BASE}/Patient/p1", "https://other.example/Patient/p1")
    )
    assert refused(bundle(*(ecog(subject=subject) for subject in named))) == {"several_subjects"}


def test_what_is_about_a_device_or_a_place_is_not_read() -> None:
    chart = collect(bundle(patient(), ecog(subject={"reference": "Device/d1"})))
    assert entries(chart) == [("Patient", "Bundle.entry[0].resource")]
    assert codes(chart) == {"not_about_a_patient"}


def test_a_circle_of_references_is_not_followed() -> None:
    one = ecog(id="a", hasMember=[{"reference": "Observation/b"}])
    other = ecog(id="b", derivedFrom=[{"reference": "Observation/a"}])
    linked = patient(link=[{"other": {"reference": "Patient/p1"}, "type": "seealso"}])
    assert reading(bundle(linked, one, other)).patient is not None


@pytest.mark.parametrize(
    ("full_url", "logical_id", "subject"),
    [
        (f"{BASE}/Patient/p1", "p1", f"{BASE}/Patient/p1"),
        (None, "p1", "Patient/p1"),
        (UUID, "p1", "Patient/p1"),
        (UUID, None, UUID),
        (None, None, None),
    ],
)
def test_the_subject_is_the_patient_as_the_chart_names_it(
    full_url: str | None, logical_id: str | None, subject: str | None
) -> None:
    chart = bundle(patient(id=logical_id))
    chart["entry"][0]["fullUrl"] = full_url
    assert reading(chart).subject == subject


# Versions


def test_the_newest_version_of_a_resource_counts() -> None:
    retracted = ecog(id="e", status="entered-in-error", meta={"versionId": "10"})
    first = ecog(id="e", meta={"versionId": "9"})
    for chart in (bundle(first, retracted), bundle(retracted, first)):
        assert reading(chart).patient is None
    dated = ecog(3, id="e", meta={"lastUpdated": "2026-11-20T00:00:00Z", "versionId": "x"})
    later = ecog(2, id="e", meta={"lastUpdated": "2026-11-20T00:00:01Z"})
    read = reading(bundle(dated, later)).patient
    assert read is not None
    assert read.ecog == 2


def test_copies_that_do_not_say_which_is_newer_all_count() -> None:
    assert len(collect(bundle(ecog(id="e"), ecog(id="e"))).entries) == 2
    assert reading(bundle(ecog(1, id="e"), ecog(2, id="e"))).patient is None


# Malformed


@pytest.mark.parametrize(
    "resource", [None, [], "Patient", 7, {}, {"resourceType": 7}, {"resourceType": None}]
)
def test_what_is_no_resource_is_refused_by_name(resource: Any) -> None:
    assert refused(resource) == {"not_a_resource"}


@pytest.mark.parametrize("prefetch", [None, [], "x"])
def test_a_prefetch_that_is_no_object_is_refused(prefetch: Any) -> None:
    with pytest.raises(ChartError) as error:
        collect_prefetch(prefetch)
    assert [found.code for found in error.value.issues] == ["malformed"]


@pytest.mark.parametrize(
    ("piece", "code", "expression"),
    [
        ("text", "malformed", "Bundle.entry[1]"),
        (None, "malformed", "Bundle.entry[1]"),
        ([], "malformed", "Bundle.entry[1]"),
        ({"resource": "text"}, "malformed", "Bundle.entry[1].resource"),
        ({"resource": [ecog()]}, "malformed", "Bundle.entry[1].resource"),
        ({"resource": None}, "malformed", "Bundle.entry[1].resource"),
        ({"resource": {}}, "not_a_resource", "Bundle.entry[1].resource"),
        (
            {"resource": {"resourceType": "Bundle", "entry": {}}},
            "malformed",
            "Bundle.entry[1].resource.entry",
        ),
        (
            {"resource": {"resourceType": "Parameters", "parameter": ["x"]}},
            "malformed",
            "Bundle.entry[1].resource.parameter[0]",
        ),
    ],
)
def test_a_malformed_piece_is_named_and_the_rest_is_read(
    piece: Any, code: str, expression: str
) -> None:
    chart = bundle(patient())
    chart["entry"] += [piece, {"resource": ecog()}]
    collected = collect(chart)
    assert [(i.code, i.expression) for i in collected.issues] == [(code, expression)]
    assert len(collected.entries) == 2


def test_ten_thousand_malformed_pieces_are_not_ten_thousand_issues() -> None:
    chart = collect({"resourceType": "Bundle", "entry": ["x"] * 10_000})
    assert len(chart.issues) == 10


@pytest.mark.parametrize("subject", ["Patient/p2", ["Patient/p2"], 7, {"reference": 7}, {}])
def test_a_subject_of_wrong_type_names_no_one(subject: Any) -> None:
    assert len(collect(bundle(patient(), ecog(subject=subject))).entries) == 2


def test_a_bundle_that_contains_itself_is_named() -> None:
    circle = bundle(patient(), ecog())
    circle["entry"].append({"resource": circle})
    chart = collect(circle)
    assert codes(chart) == {"circular"}
    assert len(chart.entries) == 2
    part: dict[str, Any] = {"name": "x"}
    part["part"] = [part]
    assert codes(collect({"resourceType": "Parameters", "parameter": [part]})) == {"circular"}
    observation = ecog()
    observation["component"] = [observation]
    observation["contained"] = [observation]
    assert reading(observation).patient is not None


def test_what_is_nested_too_deeply_is_named() -> None:
    deep: dict[str, Any] = ecog()
    for _ in range(2000):
        deep = bundle(deep)
    assert codes(collect(deep)) == {"too_deep"}
    part: dict[str, Any] = {"resource": ecog()}
    for _ in range(2000):
        part = {"part": [part]}
    assert codes(collect({"resourceType": "Parameters", "parameter": [part]})) == {"too_deep"}


def test_every_issue_has_its_words_and_none_is_a_duplicate() -> None:
    texts = [text for _, text in ISSUES.values()]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") for text in texts)
    assert issue("stale_value", "ecog").severity is Severity.WARNING


def test_an_error_and_a_chart_never_show_what_the_chart_holds() -> None:
    secret = patient(id="p2", name=[{"family": "Underhill"}])
    with pytest.raises(ChartError) as error:
        collect(bundle(patient(), secret))
    assert "Underhill" not in repr(error.value.issues) + str(error.value)
    assert "Underhill" not in repr(collect(bundle(secret)))


def test_a_draft_order_of_a_hook_is_read_with_the_rest_of_the_chart() -> None:
    draft = order("38240", status="draft", occurrenceDateTime="2026-12-24")
    chart = collect_prefetch(
        {
            "patient": patient(),
            "conditions": bundle(condition()),
            "ecog": bundle(ecog()),
            "procedures": bundle(transplant()),
            "draftOrders": bundle(draft),
        }
    )
    planned = read_chart(chart, now=NOW).planned_at
    assert planned is not None
    assert planned.isoformat() == "2026-12-24T00:00:00+00:00"
