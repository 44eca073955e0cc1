"""The blocks of a document: what is run, what it answers, what is only shown.

Each fenced block says by its info string what it is; another one is an error.

==============  ==================================================================
``sh``          commands, run to their end, one block after the other
``sh serving``  a command that serves until the next one or the document's end
``json``        what the command before it printed, all of it
``json part``   what the command before it printed, some keys left out
``text``        lines of what the command before it printed
``console``     commands that no test can run; each document's are listed by a test
``{directive}`` Sphinx's
==============  ==================================================================
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}) *(?P<info>[^\n`]*)$")
_DIRECTIVE = re.compile(r"\{(?:toctree|graphviz|include|table)\}.*")


class Kind(Enum):
    """What a block is, by its info string."""

    RUN = "sh"
    SERVE = "sh serving"
    ANSWER = "json"
    PART = "json part"
    LINES = "text"
    SHOWN = "console"
    DIRECTIVE = "{...}"


class UnknownBlockError(Exception):
    """A block says not what it is."""


@dataclass(frozen=True)
class Block:
    """One block: its text, and the lines of the document that hold it (from 0, end excluded)."""

    kind: Kind
    text: str
    begin: int
    end: int


def blocks_of(document: str) -> list[Block]:
    """Return the blocks of a document.

    Raises
    ------
    UnknownBlockError
        If the info string of one is none of ours, or it never ends.
    """
    return list(_blocks(document.splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        number += 1
        if not opened:
            continue
        begin = number
        while number < len(lines) and lines[number].strip() != opened["fence"]:
            number += 1
        if number == len(lines):
            raise UnknownBlockError(f"the block of line {begin} never ends")
        kind = _kind(opened["info"].strip(), begin)
        yield Block(kind, "\n".join(lines[begin:number]), begin, number)
        number += 1


def _kind(info: str, line: int) -> Kind:
    if _DIRECTIVE.fullmatch(info):
        return Kind.DIRECTIVE
    try:
        return Kind(info)
    except ValueError:
        raise UnknownBlockError(f"line {line}: a block of {info!r}") from None


def documents(root: Path) -> list[Path]:
    """Return the Markdown files whose commands are run here; the README has a test of its own."""
    return [root / "CONTRIBUTING.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]
