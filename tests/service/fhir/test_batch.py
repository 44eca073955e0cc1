"""A batch of patients: entry by entry, in order, and a bad one sinks nothing."""

from typing import Any

import httpx

from service.fhir.batch import MAX_ENTRIES
from tests.fhir_validators import Validators
from tests.service.fhir import charts
from tests.service.fhir.conftest import Outcome, codes

OPERATION = "/$hsct2-risk"


def one(patient_id: str, grade: int = 1) -> dict[str, Any]:
    return charts.bundle(*charts.of_one(patient_id, grade))


def test_each_entry_is_answered_in_its_place(
    fhir: httpx.Client, client: httpx.Client, validators: Validators
) -> None:
    nobody = charts.bundle(charts.patient("p3"))
    dead = charts.bundle(charts.patient("p4", deceasedBoolean=True), *charts.of_one("p4")[1:])
    sent = charts.batch(one("p1", 0), {"resourceType": "Bundle"}, one("p2", 4), nobody, dead)
    sent["entry"] += [{}, None, {"resource": charts.batch(one("p5"))}, {"resource": one("p6")}]
    for wrong in ({"method": "GET", "url": "$hsct2-risk"}, {"method": "POST", "url": "Patient"}):
        sent["entry"].append({"resource": one("p7"), "request": wrong})
    response = fhir.post(OPERATION, json=sent)
    assert response.status_code == 200, response.text
    answered = response.json()
    assert validators.refusals(answered) == {}
    assert answered["type"] == "batch-response"
    statuses = [entry["response"]["status"] for entry in answered["entry"]]
    assert [status.split()[0] for status in statuses] == [
        *("200", "422", "200", "422", "422"),
        *("422", "422", "422", "200"),
        *("404", "404"),
    ]
    subjects = [e["resource"]["subject"]["reference"] for e in answered["entry"] if "resource" in e]
    assert subjects == ["Patient/p1", "Patient/p2", "Patient/p6"]
    categories = [
        e["resource"]["prediction"][0]["qualitativeRisk"]["coding"][0]["code"]
        for e in answered["entry"]
        if "resource" in e
    ]
    assert categories == ["standard", "high", "standard"]
    for entry in answered["entry"]:
        if "resource" in entry:
            assert validators.refusals(entry["resource"]) == {}
            assert entry["fullUrl"] == entry["resource"]["identifier"][0]["value"]
            prediction = entry["fullUrl"].removeprefix("urn:uuid:")
            stored = client.get(f"/v1/predictions/{prediction}").json()
            assert stored["channel"] == "fhir"
        else:
            assert validators.refusals(entry["response"]["outcome"]) == {}
    refused = codes(answered["entry"][4]["response"]["outcome"]["issue"])
    assert ("business-rule", "deceased") in refused


def test_an_entry_has_options_of_its_own(fhir: httpx.Client) -> None:
    url = "https://risk.example/fhir/$hsct2-risk?model=hsct2-os-ecog&horizonMonths=3"
    sent = charts.batch(one("p1"), url=url)
    option = {"name": "horizonMonths", "valueDecimal": 18}
    sent["entry"] += charts.batch(charts.parameters(one("p2"), option), one("p3"))["entry"]
    answered = fhir.post(OPERATION, json=sent).json()["entry"]
    assert [len(entry["resource"]["prediction"]) for entry in answered] == [1, 1, 3]
    models = [entry["resource"]["method"]["coding"][0]["code"] for entry in answered]
    assert models == ["hsct2-os-ecog@1.0.0", "hsct2-os@1.0.0", "hsct2-os@1.0.0"]
    assert "Within 18 months" in answered[1]["resource"]["prediction"][0]["rationale"]


def test_an_empty_batch_is_answered_by_an_empty_one(
    fhir: httpx.Client, validators: Validators
) -> None:
    answered = fhir.post(OPERATION, json={"resourceType": "Bundle", "type": "batch"}).json()
    assert answered == {"resourceType": "Bundle", "type": "batch-response"}
    assert validators.refusals(answered) == {}


def test_a_batch_has_an_end(fhir: httpx.Client, outcome: Outcome) -> None:
    sent = charts.batch(*[{"resourceType": "Bundle"}] * (MAX_ENTRIES + 1))
    issues = outcome(fhir.post(OPERATION, json=sent), 422)
    assert codes(issues) == [("too-costly", "too_many_entries")]
    assert issues[0]["expression"] == ["Bundle.entry"]
    not_a_list = {"resourceType": "Bundle", "type": "batch", "entry": {}}
    assert codes(outcome(fhir.post(OPERATION, json=not_a_list), 422)) == [
        ("structure", "structure")
    ]


def test_a_full_batch_is_answered(fhir: httpx.Client) -> None:
    sent = charts.batch(*(one(f"p{n}", n % 5) for n in range(MAX_ENTRIES)))
    answered = fhir.post(OPERATION, json=sent).json()["entry"]
    subjects = [entry["resource"]["subject"]["reference"] for entry in answered]
    assert subjects == [f"Patient/p{n}" for n in range(MAX_ENTRIES)]
