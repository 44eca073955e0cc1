"""References to resources of the chart: only such as can be followed."""

import re

from service.fhir.elements import Reference
from service.fhir.systems import URI

_RELATIVE = re.compile(r"([A-Z][A-Za-z]{1,60})/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?")
_ABSOLUTE = re.compile(r"https?://[^\s\x00-\x1f\x7f\"<>\\^`{|}]+")
_URN = re.compile(r"urn:(uuid|oid):[0-9a-zA-Z.-]+")
_TYPE_OF_ABSOLUTE = re.compile(r".*/([A-Z][A-Za-z]{1,60})/[A-Za-z0-9.-]{1,64}")


def followable(reference: str | None) -> str | None:
    """Return a reference that the caller's server or the web resolves, else None.

    What a `urn:uuid` of a submitted Bundle meant, nobody knows after the answer.
    """
    if reference and (_RELATIVE.fullmatch(reference) or _ABSOLUTE.fullmatch(reference)):
        return reference
    return None


def type_of(reference: str) -> str | None:
    """Return the type of the resource that a reference leads to, where it says so."""
    found = _RELATIVE.fullmatch(reference) or _TYPE_OF_ABSOLUTE.fullmatch(reference)
    return found[1] if found else None


def subject_of(reference: str | None) -> Reference:
    """Return whom an assessment is about; the element is required even of an unnamed patient."""
    followed = followable(reference)
    if followed is not None:
        return {"reference": followed}
    if reference is not None and _URN.fullmatch(reference):
        return {"type": "Patient", "identifier": {"system": URI, "value": reference}}
    return {"type": "Patient", "display": "The patient of the chart, who is not identified in it"}
