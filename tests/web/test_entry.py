"""Entering a patient: by keyboard alone, with unknown values, other units, and mistakes."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from tests.server import FULL_PATIENT
from tests.web.gateway import Gateway
from tests.web.visit import Visit, cells

Opener = Callable[..., Visit]

MOST_STOPS = 60
MILLISECONDS_OF_PAUSE = 350
"""A little more than the page waits for more before it asks."""
OTHER_UNITS = (
    ("hemoglobin_g_dl", "g/L", "91", 9.1),
    ("hemoglobin_g_dl", "mmol/L", "5.6", 9.0216),
    ("lymphocytes_10e9_l", "/µL", "800", 0.8),
    ("ldh_u_l", "µkat/L", "4.5", 270),
    ("ferritin_ng_ml", "µg/L", "1150", 1150),
)
BAD_ENTRIES = (
    ("age_years", "-1"),
    ("age_years", "111"),
    ("age_years", "forty"),
    ("age_years", "4 1"),
    ("bmi_kg_m2", "1e2"),
    ("hemoglobin_g_dl", "NaN"),
    ("ferritin_ng_ml", "1,150"),
    ("cd34_dose_10e6_per_kg", "5.9.1"),
    ("donor_chimerism_percent", "100.5"),
)
_FOCUS = """() => {
  const focused = document.activeElement;
  const box = (focused.closest("label") ?? focused).getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const label = focused.closest("label");
  const near = [focused, focused.nextElementSibling, focused.parentElement, label];
  const marked = near.filter(Boolean).map(e => getComputedStyle(e)).some(
    style => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0);
  return {
    id: focused.id,
    visible: top !== null && (focused.contains(top) || (label?.contains(top) ?? false)),
    marked,
  };
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until an element has the focus, each stop on the way in sight and marked."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        focus = page.evaluate(_FOCUS)
        assert focus["visible"], f"{focus['id']} has the focus and is hidden"
        assert focus["marked"], f"{focus['id']} has the focus and does not show it"
        if focus["id"] == name:
            return
    raise AssertionError(f"Tab does not lead to {name}")


def enter_by_keyboard(page: Page, patient: dict[str, Any], order: list[str]) -> None:
    for name in order:
        value = patient[name]
        if name == "ecog":
            tab_to(page, "ecog-0")
            page.keyboard.press("Space")
            for _ in range(value):
                page.keyboard.press("ArrowDown")
        elif isinstance(value, bool | str):
            tab_to(page, f"{name}-unknown")
            wanted = f"{name}-{str(value).lower() if isinstance(value, bool) else value}"
            while page.evaluate("document.activeElement.id") != wanted:
                page.keyboard.press("ArrowRight")
        else:
            tab_to(page, f"field-{name}")
            page.keyboard.type(str(value))


def test_a_patient_is_entered_and_read_by_keyboard_alone(visit: Visit, api: httpx.Client) -> None:
    page = visit.page
    enter_by_keyboard(page, FULL_PATIENT, list(FULL_PATIENT))
    stored = visit.asked_and_answered(api)
    assert {k: v for k, v in stored["patient"].items() if v is not None} == FULL_PATIENT
    month = page.locator("#result-a-month")
    tab_to(page, "result-a-month")
    before = float(month.input_value())
    page.keyboard.press("ArrowRight")
    assert float(month.input_value()) == before + 1
    tab_to(page, "result-a-copy-note")


def test_the_first_stop_of_the_keyboard_leads_to_the_result(visit: Visit) -> None:
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "results"


def test_ecog_comes_first_with_its_definitions_and_nothing_else_is_needed(
    visit: Visit, api: httpx.Client
) -> None:
    page = visit.page
    first = page.locator("#entry input").first
    assert first.get_attribute("id") == "ecog-0"
    definitions = page.locator("#field-ecog .grade-definition").all_inner_texts()
    assert len(definitions) == 5
    assert all(definitions)
    visit.wait_for("incomplete")
    visit.ask({"ecog": 3})
    stored = visit.asked_and_answered(api)
    assert [k for k, v in stored["patient"].items() if v is not None] == ["ecog"]


def test_a_value_can_be_made_unknown_again(visit: Visit, api: httpx.Client) -> None:
    visit.ask({"ecog": 1, "age_years": 50, "disease": "AML"})
    visit.page.locator("#clear-age_years").click()
    visit.choose("disease", "unknown")
    visit.wait_for("asking")
    stored = visit.asked_and_answered(api)
    assert (stored["patient"]["age_years"], stored["patient"]["disease"]) == (None, None)


def test_another_unit_is_converted_in_sight(visit: Visit, api: httpx.Client) -> None:
    visit.ask({"ecog": 1})
    for name, unit, typed, sent in OTHER_UNITS:
        visit.page.locator(f"#unit-{name}").select_option(unit)
        visit.number(name).fill(typed)
        visit.wait_for("asking")
        stored = visit.asked_and_answered(api)
        assert str(sent) in visit.page.locator(f"#field-{name}-sent").inner_text()
        assert stored["patient"][name] == pytest.approx(sent, rel=1e-5)
        direct = api.post("/v1/predictions", json={"ecog": 1, name: sent}).json()
        assert stored["prediction"]["survival"] == direct["survival"]
        visit.number(name).fill("")
        visit.wait_for("asking")
        visit.wait_for("shown")


def test_a_bad_entry_is_marked_at_its_field_and_not_asked_about(
    visiting: Opener, gateway: Gateway
) -> None:
    visit = visiting(gateway.address)
    visit.open()
    visit.ask({"ecog": 1})
    for name, typed in BAD_ENTRIES:
        asked = len(gateway.predictions())
        field = visit.number(name)
        field.fill(typed)
        field.press("Tab")
        visit.wait_for("invalid")
        assert field.get_attribute("aria-invalid") == "true", typed
        error = visit.page.locator(f"#field-{name}-error")
        assert error.inner_text(), typed
        assert str(error.get_attribute("id")) in str(field.get_attribute("aria-describedby"))
        visit.page.wait_for_timeout(MILLISECONDS_OF_PAUSE)
        assert len(gateway.predictions()) == asked, typed
        assert field.input_value() == typed
        field.fill("")
        visit.wait_for("shown")
        assert field.get_attribute("aria-invalid") is None


def test_a_range_is_checked_while_typing_but_not_before_it_can_be_right(visit: Visit) -> None:
    visit.enter({"ecog": 1})
    field = visit.number("bmi_kg_m2")
    field.press_sequentially("2")
    assert field.get_attribute("aria-invalid") is None
    field.press_sequentially("4")
    visit.wait_for("shown")
    field.press_sequentially("4")
    assert field.get_attribute("aria-invalid") == "true"
    assert visit.page.evaluate("document.activeElement.id") == "field-bmi_kg_m2"


def with_other_ages(description: bytes) -> bytes:
    described = json.loads(description)
    age = described["components"]["schemas"]["Patient"]["properties"]["age_years"]
    (number,) = (o for o in age["anyOf"] if o["type"] == "number")
    number |= {"minimum": 18, "maximum": 61}
    return json.dumps(described).encode()


def without_ferritin(description: bytes) -> bytes:
    described = json.loads(description)
    del described["components"]["schemas"]["Patient"]["properties"]["ferritin_ng_ml"]
    return json.dumps(described).encode()


def with_unlimited_ages(description: bytes) -> bytes:
    described = json.loads(description)
    age = described["components"]["schemas"]["Patient"]["properties"]["age_years"]
    (number,) = (o for o in age["anyOf"] if o["type"] == "number")
    number["maximum"] = 999
    return json.dumps(described).encode()


def test_ranges_are_those_of_the_description(visiting: Opener, gateway: Gateway) -> None:
    gateway.altered["/openapi.json"] = with_other_ages
    visit = visiting(gateway.address)
    visit.open()
    assert "18" in visit.page.locator("#field-age_years-hint").inner_text()
    assert "61" in visit.page.locator("#field-age_years-hint").inner_text()
    visit.enter({"ecog": 1, "age_years": 62})
    visit.wait_for("invalid")
    visit.enter({"age_years": 61})
    visit.wait_for("shown")


def test_fields_are_those_of_the_description(visiting: Opener, gateway: Gateway) -> None:
    gateway.altered["/openapi.json"] = without_ferritin
    visit = visiting(gateway.address)
    visit.open()
    assert visit.number("ldh_u_l").count() == 1
    assert visit.number("ferritin_ng_ml").count() == 0


def test_what_only_the_service_refuses_is_shown_at_its_field(
    visiting: Opener, gateway: Gateway
) -> None:
    gateway.altered["/openapi.json"] = with_unlimited_ages
    visit = visiting(gateway.address, expects_failures=True)
    visit.open()
    visit.enter({"ecog": 1, "age_years": 150})
    visit.wait_for("failed")
    assert visit.number("age_years").get_attribute("aria-invalid") == "true"
    assert visit.page.locator("#field-age_years-error").inner_text()
    visit.enter({"age_years": 50})
    visit.wait_for("shown")
    assert visit.number("age_years").get_attribute("aria-invalid") is None


def test_a_field_that_the_model_does_not_use_says_so(visit: Visit, api: httpx.Client) -> None:
    visit.page.locator("#model").select_option(label="hsct2-os-ecog")
    visit.page.locator(".field.unused").first.wait_for()
    assert visit.page.locator(".field.unused").count() > 5
    visit.ask({"ecog": 2})
    assert visit.asked_and_answered(api)["model_id"] == "hsct2-os-ecog"


def test_unknown_values_are_listed_with_their_share(visit: Visit, api: httpx.Client) -> None:
    known = {k: v for k, v in FULL_PATIENT.items() if k in ("ecog", "age_years", "ldh_u_l")}
    result = visit.ask(known)
    imputed = visit.asked_and_answered(api)["prediction"]["imputed"]
    assert len(imputed) == 9
    shown = cells(result.locator(".card-imputed table"))
    by_share = sorted(imputed, key=lambda each: -each["variance_share"])
    assert [row[-1] for row in shown] == [f"{100 * i['variance_share']:.0f}%" for i in by_share]
    most = visit.page.locator(f"label[for=field-{by_share[0]['covariate']}]")
    if most.count():
        assert (
            str(most.evaluate("e => e.firstChild.textContent"))
            in result.locator(".narrows").inner_text()
        )


def test_an_abbreviation_stays_in_capitals(visit: Visit) -> None:
    expected = visit.ask({"ecog": 1}).locator(".card-imputed table").inner_text()
    assert "AML" in expected or "ALL" in expected


def test_with_nothing_unknown_the_page_says_so(visit: Visit) -> None:
    result = visit.ask(FULL_PATIENT)
    assert result.locator(".card-imputed table").count() == 0
    assert result.locator(".card-imputed .intro").inner_text()
