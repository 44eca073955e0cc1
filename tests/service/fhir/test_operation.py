"""`POST /fhir/$hsct2-risk`: what it takes, what it refuses, and in which words."""

from typing import Any

import httpx
import pytest

from tests.fhir_validators import Validators
from tests.server import Server
from tests.service.fhir import charts
from tests.service.fhir.conftest import MEDIA_TYPE, Outcome, codes

OPERATION = "/$hsct2-risk"
GOOD = charts.bundle(*charts.of_one())


def without(chart: dict[str, Any], kind: str) -> dict[str, Any]:
    entries = [e for e in chart["entry"] if e["resource"]["resourceType"] != kind]
    return {**chart, "entry": entries}


@pytest.mark.parametrize(
    ("chart", "code"),
    [
        (without(GOOD, "Condition"), "no_acute_leukaemia"),
        (without(GOOD, "Procedure"), "no_prior_transplant"),
        (
            charts.bundle(
                charts.patient(deceasedBoolean=True), *charts.of_one()[1:]
            ),
            "deceased",
        ),
        (
            charts.bundle(*charts.of_one()[:3], charts.transplant(code="38241")),
            "no_prior_transplant",
        ),
    ],
)  # fmt: skip
def test_a_patient_to_whom_the_model_does_not_apply_is_refused(
    chart: dict[str, Any], code: str, fhir: httpx.Client, outcome: Outcome
) -> None:
    issues = outcome(fhir.post(OPERATION, json=chart), 422)
    assert codes(issues)[0] == ("business-rule", code)
    assert issues[0]["severity"] == "error"
    assert len([issue for issue in issues if issue["severity"] == "error"]) == 1


def test_without_ecog_the_outcome_says_that_it_is_required_and_where(
    fhir: httpx.Client, outcome: Outcome
) -> None:
    issues = outcome(fhir.post(OPERATION, json=without(GOOD, "Observation")), 422)
    assert codes(issues)[0] == ("required", "ecog_not_determined")
    assert issues[0]["expression"] == ["Bundle"]


def test_what_was_found_instead_of_ecog_is_told_by_place(
    fhir: httpx.Client, outcome: Outcome
) -> None:
    withdrawn = charts.ecog(1, status="entered-in-error")
    chart = charts.bundle(*without_ecog(), withdrawn)
    issues = outcome(fhir.post(OPERATION, json=chart), 422)
    (found,) = (i for i in issues if ("withdrawn_value") in str(i["details"]["coding"]))
    (expression,) = found["expression"]
    assert expression.startswith("Bundle.entry[3].resource")
    assert found["severity"] == "information"


def without_ecog() -> list[dict[str, Any]]:
    return [r for r in charts.of_one() if r["resourceType"] != "Observation"]


def test_two_patients_in_one_chart_are_refused_by_place(
    fhir: httpx.Client, outcome: Outcome
) -> None:
    chart = charts.bundle(*charts.of_one("p1"), charts.ecog(2, "p2"))
    issues = outcome(fhir.post(OPERATION, json=chart), 422)
    assert codes(issues) == [("multiple-matches", "several_subjects")]
    assert issues[0]["expression"][0].startswith("Bundle.entry[4]")


@pytest.mark.parametrize(
    "chart",
    [
        {},
        {"resourceType": 7},
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "entry": "x"},
        {"resourceType": "Bundle", "type": "collection", "entry": [None, 1, [], {}]},
        {"resourceType": "Parameters", "parameter": [None, {"name": 3}]},
        {"resourceType": "Patient"},
        {"resourceType": "OperationOutcome", "issue": []},
        charts.bundle(*charts.of_one()) | {"entry": [[[[]]]]},
    ],
)
def test_what_is_no_chart_is_an_outcome(
    chart: dict[str, Any], fhir: httpx.Client, outcome: Outcome
) -> None:
    issues = outcome(fhir.post(OPERATION, json=chart), 422)
    assert any(issue["severity"] == "error" for issue in issues)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid-json"),
        (b"<Bundle/>", 400, "invalid-json"),
        (b'{"resourceType": "Bundle", "resourceType": "Bundle"}', 400, "invalid-json"),
        (b'{"resourceType": NaN}', 400, "invalid-json"),
        (b'{"resourceType": "\\ud800"}', 400, "invalid-json"),
        (b"\xff\xfe", 400, "invalid-json"),
        (b"[" * 100_000, 400, "invalid-json"),
        (b"[]", 422, "invalid-chart"),
        (b'"Zebedee"', 422, "invalid-chart"),
    ],
)
def test_a_body_that_is_no_json_object_is_an_outcome(
    content: bytes, status: int, code: str, fhir: httpx.Client, outcome: Outcome
) -> None:
    response = fhir.post(OPERATION, content=content)
    assert codes(outcome(response, status))[0][1] == code
    assert "Zebedee" not in response.text


@pytest.mark.parametrize(
    "media_type",
    [
        MEDIA_TYPE,
        "application/json",
        f"{MEDIA_TYPE}; charset=utf-8",
        f"{MEDIA_TYPE};fhirVersion=4.0",
    ],
)
def test_both_names_of_json_are_taken(media_type: str, fhir: httpx.Client) -> None:
    response = fhir.post(OPERATION, json=GOOD, headers={"Content-Type": media_type})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "media_type",
    ["application/fhir+xml", "application/xml", "text/csv", "", f"{MEDIA_TYPE}; fhirVersion=5.0"],
)
def test_xml_is_not_taken(media_type: str, fhir: httpx.Client, outcome: Outcome) -> None:
    response = fhir.post(OPERATION, content=b"<Bundle/>", headers={"Content-Type": media_type})
    assert codes(outcome(response, 415)) == [("not-supported", "unsupported-media-type")]


@pytest.mark.parametrize(
    ("accept", "query", "answered"),
    [
        ("*/*", {}, MEDIA_TYPE),
        ("application/json", {}, "application/json"),
        ("application/json, application/fhir+json;q=0.5", {}, MEDIA_TYPE),
        ("application/fhir+xml;q=0.9, application/fhir+json;fhirVersion=4.0", {}, MEDIA_TYPE),
        ("application/fhir+xml", {"_format": "json"}, MEDIA_TYPE),
        ("text/html", {"_format": "application/fhir+json"}, MEDIA_TYPE),
        ("application/fhir+xml", {}, None),
        ("application/fhir+xml, application/fhir+json;q=0", {}, None),
        ("application/fhir+json; fhirVersion=5.0", {}, None),
        (MEDIA_TYPE, {"_format": "xml"}, None),
    ],
)
def test_the_answer_has_the_form_that_was_asked_for_or_there_is_none(
    accept: str,
    query: dict[str, str],
    answered: str | None,
    fhir: httpx.Client,
    outcome: Outcome,
) -> None:
    for send in (
        lambda **r: fhir.post(OPERATION, json=GOOD, **r),
        lambda **r: fhir.get("/metadata", **r),
    ):
        response = send(headers={"Accept": accept}, params=query)
        if answered is None:
            assert codes(outcome(response, 406)) == [("not-supported", "not-acceptable")]
        else:
            assert response.status_code == 200
            assert response.headers["Content-Type"] == answered


def test_everything_that_is_wrong_with_the_options_is_told_at_once(
    fhir: httpx.Client, outcome: Outcome
) -> None:
    chart = charts.parameters(
        GOOD,
        {"name": "horizonMonths", "valueDecimal": 12},
        {"name": "horizonMonths", "valueDecimal": -17.25},
        {"name": "confidenceLevel", "valueDecimal": 95.125},
        {"name": "horizonMonths", "valueString": "twelve"},
        {"name": "Zebedee", "valueString": "Quux"},
        {"name": "model", "valueString": "a"},
        {"name": "model", "valueString": "b"},
        {"name": "confidenceLevel", "valueDecimal": True},
    )
    response = fhir.post(OPERATION, json=chart, params={"horizonMonths": "x", "zebedee": "1"})
    issues = outcome(response, 422)
    places = [issue.get("expression", [""])[0] for issue in issues]
    found = set(zip(places, (code for _, code in codes(issues)), strict=True))
    assert found == {
        ("", "unknown_parameter"),
        ("http.horizonMonths", "float_parsing"),
        ("Parameters.parameter[2].value", "greater_than"),
        ("Parameters.parameter[3].value", "less_than_equal"),
        ("Parameters.parameter[4]", "parameter_value"),
        ("Parameters.parameter[5]", "unknown_parameter"),
        ("Parameters.parameter[7].value", "duplicate"),
        ("Parameters.parameter[8]", "parameter_value"),
    }
    for value in ("-17.25", "95.125", "Zebedee", "Quux", "twelve", "zebedee"):
        assert value not in response.text


def test_a_model_that_is_not_served_is_not_found(fhir: httpx.Client, outcome: Outcome) -> None:
    issues = outcome(fhir.post(OPERATION, json=GOOD, params={"model": "zebedee"}), 404)
    assert codes(issues) == [("not-found", "unknown-model")]
    assert "hsct2-os@1.0.0" in issues[0]["details"]["text"]


def test_every_other_error_under_fhir_is_an_outcome_too(
    fhir: httpx.Client, client: httpx.Client, outcome: Outcome
) -> None:
    not_found = [("not-found", "not-found")]
    assert codes(outcome(fhir.get("/Patient/1"), 404)) == not_found
    assert codes(outcome(fhir.get("/CodeSystem/zebedee"), 404)) == not_found
    assert codes(outcome(client.get("/fhir"), 404)) == not_found
    assert codes(outcome(fhir.get(OPERATION), 405))[0][1] == "method-not-allowed"
    wrong_host = fhir.get("/metadata", headers={"Host": "elsewhere.example"})
    assert codes(outcome(wrong_host, 421))[0][1] == "misdirected-request"
    elsewhere = client.get("/fhirish")
    assert elsewhere.headers["Content-Type"] == "application/problem+json"


def test_a_chart_that_is_too_large_is_an_outcome(
    server: Server, fhir: httpx.Client, outcome: Outcome
) -> None:
    large = b'{"resourceType": "' + b"x" * 17_000_000
    response = fhir.post(OPERATION, content=large)
    assert codes(outcome(response, 413)) == [("too-long", "body-too-large")]


def test_ten_thousand_observations_are_read(fhir: httpx.Client, validators: Validators) -> None:
    value = charts.quantity(9.1, "g/dL")
    many = [
        charts.observation(f"hb-{n}", "718-7", days=n % 300 + 1, **value) for n in range(10_000)
    ]
    response = fhir.post(OPERATION, json=charts.bundle(*charts.of_one(), *many))
    assert response.status_code == 200, response.text
    assessment = response.json()
    assert validators.refusals(assessment) == {}
    assert any("Haemoglobin: 9.1" in one["display"] for one in assessment["basis"])
