"""With authentication on, the page asks for a key and keeps it in memory only."""

from collections.abc import Callable

from tests.server import Server
from tests.web.visit import Visit

Opener = Callable[..., Visit]

KEPT = """() => JSON.stringify([
  Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, location.href,
  history.state,
])"""


def test_a_key_is_asked_for_refused_and_accepted(
    visiting: Opener, key_and_server: tuple[str, Server]
) -> None:
    key, server = key_and_server
    visit = visiting(server.address, expects_failures=True)
    visit.open()
    entry = visit.page.get_by_label("API key")
    entry.wait_for()
    assert entry.get_attribute("type") == "password"
    visit.enter({"ecog": 2, "age_years": 41})
    visit.shot("key-en-light")

    entry.fill("not-a-key")
    entry.press("Enter")
    visit.page.get_by_text("The key was rejected").wait_for()
    assert visit.page.get_by_label("API key").get_attribute("aria-invalid") == "true"
    visit.shot("key-rejected-en-light")

    visit.page.get_by_label("API key").fill(key)
    visit.page.get_by_role("button", name="Use this key").click()
    visit.wait_for("shown")
    assert visit.number("age_years").input_value() == "41"
    with server.client(**{"X-API-Key": key}) as client:
        stored = visit.asked_and_answered(client)
    assert stored["patient"]["age_years"] == 41


def test_a_key_is_kept_in_memory_only(visiting: Opener, key_and_server: tuple[str, Server]) -> None:
    key, server = key_and_server
    visit = visiting(server.address, expects_failures=True)
    visit.open()
    visit.page.get_by_label("API key").fill(key)
    visit.page.get_by_label("API key").press("Enter")
    visit.ask({"ecog": 1})
    assert key not in visit.page.evaluate(KEPT)
    assert key not in visit.page.content()
    assert [address for address in visit.requests if key in address] == []
    assert key not in server.log_up_to_now()

    visit.page.locator("#forget-key").click()
    visit.page.get_by_label("API key").wait_for()
    assert visit.page.get_by_label("API key").input_value() == ""
    visit.page.reload()
    visit.page.get_by_label("API key").wait_for()


def test_documents_of_the_model_are_saved_with_the_key(
    visiting: Opener, key_and_server: tuple[str, Server]
) -> None:
    key, server = key_and_server
    visit = visiting(server.address, expects_failures=True)
    visit.open()
    visit.page.get_by_label("API key").fill(key)
    visit.page.get_by_label("API key").press("Enter")
    visit.page.locator("#about-model").click()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="Full report").click()
    report = download.value.path().read_bytes()
    with server.client(**{"X-API-Key": key}) as client:
        assert report == client.get("/v1/models/hsct2-os/report").content
    assert download.value.suggested_filename == "hsct2-os@1.0.0-report.html"
