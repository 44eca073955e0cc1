"""``GET /``: the page is served under its own policy, and the API works without it."""

import re
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.registry import Registry
from service.routes.page import STATIC, read_page
from service.settings import Settings
from tests.server import in_process, problem

LIMIT_BYTES = 200_000


@pytest.fixture(scope="module")
def page(client: httpx.Client) -> httpx.Response:
    if not (STATIC / "index.html").exists():
        pytest.skip("the page is not built: make page")
    return client.get("/")


def parts_of(page: httpx.Response) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page.text)


def test_the_page_and_all_its_parts_are_served_and_name_no_other_host(
    page: httpx.Response, client: httpx.Client
) -> None:
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    parts = parts_of(page)
    assert {part.rsplit(".")[-1] for part in parts} == {"js", "css", "svg"}
    for part in parts:
        assert not part.startswith(("/", "http")), "a gateway may serve the page below a path"
        served = client.get(f"/{part}")
        assert served.status_code == 200
        assert len(served.content) > 100
        if not part.endswith(".svg"):
            assert served.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_the_page_runs_its_own_script_and_style_and_reaches_its_own_service_only(
    page: httpx.Response,
) -> None:
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self'"
    )
    assert "<style" not in page.text
    assert not re.search(r"<script(?![^>]* src=)", page.text)


def test_the_page_is_sent_gzipped_and_small(page: httpx.Response, client: httpx.Client) -> None:
    sent = 0
    for part in ["", *parts_of(page)]:
        with client.stream("GET", f"/{part}", headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            assert packed.headers["Vary"] == "Accept-Encoding"
            sent += int(packed.headers["Content-Length"])
        plain = client.get(f"/{part}", headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        assert plain.content == client.get(f"/{part}").content
    assert 50_000 < sent < LIMIT_BYTES


@pytest.mark.parametrize("name", ["nothing.js", "index.html.gz", "..%2f..%2fpyproject.toml"])
def test_nothing_but_the_page_is_served(name: str, client: httpx.Client) -> None:
    problem(client.get(f"/static/{name}"), 404, "not-found")


def test_without_the_bundle_the_page_says_how_to_build_it_and_the_api_serves(
    tmp_path: Path,
) -> None:
    app = create_app(Settings(), Registry({}, {}, default=""))
    app.state.page = read_page(tmp_path / "none")
    missing = in_process(app, "GET", "/")
    assert missing.status_code == 404
    assert "make page" in missing.text
    assert missing.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert in_process(app, "GET", "/livez").status_code == 200
    assert in_process(app, "GET", "/v1/models").json() == []


def test_the_page_itself_asks_for_no_key() -> None:
    app = create_app(Settings(auth="api-key"), Registry({}, {}, default=""))
    assert in_process(app, "GET", "/").status_code in (200, 404)
    assert in_process(app, "GET", "/v1/models").status_code == 401
