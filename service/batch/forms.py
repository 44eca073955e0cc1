"""The forms that a batch is sent and answered in, each with its content type."""

from enum import StrEnum


class Form(StrEnum):
    """A form, by its content type."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


def form_of(content_type: str) -> Form | None:
    """Return the form of a Content-Type, None if it is none of ours."""
    name = content_type.partition(";")[0].strip().lower()
    return next((form for form in Form if form.value == name), None)


def form_accepted(accept: str, sent: Form) -> Form | None:
    """Return the form that an Accept header prefers, None if it admits none of ours.

    What was sent is preferred where the header leaves a choice.
    """
    weights = [_weighted(part) for part in accept.split(",") if part.strip()]
    if not weights:
        return sent
    best: tuple[float, Form] | None = None
    for form in (sent, *(form for form in Form if form is not sent)):
        weight = _weight(form, weights)
        if weight > 0 and (best is None or weight > best[0]):
            best = (weight, form)
    return None if best is None else best[1]


def _weighted(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return name, float(weight)
    except ValueError:
        return name, 0.0


def _weight(form: Form, weights: list[tuple[str, float]]) -> float:
    """Return the weight of the most specific range that a form is in."""
    wholly = form.value, form.value.partition("/")[0] + "/*", "*/*"
    for name in wholly:
        found = [weight for range_, weight in weights if range_ == name]
        if found:
            return max(found)
    return 0.0
