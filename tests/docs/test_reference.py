"""The generated pages say what the code says."""

from pathlib import Path

import pytest
import yaml

from docs.reference import ARCHITECTURE, FOLDER, metrics_in_use, pages
from docs.rooms import ROOMS, modules_of, with_rooms
from model.manifest import Manifest
from service.access import SCOPES
from service.problems import PROBLEM_TYPES
from service.settings import Settings
from tests.docs.checkout import ROOT


def test_the_pages_are_those_of_the_definitions() -> None:
    made = pages()
    assert {path.name for path in FOLDER.glob("*.md")} == set(made)
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, "run make docs"


def test_the_architecture_names_every_module_of_every_room() -> None:
    text = ARCHITECTURE.read_text()
    assert with_rooms(text) == text, "run make docs"
    for room in ROOMS:
        named = {name.strip("`").removeprefix(f"{room}.") for name, _ in modules_of(room)}
        there = {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__"}
        there |= {path.parent.name for path in (ROOT / room).glob("*/__init__.py")}
        assert named == there
        assert all(f"| `{room}.{name}` |" in text for name in there)


@pytest.mark.parametrize("name", ["service.headers", "service.predictor", "service.envelope"])
def test_what_the_way_of_a_request_names_is_there(name: str) -> None:
    assert (ROOT / Path(*name.split("."))).with_suffix(".py").is_file()
    assert f"`{name}`" in ARCHITECTURE.read_text()


def test_every_operation_setting_problem_and_key_is_listed() -> None:
    api = (FOLDER / "api.md").read_text()
    described = yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"]
    for path, methods in described.items():
        assert all(f"| `{method.upper()} {path}` |" in api for method in methods)
        assert all((method.upper(), path) in SCOPES for method in methods)
    settings = (FOLDER / "settings.md").read_text()
    assert all(f"| `HSCT2_{name.upper()}` |" in settings for name in Settings.model_fields)
    problems = (FOLDER / "problems.md").read_text()
    assert all(f"| {kind.status} | `{kind.name}` |" in problems for kind in PROBLEM_TYPES)
    artifact = (FOLDER / "artifact.md").read_text()
    assert all(f"| `{name}` |" in artifact for name in Manifest.model_fields)


def test_every_metric_is_shown_with_its_labels() -> None:
    assert all(metric.samples for metric in metrics_in_use())
