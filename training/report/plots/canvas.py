"""A figure as inline SVG: the same bytes for the same data, and readable without seeing it."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

# The only document parsed is the one that matplotlib has just written.
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

FULL_WIDTH = 7.2
"""Inches; a narrower figure takes its share of the page, so that all text is of one size."""

INK = "#1c2733"
FAINT = "#5b6773"
GRID = "#d9dfe5"
SHADE = "#eceff2"
SERIES = ("#0b5394", "#b45309", "#1b7f5c", "#7a2e8e", "#475569")
"""Told apart with any colour vision, and 4.5:1 against white."""

DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)))
"""Lines differ in dashes too: a report is often printed in grey."""

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_STYLE: dict[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hsct2-risk",
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Label:
    """What a reader who does not see the figure is told.

    Attributes
    ----------
    key : of lower-case letters, digits and hyphens; unique in a document
    title : what the figure shows
    description : what is to be seen in it
    """

    key: str
    title: str
    description: str


def draw(label: Label, width: float, height: float, paint: Callable[[Figure], None]) -> str:
    """Return what `paint` draws on a figure of this size, inches, as an SVG element.

    The figure takes no style from the machine. It has no style attribute and no style
    element, so that a content policy may forbid both.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        written = io.StringIO()
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=unsaid)
    return _accessible(written.getvalue(), label, f"{100 * width / FULL_WIDTH:.0f}%")


def _accessible(document: str, label: Label, width: str) -> str:
    svg = ElementTree.fromstring(document)  # noqa: S314
    names = _names(svg, label.key)
    for element in svg.iter():
        _make_plain(element, names)
    for element in [*svg.iter(f"{_SVG}defs")]:
        for style in element.findall(f"{_SVG}style"):
            element.remove(style)
    # The view box keeps the proportions.
    svg.set("width", width)
    svg.attrib.pop("height", None)
    title = ElementTree.Element(f"{_SVG}title", {"id": f"{label.key}-title"})
    title.text = label.title
    description = ElementTree.Element(f"{_SVG}desc", {"id": f"{label.key}-desc"})
    description.text = label.description
    svg.insert(0, title)
    svg.insert(1, description)
    svg.set("class", "plot")
    svg.set("role", "img")
    svg.set("aria-labelledby", f"{label.key}-title {label.key}-desc")
    ElementTree.register_namespace("", _SVG.strip("{}"))
    return _tidy(ElementTree.tostring(svg, encoding="unicode"))


def _names(svg: ElementTree.Element, key: str) -> dict[str, str]:
    """Name what is referred to by its place: an id must be unique in the whole report."""
    referred: dict[str, str] = {}
    for element in svg.iter():
        for value in (element.get(_XLINK_HREF, ""), element.get("clip-path", "")):
            found = re.search(r"#([^)]+)", value)
            if found:
                referred.setdefault(found[1], f"{key}-{len(referred) + 1}")
    return referred


def _make_plain(element: ElementTree.Element, names: dict[str, str]) -> None:
    identity = element.attrib.pop("id", None)
    if identity in names:
        element.set("id", names[identity])
    reference = element.attrib.pop(_XLINK_HREF, None)
    if reference:
        element.set("href", f"#{names[reference[1:]]}")
    clip = element.get("clip-path")
    if clip:
        element.set("clip-path", f"url(#{names[clip[5:-1]]})")
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        # The page says which font; everything else is a presentation attribute of the same name.
        if value and name.strip() != "font-family":
            element.set(name.strip(), value.strip())
    transform = element.get("transform", "")
    if transform.startswith("rotate(-0 "):
        element.attrib.pop("transform")


def _tidy(svg: str) -> str:
    """Shorten coordinates to a hundredth of a point, so that machines agree on them too."""
    inside_tags = re.compile(r"<[^>]+>")

    def shorten(tag: re.Match[str]) -> str:
        short = re.sub(
            r"-?\d+\.\d+", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), tag[0]
        )
        return re.sub(r"(?<![\w.])-0(?![\w.])", "0", re.sub(r"\s*\n\s*", " ", short))

    return re.sub(r">\s+<", "><", inside_tags.sub(shorten, svg))


def grid(axes: Axes, axis: str = "y") -> None:
    """Draw faint lines behind the data."""
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=axis, color=GRID, linewidth=0.7)  # type: ignore[arg-type]


def percent_axis(axes: Axes, axis: str, label: str, ticks: int = 5) -> None:
    """Scale an axis of probabilities from 0 to 100 %."""
    at = [place / (ticks - 1) for place in range(ticks)]
    names = [f"{100 * tick:g} %" for tick in at]
    if axis == "y":
        axes.set_ylim(0, 1.02)
        axes.set_yticks(at, names)
        axes.set_ylabel(label)
    else:
        axes.set_xlim(0, 1.02)
        axes.set_xticks(at, names)
        axes.set_xlabel(label)


def ratio_axis(axes: Axes, axis: str, low: float, high: float) -> None:
    """Scale an axis of hazard ratios: logarithmic, ticks that are read at a glance."""
    scaled = axes.yaxis if axis == "y" else axes.xaxis
    wanted = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
    ticks = [tick for tick in wanted if low <= tick <= high]
    if axis == "y":
        axes.set_yscale("log")
        axes.set_ylim(low, high)
    else:
        axes.set_xscale("log")
        axes.set_xlim(low, high)
    scaled.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    scaled.set_minor_locator(NullLocator())


def strength_axis(axes: Axes) -> None:
    """Scale the horizontal axis of penalties: logarithmic, in plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
