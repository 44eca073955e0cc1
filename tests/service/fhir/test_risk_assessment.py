"""What an assessment says: the numbers of the prediction, as FHIR has them."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import httpx
import pytest

from service.chart.codes import CANONICAL_BASE
from service.fhir.periods import period
from tests.fhir_validators import Validators
from tests.service.fhir import charts

INTERVAL = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-interval"
XHTML = "{http://www.w3.org/1999/xhtml}"
EHR = "https://ehr.example/fhir"


def assess(fhir: httpx.Client, chart: dict[str, Any], **query: Any) -> dict[str, Any]:
    response = fhir.post("/$hsct2-risk", json=chart, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/fhir+json"
    answered: dict[str, Any] = response.json()
    return answered


def interval_of(prediction: dict[str, Any]) -> dict[str, float]:
    (extension,) = prediction["extension"]
    assert extension["url"] == INTERVAL
    return {part["url"]: part["valueDecimal"] for part in extension["extension"]}


def predicted_again(client: httpx.Client, assessment: dict[str, Any], **query: Any) -> Any:
    """Return what `POST /v1/predictions` says of the patient who was stored."""
    stored = stored_prediction(client, assessment)
    return client.post("/v1/predictions", json=stored["patient"], params=query).json()


def stored_prediction(client: httpx.Client, assessment: dict[str, Any]) -> Any:
    (identifier,) = assessment["identifier"]
    assert identifier["system"] == "urn:ietf:rfc:3986"
    prediction_id = UUID(identifier["value"].removeprefix("urn:uuid:"))
    return client.get(f"/v1/predictions/{prediction_id}").raise_for_status().json()


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """A chart in which everything that is measured is known, from a server with an address."""
    return charts.bundle(*charts.of_one(), *charts.measured(), base=EHR)


def test_the_probability_is_the_risk_of_death_in_percent(
    fhir: httpx.Client, client: httpx.Client, whole: dict[str, Any]
) -> None:
    asked = {"horizonMonths": [3, 6, 12, 24], "confidenceLevel": 0.9}
    assessment = assess(fhir, whole, **asked)
    same = predicted_again(
        client, assessment, horizon_months=asked["horizonMonths"], confidence_level=0.9
    )
    horizons = same["survival"]["horizons"]
    assert len(assessment["prediction"]) == len(horizons) == 4
    for risk, horizon in zip(assessment["prediction"], horizons, strict=True):
        assert risk["probabilityDecimal"] == round(100 * (1 - horizon["probability"]), 1)
        assert 1 < risk["probabilityDecimal"] < 100
        limits = interval_of(risk)
        # The limits change places: the best survival is the least risk.
        assert limits["lower"] == round(100 * (1 - horizon["upper"]), 1)
        assert limits["upper"] == round(100 * (1 - horizon["lower"]), 1)
        assert limits["confidenceLevel"] == 90
        assert limits["lower"] < risk["probabilityDecimal"] < limits["upper"]
        assert f"Within {horizon['months']:g} months" in risk["rationale"]
        assert "relativeRisk" not in risk
        assert "whenRange" not in risk
        (death,) = risk["outcome"]["coding"]
        assert death == {
            "system": "http://snomed.info/sct",
            "code": "419620001",
            "display": "Death",
        }
        (category,) = risk["qualitativeRisk"]["coding"]
        assert category["system"] == f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-category"
        assert category["code"] == same["risk"]["category"] == "standard"


def test_it_is_stored_as_asked_through_fhir(
    fhir: httpx.Client, client: httpx.Client, whole: dict[str, Any]
) -> None:
    before = datetime.now(UTC)
    assessment = assess(fhir, whole)
    stored = stored_prediction(client, assessment)
    assert stored["channel"] == "fhir"
    assert stored["subject_reference"] == f"{EHR}/Patient/p1"
    assert stored["patient"]["ecog"] == 1
    assert stored["patient"]["disease"] == "AML"
    assert stored["patient"]["hemoglobin_g_dl"] == pytest.approx(9.1)
    assert stored["prediction"]["survival"]["curve"] is None
    occurred = datetime.fromisoformat(assessment["occurrenceDateTime"])
    assert timedelta(seconds=-1) < occurred - before < timedelta(seconds=10)


def test_everything_about_it_is_coded(
    fhir: httpx.Client, validators: Validators, whole: dict[str, Any]
) -> None:
    assessment = assess(fhir, whole)
    assert validators.refusals(assessment) == {}
    assert assessment["status"] == "final"
    assert assessment["subject"] == {"reference": f"{EHR}/Patient/p1"}
    assert assessment["condition"] == {"reference": f"{EHR}/Condition/leukaemia"}
    assert assessment["method"]["coding"] == [
        {"system": f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-model", "code": "hsct2-os@1.0.0"}
    ]
    assert assessment["code"]["coding"][0]["code"] == "mortality-after-hsct2"
    (device,) = assessment["contained"]
    assert device["resourceType"] == "Device"
    assert assessment["performer"] == {"reference": f"#{device['id']}"}
    assert device["version"][0]["value"]


def test_the_synthetic_notice_is_in_note_narrative_and_tag(
    fhir: httpx.Client, client: httpx.Client, whole: dict[str, Any]
) -> None:
    assessment = assess(fhir, whole)
    notice = client.get("/v1/models/hsct2-os").json()["notice"]
    assert "synthetic" in notice
    assert assessment["note"][0]["text"] == notice
    assert notice in "".join(ElementTree.fromstring(assessment["text"]["div"]).itertext())
    (tag,) = assessment["meta"]["tag"]
    assert tag["code"] == "synthetic-model"


def test_what_it_rests_on_is_named_once_with_every_value(
    fhir: httpx.Client, whole: dict[str, Any]
) -> None:
    basis = assess(fhir, whole)["basis"]
    addresses = [one["reference"] for one in basis]
    assert len(set(addresses)) == len(addresses) == 9
    assert all(address.startswith(f"{EHR}/") for address in addresses)
    words = {one["reference"].removeprefix(f"{EHR}/"): one["display"] for one in basis}
    assert words["Observation/hb"].startswith("Haemoglobin: 9.1 g/dL (")
    assert charts.days_ago(2) in words["Observation/hb"]
    assert "g/L" in words["Observation/hb"].partition("(")[2]
    assert words["Condition/leukaemia"].startswith("Acute leukaemia: AML")
    assert words["Patient/p1"].startswith("Age at the planned HSCT2: ")


def test_a_chart_without_addresses_is_referred_to_as_its_own_server_would(
    fhir: httpx.Client,
) -> None:
    assessment = assess(fhir, charts.bundle(*charts.of_one()))
    assert assessment["subject"] == {"reference": "Patient/p1"}
    assert {one["reference"] for one in assessment["basis"]} == {
        "Patient/p1",
        "Observation/ecog",
        "Condition/leukaemia",
    }


def test_nothing_that_dangles_is_referred_to(fhir: httpx.Client, validators: Validators) -> None:
    chart = charts.bundle(*charts.of_one())
    addresses = {}
    for number, entry in enumerate(chart["entry"]):
        address = f"urn:uuid:00000000-0000-4000-8000-00000000000{number}"
        entry["fullUrl"] = address
        addresses[f"Patient/{entry['resource'].pop('id')}"] = address
    for entry in chart["entry"]:
        if "subject" in entry["resource"]:
            entry["resource"]["subject"]["reference"] = addresses["Patient/p1"]
    assessment = assess(fhir, chart)
    assert validators.refusals(assessment) == {}
    assert "reference" not in assessment["subject"]
    assert "condition" not in assessment
    assert all("reference" not in one for one in assessment["basis"])
    displays = {one["display"].partition(":")[0] for one in assessment["basis"]}
    assert "ECOG performance status" in displays


def test_the_time_begins_with_the_planned_transplant(fhir: httpx.Client) -> None:
    planned = date.fromisoformat(charts.days_ago(-40))
    chart = charts.bundle(*charts.of_one(), charts.order(planned))
    for risk, months in zip(assess(fhir, chart)["prediction"], (6, 12, 24), strict=True):
        assert risk["whenPeriod"] == period(planned, months)
        assert risk["whenPeriod"]["start"] == planned.isoformat()


def test_without_an_order_the_time_begins_now(fhir: httpx.Client) -> None:
    assessment = assess(fhir, charts.bundle(*charts.of_one()))
    today = assessment["occurrenceDateTime"][:10]
    assert {risk["whenPeriod"]["start"] for risk in assessment["prediction"]} == {today}


def test_a_horizon_out_of_reach_has_no_number_but_a_reason(
    fhir: httpx.Client, validators: Validators
) -> None:
    assessment = assess(fhir, charts.bundle(*charts.of_one()), horizonMonths=[12, 900])
    assert validators.refusals(assessment) == {}
    known, withheld = assessment["prediction"]
    assert "probabilityDecimal" in known
    assert "probabilityDecimal" not in withheld
    assert "extension" not in withheld
    # Absent, with FHIR's reason for it; not a range.
    assert set(withheld["probabilityRange"]) == {"extension"}
    assert "not predicted: fewer than 5 patients" in withheld["rationale"]
    assert withheld["qualitativeRisk"] == known["qualitativeRisk"]


def test_before_the_first_death_there_is_a_risk_of_nought_without_an_interval(
    fhir: httpx.Client, validators: Validators
) -> None:
    assessment = assess(fhir, charts.bundle(*charts.of_one()), horizonMonths=0.001)
    (risk,) = assessment["prediction"]
    assert risk["probabilityDecimal"] == 0
    assert "extension" not in risk
    assert validators.refusals(assessment) == {}


def test_what_is_unknown_is_listed_with_what_was_expected(fhir: httpx.Client) -> None:
    assessment = assess(fhir, charts.bundle(*charts.of_one()))
    url = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-imputed"
    imputed = [one["extension"] for one in assessment["extension"] if one["url"] == url]
    names = {parts[0]["valueCode"] for parts in imputed}
    assert {"hemoglobin_g_dl", "ferritin_ng_ml", "conditioning"} <= names
    assert "ecog" not in names
    (text,) = (n["text"] for n in assessment["note"] if n["text"].startswith("Unknown, and"))
    assert "Ferritin: conditional median, ng/mL" in text


def test_a_warning_about_the_chart_is_coded_and_said(fhir: httpx.Client) -> None:
    stale = charts.observation("hb", "718-7", days=200, **charts.quantity(9.1, "g/dL"))
    assessment = assess(fhir, charts.bundle(*charts.of_one(), stale))
    url = f"{CANONICAL_BASE}/StructureDefinition/hsct2-risk-warning"
    warnings = [
        {part["url"]: part.get("valueCode", part.get("valueString")) for part in one["extension"]}
        for one in assessment["extension"]
        if one["url"] == url
    ]
    (found,) = (one for one in warnings if one["code"] == "stale_value")
    assert found["covariate"] == "hemoglobin_g_dl"
    assert any(
        note["text"].startswith("Warning about the chart: Haemoglobin: ")
        for note in assessment["note"]
    )


def test_the_narrative_is_escaped_and_has_the_numbers(
    fhir: httpx.Client, validators: Validators
) -> None:
    chart = charts.bundle(*charts.of_one())
    chart["entry"][1]["resource"]["id"] = "a<b>&c"  # no id that FHIR allows
    chart["entry"][1]["fullUrl"] = "https://ehr.example/<script>alert(1)</script>"
    assessment = assess(fhir, chart)
    assert validators.refusals(assessment) == {}
    div = ElementTree.fromstring(assessment["text"]["div"])
    assert div.tag == f"{XHTML}div"
    assert {element.tag for element in div.iter()} <= {
        f"{XHTML}{name}"
        for name in ("div", "p", "b", "table", "tbody", "tr", "th", "td", "ul", "li")
    }
    cells = [cell.text for cell in div.iter(f"{XHTML}td")]
    assert f"{assessment['prediction'][0]['probabilityDecimal']}" in cells
    assert "script" not in re.sub(r"\s", "", str(assessment["basis"]))


def test_another_model_can_be_asked(fhir: httpx.Client, whole: dict[str, Any]) -> None:
    assessment = assess(fhir, whole, model="hsct2-os-ecog")
    assert assessment["method"]["coding"][0]["code"] == "hsct2-os-ecog@1.0.0"


def test_one_resource_alone_can_be_a_chart_in_parameters(fhir: httpx.Client) -> None:
    options: list[dict[str, Any]] = [
        {"name": "model", "valueString": "hsct2-os-ecog"},
        {"name": "horizonMonths", "valueDecimal": 1.5},
        {"name": "horizonMonths", "valueInteger": 9},
        {"name": "confidenceLevel", "valueDecimal": 0.8},
    ]
    chart = charts.parameters(charts.bundle(*charts.of_one(grade=3)), *options)
    assessment = assess(fhir, chart)
    assert assessment["method"]["coding"][0]["code"] == "hsct2-os-ecog@1.0.0"
    assert [interval_of(risk)["confidenceLevel"] for risk in assessment["prediction"]] == [80, 80]
    assert "Within 1.5 months" in assessment["prediction"][0]["rationale"]
    assert assessment["prediction"][0]["qualitativeRisk"]["coding"][0]["code"] == "high"
