"""A page open in a real browser, and everything that went wrong in it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request

from tests.server import ROOT

SCREENSHOTS = ROOT / "build" / "screenshots"
_PREDICTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOCAL = ("data:", "blob:")


@dataclass
class Visit:
    """One page in a context of its own.

    Attributes
    ----------
    requests : the address of everything that the page asked for
    errors : console errors, violations of the content security policy among them, and exceptions
    expects_failures : whether the browser may report that a request failed
    """

    context: BrowserContext
    page: Page
    address: str
    expects_failures: bool = False
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.on("request", self._requested)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, fragment: str = "") -> None:
        """Load the page and wait until its form stands."""
        self.page.goto(f"{self.address}/{'#' if fragment else ''}{fragment}")
        self.page.locator("#entry").wait_for()

    def check(self) -> None:
        """Fail on any error and on any request to anywhere but the service."""
        assert self.errors == []
        own = urlsplit(self.address).netloc
        elsewhere = [a for a in self.requests if urlsplit(a).netloc != own]
        assert [a for a in elsewhere if not a.startswith(_LOCAL)] == []

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size
        assert size is not None
        tall = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": size["width"], "height": max(tall, size["height"])})
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        self.page.set_viewport_size(size)

    def number(self, name: str) -> Locator:
        """Return the input of a number."""
        return self.page.locator(f"#field-{name}")

    def choose(self, name: str, value: object) -> None:
        """Choose one of a field's values."""
        self.page.locator(f"label:has(#{name}-{value})").click()

    def enter(self, patient: dict[str, Any]) -> None:
        """Enter a patient in the API's own terms, as with a mouse and a keyboard."""
        for name, value in patient.items():
            if isinstance(value, bool):
                self.choose(name, str(value).lower())
            elif isinstance(value, str) or name == "ecog":
                self.choose(name, value)
            else:
                self.number(name).fill(str(value))

    def wait_for(self, state: str, scenario: str = "a") -> Locator:
        """Wait until the result of a scenario is in a state, and return it."""
        result = self.page.locator(f"#result-{scenario}[data-state={state}]")
        result.wait_for()
        return result

    def ask(self, patient: dict[str, Any]) -> Locator:
        """Enter a patient and return the result when it is shown."""
        self.enter(patient)
        return self.wait_for("shown")

    def asked_and_answered(self, api: httpx.Client, scenario: str = "a") -> dict[str, Any]:
        """Return what the service stored of the prediction that is shown."""
        identity = self.wait_for("shown", scenario).locator(".identity").inner_text()
        found = _PREDICTION.search(identity)
        assert found
        answer = api.get(f"/v1/predictions/{found[0]}")
        answer.raise_for_status()
        stored: dict[str, Any] = answer.json()
        return stored

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.expects_failures and message.text.startswith("Failed to load resource"):
            return
        self.errors.append(message.text)


def cells(table: Locator) -> list[list[str]]:
    """Return the text of every cell of a table's body, row by row."""
    rows: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )
    return rows


def percent(probability: float | None, language: str = "en") -> str:
    """Write a probability as the page does."""
    if probability is None:
        return {"en": "not reached", "tr": "ulaşılmadı"}[language]
    whole = f"{100 * probability:.0f}"
    return {"en": f"{whole}%", "tr": f"%{whole}"}[language]


def pages_of(pdf: Path | bytes) -> int:
    """Count the pages of a PDF file."""
    content = pdf if isinstance(pdf, bytes) else pdf.read_bytes()
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", content))
