"""The model view says what the API says of a model."""

from collections.abc import Callable

import httpx
import pytest

from tests.web.visit import Visit, cells, percent

Opener = Callable[..., Visit]


def open_model_view(visit: Visit) -> None:
    visit.page.locator("#about-model").click()
    visit.page.locator("#model-view .model-section").first.wait_for()


@pytest.fixture
def viewing(visit: Visit) -> Visit:
    open_model_view(visit)
    return visit


def rows_of(visit: Visit, label: str) -> list[list[str]]:
    return cells(visit.page.locator(f".model-table[aria-label='{label}'] table"))


def test_published_reproduced_and_served_stand_side_by_side(
    viewing: Visit, api: httpx.Client
) -> None:
    rows = rows_of(viewing, "Hazard ratio per point of ECOG")
    assert [row[0].split()[0].rstrip(":") for row in rows] == ["Published", "Reproduced", "Served"]
    effects = api.get("/v1/models/hsct2-os").json()["ecog_effects"]
    assert [row[1] for row in rows] == [f"{e['hazard_ratio']:.4g}" for e in effects]
    assert rows[0] == ["Published: 72 patients, 12 factors", "2.142", "1.061 to 4.326"]
    chart = viewing.page.locator(".model-plot").first
    assert chart.locator("circle").count() == len(effects)
    figures = rows_of(viewing, "All figures of the study")
    assert ["ECOG, per point: hazard ratio", "2.142", "2.142", "2.311"] in figures


def test_calibration_is_that_of_the_model(viewing: Visit, api: httpx.Client) -> None:
    curves = api.get("/v1/models/hsct2-os").json()["internal_validation"]["calibration"]
    assert viewing.page.locator(".model-charts svg").count() == len(curves)
    for curve in curves:
        label = f"Predicted and observed survival at {curve['horizon_months']:g} months"
        rows = rows_of(viewing, label)
        groups = curve["groups"]
        assert [row[0] for row in rows] == [percent(g["predicted"]) for g in groups]
        assert [row[1] for row in rows] == [percent(g["observed"]) for g in groups]
        assert [row[3] for row in rows] == [str(g["patients"]) for g in groups]


def test_performance_is_shown_apparent_and_corrected(viewing: Visit, api: httpx.Client) -> None:
    validation = api.get("/v1/models/hsct2-os").json()["internal_validation"]
    rows = rows_of(viewing, "How well it predicts")
    for row, measured in zip(rows, validation["performance"], strict=True):
        assert row[1] == f"{measured['apparent']:.2f}"
        assert row[2] == f"{measured['corrected']:.2f}"


def test_what_the_model_cannot_do_comes_first_and_the_card_in_full(
    viewing: Visit, api: httpx.Client
) -> None:
    card = api.get("/v1/models/hsct2-os/card").json()
    text = viewing.page.locator("#model-view").evaluate("e => e.textContent")
    for sentence in (*card["limits"], *card["uses"]["out_of_scope"], *card["ecog_explanation"]):
        assert sentence in text
    for finding in card["findings"]:
        assert finding["message"] in text
    titles = viewing.page.locator("#model-view h3").all_inner_texts()
    assert titles.index("What this model cannot do") < titles.index("How well it predicts")
    assert "58.1 months" in text
    assert "None is recorded." in text


def test_report_and_card_are_a_link_away(viewing: Visit, api: httpx.Client) -> None:
    with viewing.context.expect_page() as opened:
        viewing.page.get_by_role("link", name="Full report").click()
    report = opened.value
    report.wait_for_load_state()
    assert report.url == f"{viewing.address}/v1/models/hsct2-os@1.0.0/report"
    assert report.locator("h1").count() == 1
    card = viewing.page.get_by_role("link", name="Model card").get_attribute("href")
    assert api.get(f"/{card}").json()["id"] == "hsct2-os"


def test_the_view_follows_the_chosen_model_and_leads_back_to_the_entry(visit: Visit) -> None:
    visit.ask({"ecog": 2, "age_years": 41})
    open_model_view(visit)
    visit.page.locator("#model").select_option(label="hsct2-os-ecog")
    visit.page.get_by_text("hsct2-os-ecog@1.0.0").wait_for()
    visit.page.get_by_text("2.53").first.wait_for()
    visit.page.locator("#about-model").click()
    visit.wait_for("shown")
    assert visit.number("age_years").input_value() == "41"


def test_in_turkish_only_the_card_s_own_words_are_english(visiting: Opener) -> None:
    visit = visiting(language="tr")
    visit.open()
    open_model_view(visit)
    own = visit.page.locator("#model-view").evaluate(
        """view => {
          const copy = view.cloneNode(true);
          for (const english of copy.querySelectorAll("[lang=en]")) english.remove();
          return copy.textContent;
        }"""
    )
    words = (" the ", " of ", "patients", "months", "survival", "Hazard", "Uses", "deaths")
    assert [word for word in words if word in own] == []
    assert "Bu model neyi yapamaz" in own
