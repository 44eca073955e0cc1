"""``make sbom``: a valid CycloneDX list of every distribution that the image may install."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.image.engine import run
from tests.server import ROOT

pytestmark = pytest.mark.slow

PINNED = re.compile(r"^([a-z0-9-]+)==([^\s;\\]+)((?:.*\\\n)*.*)", flags=re.M)


@pytest.fixture(scope="module")
def written() -> str:
    file: Path = ROOT / "build/sbom.cdx.json"
    file.unlink(missing_ok=True)
    run("make", "-C", str(ROOT), "-o", ".venv/dev.done", "sbom")
    return file.read_text()


def test_it_is_valid_cyclonedx(written: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(written) is None
    assert validator.validate_str(written.replace('"library"', '"libary"')) is not None


def test_it_describes_this_product(written: str) -> None:
    product = json.loads(written)["metadata"]["component"]
    assert product["name"] == "hsct2-risk"
    assert product["licenses"][0]["license"]["id"] == "Apache-2.0"


def test_it_has_every_pinned_distribution_with_every_digest(written: str) -> None:
    def digests(component: dict[str, Any]) -> frozenset[str]:
        references = component["externalReferences"]
        return frozenset(h["content"] for r in references for h in r["hashes"])

    lock = (ROOT / "requirements/service.lock").read_text()
    pinned = {
        (name, version, frozenset(re.findall(r"sha256:([0-9a-f]{64})", rest)))
        for name, version, rest in PINNED.findall(lock)
    }
    listed = {(c["name"], c["version"], digests(c)) for c in json.loads(written)["components"]}
    assert len(pinned) > 40
    assert all(of_one for _, _, of_one in pinned)
    assert listed == pinned
