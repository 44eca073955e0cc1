"""A printed prediction is one A4 page in light colours."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.server import FULL_PATIENT
from tests.web.visit import SCREENSHOTS, Visit, pages_of

Opener = Callable[..., Visit]

A4_WIDTH = 794
"""In CSS pixels."""


def printed(visit: Visit, name: str) -> bytes:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return visit.page.pdf(
        path=SCREENSHOTS / f"print-{name}.pdf", prefer_css_page_size=True, print_background=True
    )


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("all-known", FULL_PATIENT),
        ("only-ecog", {"ecog": 4}),
        ("one", {"ecog": 1, "age_years": 50}),
    ],
)
def test_a_prediction_is_one_page(
    name: str, patient: dict[str, Any], language: str, visiting: Opener
) -> None:
    visit = visiting(language=language, theme="dark")
    visit.open()
    visit.ask(patient)
    pdf = printed(visit, f"{name}-{language}")
    assert pages_of(pdf) == 1
    assert b"/MediaBox [0 0 59" in pdf  # 595 by 842 points: A4


def test_a_comparison_is_one_page(visit: Visit) -> None:
    visit.ask(FULL_PATIENT)
    visit.page.locator("#compare-start").click()
    visit.choose("conditioning", "myeloablative")
    visit.wait_for("asking", "b")
    visit.wait_for("shown", "b")
    assert pages_of(printed(visit, "comparison-en")) == 1


def test_print_shows_what_was_entered_and_the_notice_and_no_controls(visiting: Opener) -> None:
    visit = visiting(theme="dark", width=A4_WIDTH)
    visit.open()
    result = visit.ask({"ecog": 2, "age_years": 41})
    visit.page.emulate_media(media="print")
    visit.page.wait_for_timeout(200)
    visit.shot("print-en")
    entered = result.locator(".card-entered")
    assert entered.is_visible()
    assert "41" in entered.inner_text()
    shown = visit.page.locator("body").inner_text()
    assert "Not for clinical decisions" in shown
    assert "hsct2-os 1.0.0" in shown
    for control in ("button", "select", "input", "#entry"):
        visible = visit.page.locator(control).evaluate_all(
            "all => all.filter(e => e.checkVisibility()).map(e => e.id)"
        )
        assert visible == []
    ground = visit.page.locator("body").evaluate("e => getComputedStyle(e).color")
    red, green, blue = (int(part) for part in ground.removeprefix("rgb(")[:-1].split(","))
    assert max(red, green, blue) < 100, "print is dark on light, whatever the theme"
