"""Every hazard has a control and tests that show it, and those tests are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTIONS = re.split(r"^## ", (ROOT / "docs/hazards.md").read_text(encoding="utf-8"), flags=re.M)[1:]
_TEST = re.compile(r"^- `(?P<path>[^`:]+)::(?P<name>\w+)`$", re.M)


def names_of_tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_hazard_has_a_control_and_tests_that_are_there() -> None:
    assert len(SECTIONS) >= 20
    gone = []
    for section in SECTIONS:
        hazard = section.partition("\n")[0]
        assert "**Control.** " in section, hazard
        named = list(_TEST.finditer(section))
        assert named, hazard
        for test in named:
            path = ROOT / test["path"]
            if not path.is_file() or test["name"] not in names_of_tests(path):
                gone.append(test[0])
    assert gone == []
