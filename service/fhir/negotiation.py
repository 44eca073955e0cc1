"""JSON or nothing: in what form a chart may come, and an answer go."""

from collections.abc import Iterator

from fastapi import Request

from service.fhir.elements import MEDIA_TYPE
from service.problems import NOT_ACCEPTABLE, UNSUPPORTED_MEDIA_TYPE, ProblemError

JSON = "application/json"
ACCEPTED = (MEDIA_TYPE, JSON)
"""The media types of a chart."""

_FHIR_VERSION = "4.0"
_FORMATS = {"json": MEDIA_TYPE, MEDIA_TYPE: MEDIA_TYPE, JSON: JSON, "text/json": JSON}
_RANGES = {
    MEDIA_TYPE: MEDIA_TYPE,
    "application/*": MEDIA_TYPE,
    "*/*": MEDIA_TYPE,
    JSON: JSON,
    "text/json": JSON,
}


def answered_as(request: Request) -> str:
    """Return the media type of the answer: `_format`, if there, counts instead of `Accept`.

    Raises
    ------
    ProblemError
        406 if the caller takes no JSON, or no R4.
    """
    wanted = request.query_params.getlist("_format")
    if wanted:
        # A + of a media type is a space in an address unless it was escaped.
        found = {_FORMATS.get(one.partition(";")[0].replace(" ", "+").lower()) for one in wanted}
    else:
        headers = request.headers.getlist("accept") or ["*/*"]
        found = {_RANGES.get(range_) for header in headers for range_ in _ranges(header)}
    for media_type in ACCEPTED:
        if media_type in found:
            return media_type
    raise ProblemError(
        NOT_ACCEPTABLE, f"Answers are {MEDIA_TYPE} of FHIR {_FHIR_VERSION} (R4); XML is not made."
    )


def check_version(request: Request) -> None:
    """Refuse a body that says that it is of another FHIR version than R4.

    Raises
    ------
    ProblemError
        415.
    """
    version = _parameters(request.headers.get("content-type", "")).get("fhirversion")
    if version not in (None, _FHIR_VERSION):
        raise ProblemError(UNSUPPORTED_MEDIA_TYPE, f"Send a chart of FHIR {_FHIR_VERSION} (R4).")


def _ranges(header: str) -> Iterator[str]:
    """Return the media ranges that are wanted; q=0 says that one is not."""
    for part in header.split(","):
        parameters = _parameters(part)
        version = parameters.get("fhirversion", _FHIR_VERSION)
        if version == _FHIR_VERSION and parameters.get("q", "1").strip("0.") != "":
            yield part.partition(";")[0].strip().lower()


def _parameters(value: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in value.split(";")[1:])
    return {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs}
