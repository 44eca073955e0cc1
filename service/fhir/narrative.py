"""An assessment for people: XHTML of paragraphs and one table, everything escaped."""

from collections.abc import Sequence
from html import escape

from service.chart.reading import Source
from service.fhir import words
from service.fhir.elements import Narrative
from service.predictions import Prediction

_NAMESPACE = "http://www.w3.org/1999/xhtml"
_HEADINGS = ("Within (months)", "Risk of death (%)", "From", "To")


def narrative(
    prediction: Prediction, sources: Sequence[Source], remarks: Sequence[str]
) -> Narrative:
    """Return the risk within each horizon, the values that it rests on, and the remarks."""
    model = prediction.model
    title = f"Risk of death after a second stem-cell transplant ({model.id} {model.version})"
    parts = [
        _element("p", f"<b>{escape(title)}</b>"),
        _element("p", escape(words.category(prediction.risk))),
        _table(prediction),
        _list("Values", [words.source(source) for source in sources]),
        _list("Remarks", remarks),
    ]
    div = f'<div xmlns="{_NAMESPACE}" xml:lang="en" lang="en">{"".join(parts)}</div>'
    return {"status": "generated", "div": div}


def _table(prediction: Prediction) -> str:
    rows = [_row("th", _HEADINGS)]
    for horizon in prediction.survival.horizons:
        # The upper limit of survival is the lower one of the risk.
        risks = (horizon.probability, horizon.upper, horizon.lower)
        cells = ("–" if p is None else f"{words.percent(1 - p)}" for p in risks)
        rows.append(_row("td", (f"{horizon.months:g}", *cells)))
    return _element("table", _element("tbody", "".join(rows)))


def _row(cell: str, texts: Sequence[str]) -> str:
    return _element("tr", "".join(_element(cell, escape(text)) for text in texts))


def _list(heading: str, texts: Sequence[str]) -> str:
    items = "".join(_element("li", escape(text)) for text in texts)
    return _element("p", heading) + _element("ul", items) if items else ""


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"
