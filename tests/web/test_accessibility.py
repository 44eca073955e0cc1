"""Every state of the page, in both themes and languages: axe, narrow screens, little motion."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.server import FULL_PATIENT, Server
from tests.web.gateway import Gateway
from tests.web.visit import Visit

Opener = Callable[..., Visit]
State = Callable[[Visit], None]

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
NARROW = 320
MOST_WARNINGS = {"ecog": 4, "ferritin_ng_ml": 90_000, "lymphocytes_10e9_l": 300}


def violations(page: Page) -> str:
    results = Axe().run(page, options=RULES)
    return str(results.generate_report()) if results.violations_count else ""


def opened_details(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")


def empty(visit: Visit) -> None:
    visit.wait_for("incomplete")


def invalid(visit: Visit) -> None:
    visit.enter({"ecog": 1})
    visit.number("age_years").fill("200")
    visit.number("age_years").press("Tab")
    visit.wait_for("invalid")


def little_known(visit: Visit) -> None:
    visit.number("age_years").fill("")
    visit.ask(MOST_WARNINGS)
    opened_details(visit.page)


def all_known(visit: Visit) -> None:
    visit.page.locator("#unit-ldh_u_l").select_option("µkat/L")
    visit.ask(FULL_PATIENT | {"ldh_u_l": 4.5})
    opened_details(visit.page)


def compared(visit: Visit) -> None:
    visit.page.locator("#compare-start").click()
    visit.choose("conditioning", "myeloablative")
    visit.wait_for("asking", "b")
    visit.wait_for("shown", "b")
    opened_details(visit.page)


def about_the_model(visit: Visit) -> None:
    visit.page.locator("#about-model").click()
    visit.page.locator("#model-view .model-section").first.wait_for()
    opened_details(visit.page)


STATES: tuple[State, ...] = (
    empty,
    invalid,
    little_known,
    all_known,
    compared,
    about_the_model,
)
"""In an order in which each leads to the next."""


@pytest.mark.parametrize(
    ("language", "theme", "states"),
    [
        ("en", "light", STATES),
        ("tr", "dark", STATES),
        ("en", "dark", (little_known,)),
        ("tr", "light", (little_known,)),
    ],
)
def test_axe_finds_nothing_in_any_state(
    language: str, theme: str, states: tuple[State, ...], visiting: Opener
) -> None:
    """Every state is seen in both themes and both languages, not in all four pairs."""
    visit = visiting(language=language, theme=theme)
    visit.open()
    found = {}
    for state in states:
        state(visit)
        found[state.__name__] = violations(visit.page)
        visit.shot(f"{state.__name__.replace('_', '-')}-{language}-{theme}")
    assert {name: report for name, report in found.items() if report} == {}


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("tr", "dark")])
def test_axe_finds_nothing_where_there_is_no_answer(
    language: str,
    theme: str,
    visiting: Opener,
    gateway: Gateway,
    key_and_server: tuple[str, Server],
) -> None:
    found = {}
    visit = visiting(gateway.address, language=language, theme=theme, expects_failures=True)
    visit.open()
    with gateway.holding_predictions():
        visit.enter({"ecog": 1})
        visit.wait_for("asking")
        found["asking"] = violations(visit.page)
        gateway.is_cut = True
    visit.enter({"ecog": 2})
    visit.wait_for("failed")
    found["failed"] = violations(visit.page)
    visit.shot(f"failed-{language}-{theme}")
    _, guarded = key_and_server
    asked = visiting(guarded.address, language=language, theme=theme, expects_failures=True)
    asked.open()
    key = asked.page.locator("input[type=password]")
    key.fill("wrong")
    key.press("Enter")
    asked.page.locator("input[type=password][aria-invalid=true]").wait_for()
    found["key rejected"] = violations(asked.page)
    asked.shot(f"key-rejected-{language}-{theme}")
    assert {name: report for name, report in found.items() if report} == {}


def test_axe_would_find_something(visit: Visit) -> None:
    visit.page.locator("h1").evaluate(
        "e => { e.style.color = '#ccc'; e.style.background = '#ddd' }"
    )
    assert "color-contrast" in violations(visit.page)


@pytest.mark.parametrize("language", ["en", "tr"])
def test_a_narrow_screen_never_scrolls_sideways(language: str, visiting: Opener) -> None:
    visit = visiting(width=NARROW, language=language)
    visit.open()
    too_wide = {}
    for state in STATES:
        state(visit)
        visit.shot(f"{state.__name__.replace('_', '-')}-{language}-narrow")
        width: int = visit.page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW:
            too_wide[state.__name__] = width
    assert too_wide == {}


_BEYOND_THEIR_CARDS = """cards => cards
  .filter(card => card.scrollWidth > card.clientWidth)
  .map(card => `${card.className} ${card.scrollWidth} > ${card.clientWidth}`)"""


@pytest.mark.parametrize("width", [1180, 1340, 1600])
@pytest.mark.parametrize("language", ["en", "tr"])
def test_on_a_wide_screen_tables_stay_within_their_cards(
    language: str, width: int, visiting: Opener
) -> None:
    visit = visiting(width=width, language=language)
    visit.open()
    for patient in ({"ecog": 1}, FULL_PATIENT):
        result = visit.ask(patient)
        assert result.locator(".card-horizons table").is_visible()
        assert result.locator(".card").evaluate_all(_BEYOND_THEIR_CARDS) == []


def test_a_wide_screen_uses_its_width(visiting: Opener) -> None:
    visit = visiting(width=1920)
    visit.open()
    result = visit.ask(FULL_PATIENT)
    visit.shot("all-known-en-wide")
    form, shown = visit.page.locator("#entry").bounding_box(), result.bounding_box()
    assert form is not None
    assert shown is not None
    assert form["x"] + form["width"] <= shown["x"]


def motions(visiting: Opener, gateway: Gateway, preference: str) -> Any:
    visit = visiting(gateway.address, reduced_motion=preference)
    visit.open()
    with gateway.holding_predictions():
        visit.enter({"ecog": 1})
        visit.wait_for("asking").locator(".spinner").wait_for()
        return visit.page.evaluate("document.getAnimations().length")


def test_nothing_moves_for_whoever_asks_for_little_motion(
    visiting: Opener, gateway: Gateway
) -> None:
    assert motions(visiting, gateway, "no-preference") > 0
    assert motions(visiting, gateway, "reduce") == 0


def test_every_control_has_a_name_and_every_chart_words(visit: Visit) -> None:
    visit.ask({"ecog": 1})
    charts = visit.page.locator("svg[class*=plot]")
    assert charts.count() == 3
    for place in range(charts.count()):
        assert charts.nth(place).get_attribute("role") == "img"
        assert charts.nth(place).get_attribute("aria-label")
