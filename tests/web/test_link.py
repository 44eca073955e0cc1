"""A link carries the entry behind the #, where no server sees it."""

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from tests.server import FULL_PATIENT, Server
from tests.web.visit import Visit

Opener = Callable[..., Visit]

RARE = {"age_years": 47.251938, "ferritin_ng_ml": 1234.567812, "ldh_u_l": 987.654378}
"""Values that nothing else in a log looks like: times there have fewer digits, or other ones."""


def copied_link(visit: Visit) -> str:
    visit.page.locator("#result-a-copy-link").click()
    visit.page.get_by_text("Copied").first.wait_for()
    link: str = visit.page.evaluate("navigator.clipboard.readText()")
    return link


def test_a_link_restores_the_entry_with_its_units(visiting: Opener, api: httpx.Client) -> None:
    visit = visiting(permissions=["clipboard-read", "clipboard-write"])
    visit.open()
    visit.page.locator("#unit-hemoglobin_g_dl").select_option("g/L")
    patient = {k: v for k, v in FULL_PATIENT.items() if k != "hemoglobin_g_dl"}
    visit.enter(patient | {"hemoglobin_g_dl": 91})
    before = visit.asked_and_answered(api)
    other = visiting()
    other.open(urlsplit(copied_link(visit)).fragment)
    after = other.asked_and_answered(api)
    assert after["patient"] == before["patient"]
    assert other.page.locator("#unit-hemoglobin_g_dl").input_value() == "g/L"
    assert other.number("hemoglobin_g_dl").input_value() == "91"


def test_a_link_restores_both_scenarios_and_the_model(visiting: Opener, api: httpx.Client) -> None:
    visit = visiting(permissions=["clipboard-read", "clipboard-write"])
    visit.open()
    visit.page.locator("#model").select_option(label="hsct2-os-ecog")
    visit.ask({"ecog": 1})
    visit.page.locator("#compare-start").click()
    visit.choose("ecog", 3)
    visit.wait_for("asking", "b")
    visit.wait_for("shown", "b")
    other = visiting()
    other.open(urlsplit(copied_link(visit)).fragment)
    for scenario, grade in (("a", 1), ("b", 3)):
        stored = other.asked_and_answered(api, scenario)
        assert stored["patient"]["ecog"] == grade
        assert stored["model_id"] == "hsct2-os-ecog"


def test_no_value_of_the_patient_reaches_an_address_or_the_log(
    visiting: Opener, server: Server, api: httpx.Client
) -> None:
    visit = visiting(permissions=["clipboard-read", "clipboard-write"])
    visit.open()
    visit.ask({"ecog": 2} | RARE)
    link = copied_link(visit)
    other = visiting()
    other.open(urlsplit(link).fragment)
    stored = other.asked_and_answered(api)["patient"]
    log = server.log_up_to_now()
    for name, value in RARE.items():
        assert str(value) in link
        assert stored[name] == value
        assert str(value) not in log
        asked = [urlsplit(a) for a in (*visit.requests, *other.requests)]
        assert [a for a in asked if str(value) in f"{a.path}?{a.query}"] == []
    assert "#" not in other.page.url


def test_a_link_with_nonsense_is_no_error(visiting: Opener) -> None:
    visit = visiting()
    visit.open("ecog=9&age_years=x&bmi_kg_m2=24&nobody=1&model=none&hemoglobin_g_dl=9~stone&%E0")
    assert visit.number("bmi_kg_m2").input_value() == "24"
    visit.enter({"ecog": 1, "age_years": 50})
    visit.wait_for("shown")
