"""Cards from what a client sends along: where they belong, and what is on them."""

from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from service.audit import lookup
from service.audit.database import reading
from service.audit.export import as_json
from tests.server import Server
from tests.service.cds.calls import call, cards, outcome, texts, the_card
from tests.service.cds.charts import (
    PATIENT_ID,
    bundle,
    days_ago,
    ecog,
    leukaemia,
    observation,
    order,
    order_select,
    patient,
    patient_view,
    prefetch,
    transplant,
    without_measures,
)


def rendered(card: dict[str, Any]) -> str:
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    return str(markdown.render(card["detail"]))


def stored(server: Server, card: dict[str, Any]) -> dict[str, Any] | None:
    with reading(str(server.settings["audit_url"])) as connection:
        row = lookup.find(connection, card["uuid"])
    return None if row is None else as_json(row)


def test_a_card_tells_survival_category_unknown_values_and_sources(cds: Server) -> None:
    given = prefetch()
    card = the_card(call(cds, patient_view(given)))
    assert "12-month survival" in card["summary"]
    assert "high" in card["summary"]
    html = rendered(card)
    assert html.count("<tr>") == 4  # a head and three horizons
    assert "<strong>Risk category high</strong>: ECOG 2" in html
    assert "patients of the training cohort, of whom" in html
    assert "Conditioning regimen" in html.partition("Unknown, expected")[2].partition("</p>")[0]
    hemoglobin = given["hemoglobin_g_dl"]["entry"][0]["resource"]["id"]
    assert f"Haemoglobin: 8.9 g/dL (<code>Observation/{hemoglobin}</code>" in html
    assert "converted from g/L" in html
    assert card["source"]["url"] == "https://risk.example/hsct2/"
    assert [link["url"] for link in card["links"]] == ["https://risk.example/hsct2/"]


def test_the_numbers_are_those_of_the_prediction_that_is_stored(cds: Server) -> None:
    card = the_card(call(cds, patient_view()))
    row = stored(cds, card)
    assert row is not None
    assert row["channel"] == "cds"
    assert row["subject_reference"] == f"Patient/{PATIENT_ID}"
    assert row["input"]["ecog"] == 2
    assert row["input"]["hemoglobin_g_dl"] == pytest.approx(8.9)
    for horizon in row["output"]["survival"]["horizons"]:
        shown = f"{100 * horizon['probability']:.0f} %"
        limits = f"{100 * horizon['lower']:.0f}–{100 * horizon['upper']:.0f} %"
        assert f"| {horizon['months']:g} | {shown} | {limits} |" in card["detail"]
    imputed = {one["covariate"] for one in row["output"]["imputed"]}
    assert len(imputed) == 4


@pytest.mark.parametrize(
    "given",
    [
        prefetch(conditions=None),
        prefetch(conditions=bundle(leukaemia(code="C50.9"))),
        prefetch(procedures=None),
        prefetch(procedures=bundle(transplant(code="38241"))),  # autologous
        prefetch(patient=patient(deceasedBoolean=True)),
        without_measures(prefetch(procedures=None)),  # and no ECOG is asked for
    ],
)
def test_a_chart_that_the_model_has_nothing_to_say_of_gets_no_card(
    given: dict[str, Any], cds: Server
) -> None:
    assert cards(call(cds, patient_view(given))) == []


def test_an_order_for_a_second_transplant_is_enough(cds: Server) -> None:
    given = prefetch(procedures=None, orders=bundle(order() | {"status": "active"}))
    the_card(call(cds, patient_view(given)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ecog": bundle(ecog(3))}, "fewer than 5 patients or 3 deaths of this ECOG grade"),
        ({"ldh_u_l": bundle(observation("2532-0", 260, "U/L", days=200))}, "older than its limit"),
        ({"ldh_u_l": bundle(observation("2532-0", 40_000, "U/L"))}, "training cohort's range"),
        (
            {"ecog": None, "karnofsky": bundle(observation("89243-0", 60, "{score}"))},
            "derived from Karnofsky",
        ),
    ],
)
def test_what_a_reader_must_know_makes_the_card_a_warning(
    change: dict[str, Any], says: str, cds: Server
) -> None:
    assert the_card(call(cds, patient_view()))["indicator"] == "info"
    card = the_card(call(cds, patient_view(prefetch(**change))))
    assert card["indicator"] == "warning"
    assert says in card["detail"]


def test_a_missing_ecog_is_named_and_nothing_is_predicted(cds: Server) -> None:
    for given in (None, bundle(), bundle(ecog(2, status="entered-in-error"))):
        card = the_card(call(cds, patient_view(prefetch(ecog=given))))
        assert "ECOG performance status is missing" in card["summary"]
        assert card["indicator"] == "info"
        assert "|" not in card["detail"]
        assert stored(cds, card) is None


def test_a_missing_ecog_gets_no_card_where_that_is_set(tmp_path: Path) -> None:
    with Server(tmp_path / "log", cds_missing_ecog="none") as server:
        assert cards(call(server, patient_view(prefetch(ecog=None)))) == []
        card = the_card(call(server, patient_view()))
        assert card["links"] == []  # without a public URL there is nothing to link to
        assert "url" not in card["source"]


def test_an_order_for_a_transplant_gets_a_card_from_its_day_on(cds: Server) -> None:
    soon = the_card(call(cds, order_select([order()], ["ServiceRequest/order-1"])))
    later = the_card(call(cds, order_select([order(in_days=3_650)], ["ServiceRequest/order-1"])))
    rows = [stored(cds, card) for card in (soon, later)]
    ages = [row["input"]["age_years"] for row in rows if row]
    assert ages[1] - ages[0] == pytest.approx(3_620 / 365.25, abs=0.02)


@pytest.mark.parametrize(
    ("drafts", "selections"),
    [
        ([order()], ["ServiceRequest/another"]),
        ([order(), order("lab", "donor-chimerism")], ["ServiceRequest/lab"]),
        ([{**order(), "resourceType": "MedicationRequest"}], ["MedicationRequest/order-1"]),
        ([], ["ServiceRequest/order-1"]),
    ],
)
def test_orders_that_are_not_selected_or_no_transplant_get_no_card(
    drafts: list[dict[str, Any]], selections: list[str], cds: Server
) -> None:
    assert cards(call(cds, order_select(drafts, selections))) == []
    # Nothing is looked for either, so nothing can be missing.
    assert cards(call(cds, order_select(drafts, selections, {}))) == []


def test_an_order_for_a_first_transplant_gets_no_card(cds: Server) -> None:
    first = order(code="allogeneic-transplant")
    selected = ["ServiceRequest/order-1"]
    assert cards(call(cds, order_select([first], selected, prefetch(procedures=None)))) == []
    the_card(call(cds, order_select([first], selected)))


@pytest.mark.parametrize("key", ["patient", "conditions", "ecog"])
def test_what_cannot_be_determined_is_a_failed_precondition(key: str, cds: Server) -> None:
    given = prefetch()
    del given[key]
    issues = outcome(call(cds, patient_view(given)), 412)
    assert [issue["expression"] for issue in issues] == [[f"prefetch.{key}"]]
    given[key] = {"resourceType": "OperationOutcome", "issue": []}
    outcome(call(cds, patient_view(given)), 412)
    assert PATIENT_ID not in texts(issues)


def test_a_patient_that_was_looked_for_in_vain_is_a_failed_precondition(cds: Server) -> None:
    outcome(call(cds, patient_view(prefetch(patient=None))), 412)


def test_other_values_that_could_not_be_looked_up_are_unknown_and_named(cds: Server) -> None:
    given = prefetch()
    for key in ("ferritin_ng_ml", "orders", "karnofsky"):
        del given[key]
    card = the_card(call(cds, patient_view(given)))
    assert card["indicator"] == "warning"
    said = card["detail"].partition("**Not looked up**")[2].partition("\n")[0]
    assert "Ferritin" in said
    assert "Orders" in said


def test_without_ecog_karnofsky_must_have_been_looked_for(cds: Server) -> None:
    given = prefetch(ecog=None)
    del given["karnofsky"]
    (issue,) = outcome(call(cds, patient_view(given)), 412)
    assert issue["expression"] == ["prefetch.karnofsky"]


@pytest.mark.parametrize(
    "change",
    [
        {"patient": patient("another")},
        {"ecog": bundle(ecog(2, patient_id="another"))},
        {"conditions": bundle(leukaemia("another"))},
        {"ecog": ecog()},
        {"ecog": [ecog()]},
        {"ecog": "Bundle"},
        {"patient": bundle(patient())},
    ],
)
def test_what_is_no_chart_of_this_patient_is_refused(change: dict[str, Any], cds: Server) -> None:
    outcome(call(cds, patient_view(prefetch(**change))), 422)


def test_a_first_page_of_conditions_is_named_as_such(cds: Server) -> None:
    more = {"link": [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]}
    card = the_card(call(cds, patient_view(prefetch(conditions=bundle(leukaemia(), **more)))))
    assert "further Conditions" in card["detail"]
    # Of measured values the latest are on the first page.
    card = the_card(call(cds, patient_view(prefetch(ecog=bundle(ecog(), **more)))))
    assert "Not looked up" not in card["detail"]


def test_keys_that_are_not_ours_are_passed_over(cds: Server) -> None:
    card = the_card(call(cds, patient_view(prefetch(others=bundle(ecog(4, patient_id="x"))))))
    assert "ECOG 2" in card["detail"]


def test_hostile_text_of_a_chart_shows_as_text(cds: Server) -> None:
    hostile = "x`<script>alert(1)</script>[a](https://evil.example)\n\n# h | - x"
    given = prefetch(hemoglobin_g_dl=bundle({**observation("718-7", 89, "g/L"), "id": hostile}))
    html = rendered(the_card(call(cds, patient_view(given))))
    assert "alert(1)" in html
    assert "<script" not in html
    assert "<a " not in html
    assert "<h1" not in html


def test_many_observations_of_one_day_and_of_years_are_read(cds: Server) -> None:
    old = [observation("718-7", 70 + n % 50, "g/L", days=30 + n / 3) for n in range(10_000)]
    latest = observation("718-7", 101, "g/L", days=1)
    card = the_card(call(cds, patient_view(prefetch(hemoglobin_g_dl=bundle(*old, latest)))))
    assert "Haemoglobin: 10.1 g/dL" in card["detail"]


def test_a_body_that_is_too_large_is_an_outcome(tmp_path: Path) -> None:
    with Server(tmp_path / "log", max_chart_bytes=20_000) as server:
        the_card(call(server, patient_view()))
        many = bundle(*(observation("718-7", 89, "g/L") for _ in range(100)))
        outcome(call(server, patient_view(prefetch(hemoglobin_g_dl=many))), 413)


def test_neither_ids_nor_values_are_in_the_log(cds: Server) -> None:
    call(cds, patient_view())
    call(cds, patient_view({}))
    log = cds.log_up_to_now()
    for canary in ("canary", "ECOG 2", days_ago(2)[:10]):
        assert canary not in log
