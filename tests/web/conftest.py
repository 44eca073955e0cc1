"""The page, built; a browser; and a service to show the page to it."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.server import ROOT, Server, run_service
from tests.web.gateway import Gateway
from tests.web.visit import Visit

STATIC = ROOT / "service" / "static"
_FLAGS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def bundle() -> Path:
    """Build the page where it is not there or older than its sources."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with (build / "page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes that test, one builds
        made = subprocess.run(
            ["make", "page"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=300
        )
    if made.returncode != 0 and shutil.which("node") is None:
        pytest.skip(f"the page cannot be built without Node: {made.stderr[-300:]}")
    assert made.returncode == 0, made.stdout + made.stderr
    return STATIC


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("web") / "log") as server:
        yield server


@pytest.fixture(scope="package")
def api(server: Server) -> Iterator[httpx.Client]:
    """Ask the same service as the page does."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="package")
def key_and_server(
    bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Server]]:
    """A service that asks for keys, and a key for it."""
    folder = tmp_path_factory.mktemp("keys")
    made = run_service("keys", "create", "a physician", api_keys=folder / "keys")
    with Server(folder / "log", auth="api-key", api_keys=folder / "keys") as server:
        yield made.stdout.strip(), server


@pytest.fixture(scope="package")
def one_gateway(server: Server) -> Iterator[Gateway]:
    with Gateway(server.port) as gateway:
        yield gateway


@pytest.fixture
def gateway(one_gateway: Gateway) -> Iterator[Gateway]:
    """Stand between browser and service."""
    one_gateway.restore()
    yield one_gateway
    one_gateway.restore()


Opener = Callable[..., Visit]


@pytest.fixture
def visiting(browser: Browser, server: Server) -> Iterator[Opener]:
    """Open pages; at the end none may have reported an error or asked anybody else."""
    visits: list[Visit] = []

    def visit(
        address: str = server.address,
        *,
        language: str = "en",
        theme: Literal["light", "dark"] = "light",
        width: int = 1280,
        expects_failures: bool = False,
        **options: Any,
    ) -> Visit:
        locale = {"en": "en-GB", "tr": "tr-TR"}[language]
        context = browser.new_context(
            locale=locale,
            color_scheme=theme,
            viewport={"width": width, "height": 900},
            **options,
        )
        context.set_default_timeout(10_000)
        visits.append(Visit(context, context.new_page(), address, expects_failures))
        return visits[-1]

    yield visit
    for one in visits:
        one.context.close()
    for one in visits:
        one.check()


@pytest.fixture
def visit(visiting: Opener) -> Visit:
    """Open the page in English, in light colours, on a wide screen."""
    opened = visiting()
    opened.open()
    return opened
