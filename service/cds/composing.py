"""Cards from what was predicted, or from what is missing to predict it."""

from collections.abc import Sequence

from service.cds.cards import Card, CardCoding, CardLink, CardSource
from service.cds.writing import detail, detail_without_ecog, summary, summary_without_ecog
from service.chart import Reading, Severity
from service.chart.codes import CANONICAL_BASE
from service.predictions import Prediction, ServedModel

TOPIC = CardCoding(
    system=f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-topic",
    code="survival-after-hsct2",
    display="Predicted survival after a second allogeneic stem-cell transplant",
)

OVERRIDE_REASONS = tuple(
    CardCoding(
        system=f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-override-reason", code=code, display=text
    )
    for code, text in {
        "no-second-transplant": "No second transplant is considered",
        "decided-already": "The decision is made already",
        "chart-wrong": "The chart that it rests on is wrong or out of date",
        "estimate-implausible": "The estimate does not fit this patient",
        "not-now": "Not helpful at this point of the work",
    }.items()
)

_ALWAYS_THERE = frozenset({"few_at_risk", "few_at_risk_in_band", "horizon_withheld"})
"""Warnings that say how small the cohort was: they are on the card, and no reason to stop."""


def estimate(
    prediction: Prediction, reading: Reading, not_read: Sequence[str], public_url: str
) -> Card:
    """Return the card of a prediction; its uuid is the prediction's id."""
    warned = any(w.code not in _ALWAYS_THERE for w in prediction.warnings)
    warned |= any(issue.severity is not Severity.INFORMATION for issue in reading.issues)
    return Card(
        uuid=str(prediction.prediction_id),
        summary=summary(prediction),
        detail=detail(prediction, reading, not_read),
        indicator="warning" if warned or not_read else "info",
        source=_source(prediction.model, public_url),
        override_reasons=list(OVERRIDE_REASONS),
        links=_links(public_url),
    )


def missing_ecog(uuid: str, model: ServedModel, reading: Reading, public_url: str) -> Card:
    """Return the card that names the one value without which nothing is predicted."""
    return Card(
        uuid=uuid,
        summary=summary_without_ecog(model),
        detail=detail_without_ecog(model, reading),
        indicator="info",
        source=_source(model, public_url),
        override_reasons=list(OVERRIDE_REASONS),
        links=_links(public_url),
    )


def _source(model: ServedModel, public_url: str) -> CardSource:
    return CardSource(
        label=f"hsct2-risk, model {model.id} {model.version}",
        url=f"{public_url}/" if public_url else None,
        topic=TOPIC,
    )


def _links(public_url: str) -> list[CardLink]:
    """Return the page's address as it is: a patient's values in an address end up in logs."""
    return [CardLink(label="Open hsct2-risk", url=f"{public_url}/")] if public_url else []
