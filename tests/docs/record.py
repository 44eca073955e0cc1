"""Write into documents what their commands print now: ``python -m tests.docs.record FILE...``.

A `json part` keeps the keys that it shows; `text` is filled where it is empty, to be cut by hand.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docs.readme import compact
from tests.docs.blocks import Kind
from tests.docs.checkout import copied
from tests.docs.running import VOLATILE, Said, answers, differences, lines_of


def recorded(document: str, said: list[Said]) -> str:
    """Return a document with its answers as they were printed."""
    lines = document.splitlines()
    for one in reversed(said):
        block = one.block
        if block.text.strip() and not differences(one):
            continue
        if block.kind is Kind.LINES:
            new = "\n".join(lines_of(one.printed)) if not block.text.strip() else block.text
        else:
            printed = json.loads(one.printed.output)
            shown = json.loads(block.text or "null")
            new = compact(printed if block.kind is Kind.ANSWER else _part(shown, printed))
        lines[block.begin : block.end] = new.rstrip("\n").splitlines()
    return "\n".join(lines) + "\n"


def _part(shown: Any, printed: Any) -> Any:
    if isinstance(shown, dict) and isinstance(printed, dict):
        return {
            key: shown[key]
            if key in VOLATILE and shown[key] is not None
            else _part(shown[key], printed[key])
            for key in shown
            if key in printed
        }
    if isinstance(shown, list) and isinstance(printed, list) and shown:
        pattern = shown + shown[-1:] * (len(printed) - len(shown))
        return [_part(one, other) for one, other in zip(pattern, printed, strict=False)]
    return printed


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        with TemporaryDirectory() as folder:
            text = path.read_text(encoding="utf-8")
            checkout = copied(Path(folder) / "checkout")
            found = list(answers(text, checkout, Path(folder) / "log"))
        path.write_text(recorded(text, found), encoding="utf-8")
