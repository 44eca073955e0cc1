"""Markdown from plain text: nothing that a text says becomes markup."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

_MARKUP = re.compile(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_]))")
_LINE_START = re.compile(r"^([#+=-])|^(\d{1,9})([.)])(?= |$)")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def escape(text: str) -> str:
    """Return a text as one line of Markdown that reads as the text.

    Line ends and other control characters become spaces, those that reverse the
    direction of writing go away, and whatever Markdown or HTML would act on is escaped.
    """
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    visible = "".join(c for c in spaced if unicodedata.category(c) not in ("Cf", "Cs"))
    inert = _MARKUP.sub(r"\\\1", " ".join(visible.split()).translate(_ENTITIES))
    return _LINE_START.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", inert)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a table and an empty one; cells are Markdown already."""
    cells = list(header)
    yield _row(cells)
    yield _row(["---"] * len(cells))
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bullets(texts: Iterable[str]) -> Iterator[str]:
    """Yield plain texts as a list and an empty line."""
    for text in texts:
        yield f"- {escape(text)}"
    yield ""


def paragraph(text: str) -> Iterator[str]:
    """Yield a plain text as a paragraph and an empty line."""
    yield escape(text)
    yield ""


def heading(level: int, text: str) -> Iterator[str]:
    """Yield a heading and an empty line."""
    yield f"{'#' * level} {escape(text)}"
    yield ""
