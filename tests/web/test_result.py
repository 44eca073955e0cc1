"""What the page shows of a prediction is what the API answered, in both languages."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.server import FULL_PATIENT
from tests.web.visit import Visit, cells, percent

Opener = Callable[..., Visit]

PATIENTS = {
    "everything known": FULL_PATIENT,
    "only ECOG": {"ecog": 1},
    "extrapolated": {"ecog": 4, "ferritin_ng_ml": 90_000},
}


def of_100(probability: float) -> str:
    return f"{100 * probability:.0f}"


def at(prediction: dict[str, Any], months: float) -> dict[str, Any]:
    (one,) = (h for h in prediction["survival"]["horizons"] if h["months"] == months)
    found: dict[str, Any] = one
    return found


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("patient", PATIENTS.values(), ids=PATIENTS)
def test_every_number_is_the_api_s(
    patient: dict[str, Any], language: str, visiting: Opener, api: httpx.Client
) -> None:
    visit = visiting(language=language)
    visit.open()
    result = visit.ask(patient)
    prediction = api.post("/v1/predictions", json=patient).json()

    year = at(prediction, 12)
    assert result.locator(".number .n").inner_text() == of_100(year["probability"])
    for limit in ("lower", "upper"):
        assert of_100(year[limit]) in result.locator(".interval-words").inner_text()
    rows = cells(result.locator(".card-horizons table"))
    for row, horizon in zip(rows, prediction["survival"]["horizons"], strict=True):
        assert row[0] == f"{horizon['months']:g}"
        assert row[1] == percent(horizon["probability"], language)
        assert row[2] == " – ".join(percent(horizon[k], language) for k in ("lower", "upper"))
        assert row[4] == str(horizon["at_risk"])
    factors = cells(result.locator(".card-contributions table"))
    written = sorted(float(row[-1].replace(",", ".")) for row in factors)
    ratios = sorted(c["hazard_ratio"] for c in prediction["contributions"])
    assert written == pytest.approx(ratios, abs=0.00501)
    assert result.locator(".card-warnings li").count() > 0 or not prediction["warnings"]
    note = result.locator("blockquote").inner_text()
    for key in ("probability", "lower", "upper"):
        assert of_100(year[key]) in note


def test_the_sentence_for_the_note_can_be_read_alone(visit: Visit) -> None:
    note = visit.ask({"ecog": 2, "age_years": 41}).locator("blockquote").inner_text()
    assert note.startswith("Of 100 patients like this, about ")
    assert "alive 12 months after HSCT2" in note
    assert "Not for clinical decisions" in note
    assert "hsct2-os 1.0.0" in note


def test_the_curve_has_a_table_that_says_the_same(visit: Visit, api: httpx.Client) -> None:
    result = visit.ask(FULL_PATIENT)
    curve = api.post("/v1/predictions", json=FULL_PATIENT).json()["survival"]["curve"]
    rows = cells(result.locator(".curve-table table"))
    assert [row[0] for row in rows] == [f"{round(m, 1):g}" for m in curve["months"]]
    assert [row[1] for row in rows] == [percent(p) for p in curve["probability"]]
    known = [p is not None for p in curve["lower"]]
    assert [row[2] != "–" for row in rows] == known


def test_the_marker_reads_any_month(visit: Visit, api: httpx.Client) -> None:
    result = visit.ask(FULL_PATIENT)
    curve = api.post("/v1/predictions", json=FULL_PATIENT).json()["survival"]["curve"]
    month = 20.0
    visit.page.locator("#result-a-month").fill(str(month))
    (survival,) = [
        p for m, p in zip(curve["months"], curve["probability"], strict=True) if m <= month
    ][-1:]
    reading = result.locator("output").inner_text()
    assert "20 months" in reading
    assert f"{percent(survival)} alive" in reading


def test_the_icons_are_a_hundred_and_as_many_alive_as_the_number_says(visit: Visit) -> None:
    result = visit.ask({"ecog": 2})
    said = int(result.locator(".number .n").inner_text())
    icons = result.locator(".card-icons svg")
    alive = icons.locator(".icon-alive circle, .icon-alive-in-range circle").count()
    assert icons.locator("circle").count() == 100
    assert alive == said
    assert str(said) in str(icons.get_attribute("aria-label"))


def test_the_end_of_knowledge_is_said(visit: Visit, api: httpx.Client) -> None:
    result = visit.ask({"ecog": 0})
    last = api.get("/v1/models/hsct2-os").json()["last_months"]
    assert f"{last:g} months" in result.locator(".end").inner_text()
    assert result.locator(".curve-plot .beyond").count() == 1


def test_model_and_notice_are_in_sight_wherever_one_looks(visit: Visit, api: httpx.Client) -> None:
    notice = api.get("/v1/models").json()[0]["notice"]
    for asked in (False, True):
        if asked:
            visit.ask({"ecog": 1})
        for y in (0, 100_000):
            visit.page.mouse.wheel(0, y)
            for text in (notice, "hsct2-os 1.0.0"):
                seen = visit.page.locator("#footer").get_by_text(text)
                box = seen.bounding_box()
                assert box is not None
                assert 0 <= box["y"] < 900


def test_the_answer_is_said_to_a_screen_reader(visit: Visit) -> None:
    live = visit.page.locator("#live")
    assert live.get_attribute("aria-live") == "polite"
    result = visit.ask({"ecog": 2})
    said = live.inner_text()
    assert f"about {result.locator('.number .n').inner_text()} " in said
    visit.choose("ecog", 0)
    visit.wait_for("asking")
    visit.wait_for("shown")
    assert live.inner_text() != said


def test_a_higher_grade_pushes_up_and_the_category_changes(visit: Visit) -> None:
    assert "Standard risk" in visit.ask({"ecog": 1}).locator(".category").inner_text()
    visit.choose("ecog", 2)
    visit.wait_for("asking")
    assert "High risk" in visit.wait_for("shown").locator(".category").inner_text()


def test_a_warning_names_the_field_that_is_out_of_range(visit: Visit) -> None:
    result = visit.ask({"ecog": 4, "ferritin_ng_ml": 90_000})
    warnings = " ".join(result.locator(".card-warnings li").all_inner_texts())
    assert "Ferritin" in warnings
    assert "extrapolated" in warnings
    assert "{" not in warnings


def test_a_choice_of_language_changes_every_word_and_keeps_the_entry(visit: Visit) -> None:
    visit.ask({"ecog": 2, "age_years": 41})
    visit.page.locator("#language").select_option("tr")
    assert visit.page.locator("html").get_attribute("lang") == "tr"
    result = visit.wait_for("shown")
    assert "Yüksek risk" in result.locator(".category").inner_text()
    assert visit.number("age_years").input_value() == "41"
    text = visit.page.locator("body").inner_text()
    assert [word for word in (" patients", "months", "Unknown", "alive") if word in text] == []


def test_a_comma_is_a_decimal_point_in_turkish(visiting: Opener, api: httpx.Client) -> None:
    visit = visiting(language="tr")
    visit.open()
    visit.enter({"ecog": 1})
    visit.number("hemoglobin_g_dl").fill("9,1")
    assert visit.asked_and_answered(api)["patient"]["hemoglobin_g_dl"] == 9.1


def test_two_scenarios_stand_side_by_side(visit: Visit, api: httpx.Client) -> None:
    visit.ask(FULL_PATIENT)
    visit.page.locator("#compare-start").click()
    visit.wait_for("shown", "b")
    visit.choose("conditioning", "myeloablative")
    visit.wait_for("asking", "b")
    visit.wait_for("shown", "b")
    other = FULL_PATIENT | {"conditioning": "myeloablative"}
    for scenario, patient in (("a", FULL_PATIENT), ("b", other)):
        stored = visit.asked_and_answered(api, scenario)
        assert {k: v for k, v in stored["patient"].items() if v is not None} == patient
        direct = api.post("/v1/predictions", json=patient).json()
        shown = visit.page.locator(f"#result-{scenario} .number .n").inner_text()
        assert shown == of_100(at(direct, 12)["probability"])
    boxes = [visit.page.locator(f"#result-{s}").bounding_box() for s in "ab"]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    visit.shot("compare-en-light")
    visit.page.locator("#compare-stop").click()
    assert visit.page.locator("#result-b").count() == 0


def test_the_answer_is_saved_as_json(visit: Visit, api: httpx.Client) -> None:
    visit.ask({"ecog": 2, "age_years": 41})
    with visit.page.expect_download() as download:
        visit.page.locator("#result-a-save-json").click()
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert saved["patient"] == {"ecog": 2, "age_years": 41}
    assert saved["prediction"] == visit.asked_and_answered(api)["prediction"]


def test_the_chart_is_saved_as_a_file_that_stands_alone(visit: Visit) -> None:
    visit.ask({"ecog": 2})
    with visit.page.expect_download() as download:
        visit.page.locator("#result-a-save-svg").click()
    text = download.value.path().read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text
    assert "Not for clinical decisions" in text
    lines = [e for e in root.iter() if e.get("aria-label") == "line" or e.tag.endswith("path")]
    assert any(e.get("stroke", "none") not in ("none", "") for e in lines)


def test_the_answer_is_copied_as_text(visiting: Opener, api: httpx.Client) -> None:
    visit = visiting(permissions=["clipboard-read", "clipboard-write"])
    visit.open()
    result = visit.ask({"ecog": 2, "age_years": 41})
    for button in ("copy-note", "copy-text"):
        visit.page.locator(f"#result-a-{button}").click()
        visit.page.get_by_text("Copied").first.wait_for()
        copied = visit.page.evaluate("navigator.clipboard.readText()")
        assert result.locator("blockquote").inner_text() in copied
    survival = visit.asked_and_answered(api)["prediction"]["survival"]
    for horizon in survival["horizons"]:
        assert percent(horizon["probability"]) in copied
