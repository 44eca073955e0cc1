"""The documentation becomes a site, without a warning, a dead link or a request to elsewhere."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from tests.docs.checkout import ROOT

pytestmark = pytest.mark.slow

_LOADED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "object": "data",
    "iframe": "src",
    "source": "src",
    "form": "action",
}
_OF_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^)'\"\s]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    folder = tmp_path_factory.mktemp("site")
    options: list[str | Path] = ["-W", "--keep-going", "-q", "-d", folder / "doctrees"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ROOT / "docs", folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


class _Page(HTMLParser):
    """What a page loads, links to, and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _LOADED and _LOADED[tag] in given:
            self.loaded.append(given[_LOADED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "id" in given:
            self.anchors.add(given["id"])


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    for page in pages:
        assert (site / page).with_suffix(".html").is_file(), page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        for address in _Page(path.read_text()).loaded:
            assert not urlsplit(address).netloc, f"{path.name}: {address}"
    for kind in ("*.css", "*.svg"):
        for path in site.rglob(kind):
            assert not _OF_CSS.search(path.read_text()), path.name


def test_formulas_are_mathml_and_diagrams_are_pictures(site: Path) -> None:
    assert "<math" in (site / "explanation/intervals.html").read_text()
    diagrams = re.findall(r"_images/\S+?\.svg", (site / "architecture.html").read_text())
    assert len(set(diagrams)) == 2
    for diagram in diagrams:
        assert (site / diagram).is_file()


def test_no_link_within_the_site_is_dead(site: Path) -> None:
    pages = {path.resolve(): _Page(path.read_text()) for path in site.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].anchors, f"{path.name}: {link}"


def linked(path: Path) -> list[str]:
    tokens = MarkdownIt().parse(path.read_text())
    inner = [child for token in tokens for child in token.children or ()]
    hrefs = [str(t.attrs["href"]) for t in inner if t.type == "link_open"]
    return hrefs + [str(t.attrs["src"]) for t in inner if t.type == "image"]


def test_no_relative_link_between_the_files_is_dead() -> None:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(files) > 20
    for path in files:
        for link in linked(path):
            parts = urlsplit(link)
            if parts.scheme or not parts.path:
                continue
            assert (path.parent / unquote(parts.path)).exists(), f"{path.name}: {link}"
