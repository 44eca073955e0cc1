"""One server of the shipped models for all tests of the service, and a client of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model import artifact
from model.artifact import Artifact
from service.settings import SHIPPED_MODELS
from tests.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("service") / "log") as started:
        yield started


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def shipped() -> Artifact:
    return artifact.load(SHIPPED_MODELS / "hsct2-os")


@pytest.fixture(scope="session")
def shipped_folder() -> Path:
    return SHIPPED_MODELS
