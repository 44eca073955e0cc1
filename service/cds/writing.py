"""The words on a card: what is predicted, from what, and what its reader must know."""

import re
from collections.abc import Iterable, Iterator, Sequence

from model.answer import Horizon
from model.manifest import SYNTHETIC_NOTICE
from model.patient import COVARIATES, Covariate, Kind, Value
from service.cds.cards import SUMMARY_LENGTH
from service.chart import Reading, Severity, Source
from service.predictions import Prediction, ServedModel

_SUMMARY_MONTHS = 12
_SHORT_NOTICES = {
    SYNTHETIC_NOTICE: "Synthetic demonstration, not for clinical decisions.",
}
_NOT_VALIDATED = "Not validated."
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&]|^[#+-])")
_SPACE = re.compile(r"\s+")


def summary(prediction: Prediction) -> str:
    """Return one line of fewer than 140 characters that ends with the model's notice."""
    return _line(
        [_estimate(prediction), f"Risk {prediction.risk.category}."], short_notice(prediction.model)
    )


def summary_without_ecog(model: ServedModel) -> str:
    """Return the line of a card that names the missing value."""
    return _line(
        ["No survival estimate:", "ECOG performance status is missing."], short_notice(model)
    )


def detail(prediction: Prediction, reading: Reading, not_read: Sequence[str]) -> str:
    """Return the card's text as Markdown; `not_read` are labels of what was not looked up."""
    parts = [
        _notice(prediction.model),
        _horizons(prediction),
        _category(prediction),
        _unknown(prediction),
        _not_read(not_read),
        _list("Warnings", _warnings(prediction, reading)),
        _list("Read from the chart", map(_source, reading.sources)),
        _model(prediction.model),
    ]
    return "\n\n".join(filter(None, parts))


def detail_without_ecog(model: ServedModel, reading: Reading) -> str:
    """Return the text of a card that names the missing value, and why it is missing."""
    asked = COVARIATES["ecog"]
    parts = [
        _notice(model),
        _missing(asked),
        _list("What was found", (plain(i.text) for i in reading.issues if i.covariate == "ecog")),
        _model(model),
    ]
    return "\n\n".join(filter(None, parts))


def _missing(covariate: Covariate) -> str:
    return (
        f"The chart has no usable **{covariate.label}** ({covariate.codes}), and without it"
        " nothing is predicted: it is never guessed from other values."
    )


def short_notice(model: ServedModel) -> str:
    """Return what every line about this model must say; empty for a validated one."""
    if model.notice is None:
        return ""
    return _SHORT_NOTICES.get(model.notice, _NOT_VALIDATED)


def plain(text: str) -> str:
    """Return text of others so that Markdown shows it as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", _SPACE.sub(" ", text).strip())


def code(text: str) -> str:
    """Return text of others as code, in which nothing becomes a link or a tag."""
    return f"`{_SPACE.sub(' ', text).replace('`', '')}`"


def _line(parts: Sequence[str], notice: str) -> str:
    """Leave parts out from the end, but never the notice, until the line is short enough."""
    for kept in range(len(parts), 0, -1):
        line = " ".join(filter(None, (*parts[:kept], notice)))
        if len(line) < SUMMARY_LENGTH:
            return line
    return notice


def _estimate(prediction: Prediction) -> str:
    horizons = [h for h in prediction.survival.horizons if h.probability is not None]
    if not horizons:
        return "Survival after HSCT2: no estimate this far ahead."
    shown = next((h for h in horizons if h.months == _SUMMARY_MONTHS), horizons[0])
    interval = _interval(shown.lower, shown.upper)
    return f"{shown.months:g}-month survival {_percent(shown.probability)} ({interval})."


def _notice(model: ServedModel) -> str:
    return f"**{plain(model.notice)}**" if model.notice else ""


def _horizons(prediction: Prediction) -> str:
    level = f"{100 * prediction.survival.confidence_level:g} % interval"
    observed = {h.months: h for h in prediction.risk.observed.horizons}
    category = plain(prediction.risk.category)
    rows = [
        f"| Months | Predicted survival | {level} | Observed in category {category} |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for horizon in prediction.survival.horizons:
        seen = observed[horizon.months]
        told = f"{_percent(seen.probability)} ({_interval(seen.lower, seen.upper)})"
        rows.append(f"| {horizon.months:g} | {_predicted(horizon)} | {told} |")
    return "\n".join(rows)


def _predicted(horizon: Horizon) -> str:
    if horizon.probability is None:
        return f"withheld: {plain(horizon.reason or 'too far ahead')} | –"
    return f"{_percent(horizon.probability)} | {_interval(horizon.lower, horizon.upper)}"


def _category(prediction: Prediction) -> str:
    risk = prediction.risk
    band = f"{risk.band.lowest_ecog}–{risk.band.highest_ecog}"
    return (
        f"**Risk category {plain(risk.category)}**: ECOG {risk.ecog}, of grades {band}. Observed in"
        f" {risk.observed.patients} patients of the training cohort, of whom"
        f" {risk.observed.deaths} died."
    )


def _unknown(prediction: Prediction) -> str:
    shares = [
        f"{COVARIATES[i.covariate].label} ({_percent(i.variance_share)})"
        for i in sorted(prediction.imputed, key=lambda i: -i.variance_share)
    ]
    if not shares:
        return ""
    return (
        "**Unknown, expected from the known values** (in brackets by how much the interval's"
        f" variance would fall if it were known): {', '.join(shares)}."
    )


def _not_read(labels: Sequence[str]) -> str:
    return f"**Not looked up**, so unknown here: {', '.join(labels)}." if labels else ""


def _warnings(prediction: Prediction, reading: Reading) -> Iterator[str]:
    yield from (plain(warning.message) for warning in prediction.warnings)
    yield from (plain(i.text) for i in reading.issues if i.severity is not Severity.INFORMATION)


def _source(source: Source) -> str:
    covariate = COVARIATES[source.covariate]
    origin = [code(text) for text in (source.reference, source.effective) if text]
    origin += [plain(source.note)] if source.note else []
    told = f" ({', '.join(origin)})" if origin else ""
    return f"{covariate.label}: {_value(covariate.kind, source.value, covariate.unit)}{told}"


def _value(kind: Kind, value: Value, unit: str | None) -> str:
    if kind is Kind.BOOLEAN:
        return "yes" if value else "no"
    if kind is Kind.NUMBER:
        return f"{float(value):.4g} {unit or ''}".strip()
    return plain(str(value))


def _model(model: ServedModel) -> str:
    return f"Model {plain(model.id)} {model.version}."


def _list(title: str, items: Iterable[str]) -> str:
    lines = [f"- {item}" for item in dict.fromkeys(items)]
    return "\n".join([f"**{title}**", "", *lines]) if lines else ""


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _interval(lower: float | None, upper: float | None) -> str:
    if lower is None or upper is None:
        return "–"
    return f"{100 * lower:.0f}–{100 * upper:.0f} %"
