"""The modules of the three rooms, each with what its docstring says, as tables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docs.tables import table

ROOT = Path(__file__).parent.parent
ROOMS = ("model", "service", "training")


def with_rooms(text: str) -> str:
    """Return a document with every room's table made anew."""
    for room in ROOMS:
        begin, end = f"<!-- {room} table -->", f"<!-- end of {room} table -->"
        made = f"{begin}\n\n{table(('module', 'what it is'), modules_of(room))}\n\n{end}"
        text = re.sub(f"{begin}.*?{end}", made.replace("\\", r"\\"), text, flags=re.S)
    return text


def modules_of(room: str) -> Iterator[tuple[str, str]]:
    """Return name and first line of each module and package directly in a room."""
    for path in sorted((ROOT / room).iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if source.suffix != ".py" or not source.is_file() or path.name == "__init__.py":
            continue
        said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
        assert said, f"{source} has no docstring"
        first = " ".join(said.split("\n\n")[0].split()).replace("``", "`").replace("|", "or")
        yield f"`{room}.{path.stem}`", first
