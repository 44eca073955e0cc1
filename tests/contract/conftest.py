"""The committed description, and a server that asks for keys, as a client would meet it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from service.keys import Scope
from tests.server import ROOT, Server, run_service

COMMITTED = ROOT / "openapi.yaml"


@dataclass(frozen=True)
class Guarded:
    """A server that asks for keys, and a key that opens every route."""

    server: Server
    key: str


@pytest.fixture(scope="session")
def description() -> Any:
    return yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("contract")
    scopes = [word for scope in Scope for word in ("--scope", scope.value)]
    made = run_service("keys", "create", "a client", *scopes, api_keys=folder / "keys")
    with Server(folder / "log", auth="api-key", api_keys=folder / "keys") as server:
        yield Guarded(server, made.stdout.strip())
