"""The service is slow, silent or down: the page says so, loses nothing, and recovers."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.server import Server
from tests.web.gateway import Gateway, Passed
from tests.web.visit import Visit

Opener = Callable[..., Visit]

TYPED = {"ecog": 2, "age_years": 41, "ferritin_ng_ml": 1150}
HURRIED = """
const patient = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (milliseconds) => patient(milliseconds / 30);
"""
"""Lets the page lose its patience thirty times as fast."""


def nothing_is_lost(visit: Visit) -> None:
    assert visit.page.locator("#ecog-2").is_checked()
    assert visit.number("age_years").input_value() == "41"
    assert visit.number("ferritin_ng_ml").input_value() == "1150"


@pytest.fixture
def visit(visiting: Opener, gateway: Gateway) -> Visit:
    opened = visiting(gateway.address, expects_failures=True)
    opened.open()
    return opened


def test_a_slow_answer_is_waited_for_in_sight(visit: Visit, gateway: Gateway) -> None:
    with gateway.holding_predictions():
        visit.enter(TYPED)
        visit.wait_for("asking").locator(".spinner").wait_for()
        visit.shot("asking-en-light")
    visit.wait_for("shown")
    nothing_is_lost(visit)


def test_after_a_while_the_page_says_that_it_takes_long(visiting: Opener, gateway: Gateway) -> None:
    visit = visiting(gateway.address)
    visit.page.clock.install()
    visit.open()
    visit.ask({"ecog": 1})
    with gateway.holding_predictions() as held:
        visit.choose("ecog", 2)
        visit.page.clock.run_for(500)
        while not held:
            visit.page.wait_for_timeout(20)
        visit.page.clock.run_for(5_000)
        said = visit.page.get_by_text("longer than usual").first
        said.wait_for(state="attached")
        visit.shot("slow-en-light")
        assert visit.wait_for("asking").get_attribute("aria-busy") == "true"
    visit.wait_for("shown")


def test_a_late_answer_never_overwrites_a_newer_one(visit: Visit, gateway: Gateway) -> None:
    with gateway.holding_predictions() as held:
        visit.enter({"ecog": 4})
        while len(held) < 1:
            visit.page.wait_for_timeout(20)
        visit.enter({"ecog": 0})
        while len(held) < 2:
            visit.page.wait_for_timeout(20)
        held[1].set()
        newer = visit.wait_for("shown").locator(".identity").inner_text()
        held[0].set()
        visit.page.wait_for_timeout(500)
        result = visit.wait_for("shown")
        assert result.locator(".identity").inner_text() == newer
        assert "Standard risk" in result.locator(".category").inner_text()


def test_a_late_answer_that_cannot_be_stopped_is_not_shown(
    visiting: Opener, gateway: Gateway
) -> None:
    """The page gives up old questions; here the browser does not let it."""
    visit = visiting(gateway.address)
    visit.context.add_init_script("AbortController.prototype.abort = () => {};")
    visit.open()
    with gateway.holding_predictions() as held:
        visit.enter({"ecog": 4})
        while len(held) < 1:
            visit.page.wait_for_timeout(20)
        visit.enter({"ecog": 0})
        while len(held) < 2:
            visit.page.wait_for_timeout(20)
        held[0].set()
        visit.page.wait_for_timeout(500)
        visit.wait_for("asking")
        held[1].set()
        result = visit.wait_for("shown")
        assert "Standard risk" in result.locator(".category").inner_text()


def test_without_an_answer_the_page_says_so_and_tries_again(visit: Visit, gateway: Gateway) -> None:
    gateway.is_cut = True
    visit.enter(TYPED)
    failed = visit.wait_for("failed")
    assert "did not answer" in failed.inner_text()
    assert failed.locator("[role=alert]").count() == 1
    nothing_is_lost(visit)
    visit.shot("unreachable-en-light")
    gateway.is_cut = False
    visit.page.locator("#result-a-retry").click()
    visit.wait_for("shown")
    nothing_is_lost(visit)


def test_silence_is_not_waited_for_forever(visiting: Opener, gateway: Gateway) -> None:
    visit = visiting(gateway.address, expects_failures=True)
    visit.context.add_init_script(HURRIED)
    visit.open()
    with gateway.holding_predictions():
        visit.enter(TYPED)
        assert "too long" in visit.wait_for("failed").inner_text()
        nothing_is_lost(visit)
    visit.page.locator("#result-a-retry").click()
    visit.wait_for("shown")


def test_a_page_that_loads_while_the_service_fails_recovers(
    visiting: Opener, gateway: Gateway
) -> None:
    visit = visiting(gateway.address, expects_failures=True)
    held = threading.Event()

    def hold_description(request: Passed) -> threading.Event | None:
        return held if request.path == "/openapi.json" else None

    gateway.held = hold_description
    visit.page.goto(gateway.address)
    visit.page.get_by_text("Loading").first.wait_for()
    gateway.is_cut = True
    held.set()
    retry = visit.page.get_by_role("button", name="Try again")
    retry.wait_for()
    visit.shot("not-loaded-en-light")
    gateway.restore()
    retry.click()
    visit.page.locator("#entry").wait_for()
    visit.ask({"ecog": 1})


def test_a_service_that_stops_and_comes_back_answers_the_same_entry(
    visiting: Opener, bundle: Path, tmp_path: Path
) -> None:
    port = free_port()
    with Server(tmp_path / "first", port=port) as first:
        visit = visiting(first.address, expects_failures=True)
        visit.open()
        first.signal(signal.SIGSTOP)
        visit.enter(TYPED)
        visit.wait_for("asking").locator(".spinner").wait_for()
        first.signal(signal.SIGCONT)
        before = visit.wait_for("shown").locator(".number").inner_text()
        first.signal(signal.SIGKILL)
        first.wait()
        visit.enter({"age_years": 42})
        visit.wait_for("failed")
    with Server(tmp_path / "second", port=port):
        visit.enter({"age_years": 41})
        if visit.page.locator("#result-a-retry").count():
            visit.page.locator("#result-a-retry").click()
        assert visit.wait_for("shown").locator(".number").inner_text() == before
        nothing_is_lost(visit)


def test_too_many_requests_are_named_and_can_be_tried_again(
    visiting: Opener, bundle: Path, tmp_path: Path
) -> None:
    with Server(tmp_path / "log", requests_per_minute=3) as server:
        visit = visiting(server.address, expects_failures=True)
        visit.open()
        for grade in (0, 1, 2, 3):
            visit.enter({"ecog": grade})
            visit.page.locator("#result-a:is([data-state=shown], [data-state=failed])").wait_for()
        failed = visit.wait_for("failed")
        assert "Too many requests" in failed.inner_text()
        assert failed.get_by_role("button", name="Try again").count() == 1
