"""What a section of the report is made of; the template says how each looks."""

from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; `strong` ones must not be missed."""

    kind: ClassVar[str] = "paragraph"
    text: str
    strong: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Subheading:
    """The title of a part of a section."""

    kind: ClassVar[str] = "subheading"
    text: str


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes
    ----------
    folded : shown only when asked for, as a figure shows the same
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Plot:
    """A figure: the SVG element, which is markup of our own making, and its caption."""

    kind: ClassVar[str] = "plot"
    svg: Markup
    caption: str


Block = Paragraph | Bullets | Subheading | Table | Plot


@dataclass(frozen=True)
class Section:
    """A part of the report with a place in its contents."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def plot(svg: str, caption: str) -> Plot:
    """Wrap an SVG element from `training.report.plots`, which has escaped every text in it."""
    return Plot(Markup(svg), caption)  # noqa: S704
