"""`openapi.yaml` is clean to its linters, and breaks nobody's client without saying so."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.conftest import run
from tests.server import ROOT

RELEASED = ROOT / "clients" / "released" / "openapi.yaml"
CURRENT = ROOT / "openapi.yaml"
PROGRAMS = Path(sys.executable).parent

Edit = Callable[[Any], None]


def breaking_changes(new: Path, old: Path = RELEASED) -> list[str]:
    """Return what `specshift` finds that breaks clients of the old description."""
    done = subprocess.run(
        [str(PROGRAMS / "specshift"), "diff", "--format=json", str(old), str(new)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    report = json.loads(done.stdout)
    found = [str(c) for c in report["changes"] if c["severity"] == "breaking"]
    assert (done.returncode != 0) == bool(found), done.stderr
    return found


def may_break(old: str, new: str) -> bool:
    """Return whether a version may break an older one's clients: by its major, before 1.0 minor."""
    before, after = (tuple(map(int, version.split("."))) for version in (old, new))
    kept = 1 if before[0] else 2
    return after[:kept] > before[:kept]


def refused(new: Path, old: Path = RELEASED) -> list[str]:
    """Return the breaking changes that the versions do not allow."""
    versions = [yaml.safe_load(path.read_text("utf-8"))["info"]["version"] for path in (old, new)]
    return [] if may_break(*versions) else breaking_changes(new, old)


def edited(folder: Path, *edits: Edit) -> Path:
    description = yaml.safe_load(RELEASED.read_text("utf-8"))
    for edit in edits:
        edit(description)
    path = folder / "openapi.yaml"
    path.write_text(yaml.safe_dump(description, sort_keys=False), "utf-8")
    return path


def without_a_field(description: Any) -> None:
    horizon = description["components"]["schemas"]["Horizon"]
    del horizon["properties"]["probability"]
    horizon["required"].remove("probability")


def without_an_operation(description: Any) -> None:
    del description["paths"]["/v1/models"]


def asking_for_more(description: Any) -> None:
    description["components"]["schemas"]["Patient"]["required"].append("age_years")


def with_a_further_field(description: Any) -> None:
    description["components"]["schemas"]["Horizon"]["properties"]["months_exactly"] = {
        "type": "number"
    }


def with_version(version: str) -> Edit:
    def edit(description: Any) -> None:
        description["info"]["version"] = version

    return edit


def test_the_description_breaks_no_client_of_the_released_one() -> None:
    assert refused(CURRENT) == []


@pytest.mark.parametrize("edit", [without_a_field, without_an_operation, asking_for_more])
def test_a_breaking_change_is_refused_unless_the_version_says_so(
    edit: Edit, tmp_path: Path
) -> None:
    version = yaml.safe_load(RELEASED.read_text("utf-8"))["info"]["version"]
    major, minor, patch = map(int, version.split("."))
    assert refused(edited(tmp_path, edit)) != []
    assert refused(edited(tmp_path, edit, with_version(f"{major}.{minor}.{patch + 1}"))) != []
    moved = f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
    assert refused(edited(tmp_path, edit, with_version(moved))) == []


def test_a_further_field_is_no_breaking_change(tmp_path: Path) -> None:
    assert refused(edited(tmp_path, with_a_further_field)) == []


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("0.1.0", "0.1.1", False),
        ("0.1.0", "0.2.0", True),
        ("0.9.0", "1.0.0", True),
        ("1.2.0", "1.3.0", False),
        ("1.2.0", "2.0.0", True),
        ("2.0.0", "1.9.0", False),
    ],
)
def test_only_the_major_version_may_break_and_before_one_the_minor(
    old: str, new: str, allowed: bool
) -> None:
    assert may_break(old, new) is allowed


def test_redocly_has_nothing_against_it(npm_tools: Path) -> None:
    printed = run(
        npm_tools / ".bin" / "redocly",
        "lint",
        # Routes that take nothing have nothing to refuse.
        "--skip-rule=operation-4xx-response",
        "--format=json",
        CURRENT,
        REDOCLY_TELEMETRY="off",
    )
    report = json.loads(re.sub(r"^[^{]*", "", printed))
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_openapi_spec_validator_has_nothing_against_it() -> None:
    assert "OK" in run(PROGRAMS / "openapi-spec-validator", CURRENT)
