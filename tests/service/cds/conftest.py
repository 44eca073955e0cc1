"""One service for the tests of CDS Hooks that need no other settings."""

from collections.abc import Iterator

import pytest

from tests.server import Server


@pytest.fixture(scope="module")
def cds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("cds") / "log"
    with Server(log, public_url="https://risk.example/hsct2") as started:
        yield started
