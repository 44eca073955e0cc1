"""What an assessment says in words: used by its remarks, rationales and narrative."""

from collections.abc import Iterator, Sequence

from model.answer import Horizon, Imputed, Risk
from model.patient import COVARIATES, Kind, Value
from service.chart.reading import Issue, Severity, Source
from service.predictions import Prediction

_KIND = {
    Severity.ERROR: "Error",
    Severity.WARNING: "Warning",
    Severity.INFORMATION: "Remark",
}
_SAID_OTHERWISE = ("no_value",)  # it is among what was expected, if the model needs it


def percent(probability: float) -> float:
    """Return a probability in percent, rounded to 0.1."""
    return round(100 * probability, 1)


def in_words(covariate: str, value: Value) -> str:
    """Return a covariate with its value and unit."""
    about = COVARIATES[covariate]
    if about.kind is Kind.BOOLEAN:
        shown = "yes" if value else "no"
    elif about.kind is Kind.CHOICE:
        shown = str(value).replace("_", " ")
    else:
        shown = f"{value:g}"
    return f"{about.label}: {shown}{f' {about.unit}' if about.unit else ''}"


def source(of: Source) -> str:
    """Return where a value is from, and what was done to it."""
    details = [text for text in (of.effective, of.note) if text]
    return in_words(of.covariate, of.value) + (f" ({'; '.join(details)})" if details else "")


def category(risk: Risk) -> str:
    """Return the risk category and the ECOG grades that it stands for."""
    low, high = risk.band.lowest_ecog, risk.band.highest_ecog
    grades = f"{low}" if low == high else f"{low}–{high}"
    return f"{risk.category.replace('_', ' ').capitalize()} risk: ECOG {grades}"


def rationale(horizon: Horizon, level: float) -> str:
    """Return on what the risk within one horizon rests, or why there is none."""
    within = f"Within {horizon.months:g} months"
    if horizon.probability is None:
        return f"{within}: not predicted: {_sentence(horizon.reason)}"
    text = f"{within}: predicted survival {percent(horizon.probability)} %"
    if horizon.lower is not None and horizon.upper is not None:
        limits = f"{percent(horizon.lower)}–{percent(horizon.upper)} %"
        text += f" ({percent(level):g} % interval {limits})"
    return f"{text}; {horizon.at_risk} patients of the training cohort were still at risk."


def imputed(of: Imputed) -> str:
    """Return what was expected of an unknown covariate, and what not knowing it costs."""
    return (
        f"{COVARIATES[of.covariate].label}: {of.meaning} {of.expected:.4g}"
        f" ({percent(of.variance_share)} % of the interval's variance)"
    )


def remarks(prediction: Prediction, issues: Sequence[Issue]) -> Iterator[str]:
    """Return what the reader has to know, the notice first."""
    if prediction.model.notice:
        yield prediction.model.notice
    median = prediction.survival.median_months
    mean = prediction.survival.restricted_mean_months
    if median.estimate is None:
        yield f"Median survival: {_sentence(median.reason)}"
    else:
        yield f"Median survival: {median.estimate:.1f} months."
    if mean.estimate is not None:
        yield (
            f"Mean survival within {mean.limit_months:g} months (restricted mean):"
            f" {mean.estimate:.1f} months."
        )
    if prediction.imputed:
        unknown = "; ".join(map(imputed, prediction.imputed))
        yield f"Unknown, and expected from what is known: {unknown}."
    for warning in prediction.warnings:
        yield f"Warning: {_about(warning.field)}{_sentence(warning.message)}"
    for issue in issues:
        if issue.code not in _SAID_OTHERWISE:
            yield f"{_KIND[issue.severity]} about the chart: {_about(issue.covariate)}{issue.text}"


def _about(covariate: str | None) -> str:
    return f"{COVARIATES[covariate].label}: " if covariate in COVARIATES else ""


def _sentence(text: str | None) -> str:
    return f"{(text or 'no reason is known').rstrip('.')}."
