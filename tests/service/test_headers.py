"""What a browser may do with each answer."""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from structlog.testing import capture_logs

from service.app import create_app
from service.registry import Registry
from service.settings import Settings
from tests.server import Server, in_process

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
EHR = "https://ehr.example"


class _Inline(HTMLParser):
    """Finds what a browser would run or apply: inline scripts, styles and handlers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.contents: dict[str, list[str]] = {"script": [], "style": []}
        self.attributes: list[str] = []
        self._within: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [n for n, _ in attrs if n == "style" or n.startswith("on")]
        if tag in self.contents and "src" not in dict(attrs):
            self._within = tag
            self.contents[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._within:
            self._within = None

    def handle_data(self, data: str) -> None:
        if self._within is not None:
            self.contents[self._within][-1] += data


def directives(response: httpx.Response) -> dict[str, list[str]]:
    policy = response.headers["Content-Security-Policy"]
    return {name: rest for name, *rest in (part.split() for part in policy.split("; "))}


def hashes(contents: list[str]) -> list[str]:
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/predictions", 200),
        ("POST", "/v1/predictions?x=1", 422),
        ("GET", "/v1/predictions", 405),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/none", 404),
        ("GET", "/v1/models/hsct2-os/card", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/livez", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
    ],
)
def test_an_answer_may_do_nothing_in_a_browser_and_is_kept_nowhere(
    method: str, path: str, status: int, client: httpx.Client
) -> None:
    response = client.request(method, path, json={"ecog": 1})
    assert response.status_code == status
    assert response.headers["Content-Security-Policy"] == NOTHING
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert not [n for n in response.headers if n.startswith("access-control-")]
    assert "Strict-Transport-Security" not in response.headers
    assert "Server" not in response.headers


def test_a_refused_host_and_a_failure_have_the_headers_too(client: httpx.Client) -> None:
    refused = client.get("/livez", headers={"Host": "attacker.example"})
    app = create_app(Settings(), Registry({}, {}, default=""))
    app.state.registry = None
    with capture_logs():
        failed = in_process(app, "GET", "/v1/models")
    assert (refused.status_code, failed.status_code) == (421, 500)
    for response in (refused, failed):
        assert response.headers["Content-Security-Policy"] == NOTHING
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect"])
def test_the_documentation_runs_its_own_script_and_no_other(
    path: str, client: httpx.Client
) -> None:
    page = client.get(path)
    inline = _Inline(page.text)
    assert len(inline.contents["script"]) == 1
    assert inline.contents["style"] == inline.attributes == []
    policy = directives(page)
    assert policy["script-src"] == ["'self'", *hashes(inline.contents["script"])]
    assert policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["default-src"] == policy["frame-ancestors"] == ["'none'"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


@pytest.mark.slow
def test_a_browser_shows_the_documentation_under_its_policy(server: Server, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    shown = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--disable-quic", f"--user-data-dir={tmp_path}", "--virtual-time-budget=8000"),
            *("--dump-dom", f"{server.address}/docs"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.search(r'class="opblock-summary-path"[^>]*data-path="/v1/predictions"', shown.stdout)


def test_the_parts_of_the_documentation_may_be_kept(client: httpx.Client) -> None:
    part = client.get("/static-offline-docs/swagger-ui.css")
    assert "Cache-Control" not in part.headers
    assert part.headers["ETag"]
    assert part.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("model", ["hsct2-os", "hsct2-os-ecog"])
def test_a_report_has_its_own_style_and_runs_nothing(model: str, client: httpx.Client) -> None:
    page = client.get(f"/v1/models/{model}/report")
    inline = _Inline(page.text)
    assert len(inline.contents["style"]) == 1
    assert inline.contents["script"] == inline.attributes == []
    assert not re.search(r"\s(?:src|(?:xlink:)?href)=[\"'](?!#)", page.text)
    expected = f"{NOTHING}; style-src {hashes(inline.contents['style'])[0]}"
    assert page.headers["Content-Security-Policy"] == expected


@pytest.fixture(scope="module")
def with_origin() -> Iterator[FastAPI]:
    with capture_logs():
        yield create_app(Settings(cors_origins=[EHR]), Registry({}, {}, default=""))


def test_a_named_origin_may_call_and_read_the_answer(with_origin: FastAPI) -> None:
    asked = {
        "Origin": EHR,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key,idempotency-key",
    }
    before = in_process(with_origin, "OPTIONS", "/v1/predictions", headers=asked)
    assert before.status_code == 200
    assert before.headers["Access-Control-Allow-Origin"] == EHR
    assert "POST" in before.headers["Access-Control-Allow-Methods"]
    answer = in_process(with_origin, "GET", "/v1/models", headers={"Origin": EHR})
    assert answer.headers["Access-Control-Allow-Origin"] == EHR
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://ehr.example.attacker.example",
        "http://ehr.example",
        "https://ehr.example:8443",
        "null",
    ],
)
def test_another_origin_may_not(origin: str, with_origin: FastAPI) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    before = in_process(with_origin, "OPTIONS", "/v1/predictions", headers=asked)
    answer = in_process(with_origin, "GET", "/v1/models", headers={"Origin": origin})
    for response in (before, answer):
        assert "Access-Control-Allow-Origin" not in response.headers
    assert before.status_code == 400


def test_without_named_origins_a_preflight_is_no_method_of_ours(client: httpx.Client) -> None:
    asked = {"Origin": EHR, "Access-Control-Request-Method": "POST"}
    response = client.options("/v1/predictions", headers=asked)
    assert response.status_code == 405
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "origin", ["*", "ehr.example", "https://*.example", "https://ehr.example/"]
)
def test_an_origin_that_is_none_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(cors_origins=[origin])
