"""The FHIR R4 data types that our resources are made of, as their JSON has them."""

from typing import Literal, NotRequired, TypedDict

MEDIA_TYPE = "application/fhir+json"


class Coding(TypedDict):
    """A code of a code system."""

    system: str
    code: str
    display: NotRequired[str]
    version: NotRequired[str]


class CodeableConcept(TypedDict):
    """A concept, coded, in words, or both."""

    coding: NotRequired[list[Coding]]
    text: NotRequired[str]


class OutcomeIssue(TypedDict):
    """One entry of `OperationOutcome.issue`."""

    severity: str
    code: str
    details: CodeableConcept
    diagnostics: NotRequired[str]
    expression: NotRequired[list[str]]


class OperationOutcome(TypedDict):
    """What went wrong, or what to know."""

    resourceType: Literal["OperationOutcome"]
    issue: list[OutcomeIssue]
