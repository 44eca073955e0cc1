"""Take the README's picture of the page: ``python -m docs.picture``, with the page built."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.server import Server
from tests.web.visit import Visit

PICTURE = Path(__file__).parent / "page.png"
PATIENT = {
    "ecog": 1,
    "age_years": 41,
    "disease": "AML",
    "hemoglobin_g_dl": 8.9,
    "ldh_u_l": 260,
    "conditioning": "reduced_intensity",
}
_SIZE = {"width": 1280, "height": 880}


def take() -> None:
    """Serve, enter a patient, and keep what is seen without scrolling."""
    with (
        TemporaryDirectory() as folder,
        Server(Path(folder) / "log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        context = browser.new_context(viewport=_SIZE, locale="en-GB", color_scheme="light")
        visit = Visit(context, context.new_page(), server.address)
        visit.open()
        visit.ask(PATIENT)
        visit.page.wait_for_timeout(1_000)  # the pause after typing, and the last answer
        visit.wait_for("shown")
        visit.page.evaluate(
            "() => { document.activeElement.blur();"
            " document.querySelectorAll('*').forEach(element => { element.scrollTop = 0 }) }"
        )
        visit.page.screenshot(path=PICTURE)
        visit.check()
        browser.close()


if __name__ == "__main__":
    take()
