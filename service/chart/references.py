"""Whom a resource is about: references to patients, relative, absolute and urn:uuid."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PATIENT = re.compile(r"(?:(https?://[^\s#?]+)/)?Patient/([A-Za-z0-9.-]{1,64})(?:/_history/\S*)?")
_OTHER_TYPE = re.compile(
    r"(?:https?://[^\s#?]+/)?(?:Group|Device|Location|Medication|Specimen)/\S+"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient as a reference names it.

    Attributes
    ----------
    base : of the server; None where the reference does not say
    id : logical id, or the UUID of an entry's fullUrl
    """

    base: str | None
    id: str


def subject_of(reference: str, patients: Mapping[str, Subject]) -> Subject | None:
    """Return whom a reference names; None where that cannot be told.

    `patients` are those of the chart by fullUrl.
    """
    if reference in patients:
        return patients[reference]
    if found := _PATIENT.fullmatch(reference):
        return Subject(*found.groups())
    if reference.startswith("urn:uuid:"):
        return Subject(None, reference.removeprefix("urn:uuid:"))
    return None


def is_of_another_kind(reference: str) -> bool:
    """Return whether a reference names something that is certainly no patient."""
    return _OTHER_TYPE.fullmatch(reference) is not None


def first_other(subjects: Iterable[tuple[Subject, str]]) -> str | None:
    """Return the expression of the first subject that is not the same as those before it.

    Two references to one id are the same patient unless their servers differ.
    """
    known: Subject | None = None
    for subject, expression in subjects:
        if known is None:
            known = subject
        elif subject.id != known.id or not _compatible(subject.base, known.base):
            return expression
        elif known.base is None:
            known = subject
    return None


def _compatible(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def written(name: str, logical_id: str | None, full_url: str | None) -> str | None:
    """Return how to refer to a resource: its absolute URL, else ``Type/id``, else None."""
    if full_url and full_url.startswith(("http://", "https://")):
        return full_url
    return f"{name}/{logical_id}" if logical_id else None
