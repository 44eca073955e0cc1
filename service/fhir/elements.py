"""The FHIR R4 types that our resources are made of, as their JSON has them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads it in Python 3.11 too

MEDIA_TYPE = "application/fhir+json"


class Coding(TypedDict):
    """A code of a code system."""

    system: str
    code: str
    display: NotRequired[str]


class CodeableConcept(TypedDict):
    """A concept, coded, in words, or both."""

    coding: NotRequired[list[Coding]]
    text: NotRequired[str]


class Identifier(TypedDict):
    """An identifier within a system."""

    system: str
    value: str


class Reference(TypedDict):
    """Another resource: by address, by identifier, or in words only."""

    reference: NotRequired[str]
    type: NotRequired[str]
    identifier: NotRequired[Identifier]
    display: NotRequired[str]


class Extension(TypedDict):
    """What FHIR itself has no element for."""

    url: str
    extension: NotRequired[list["Extension"]]
    valueCode: NotRequired[str]
    valueDecimal: NotRequired[float]
    valueString: NotRequired[str]


class Period(TypedDict):
    """A time with a first and a last day."""

    start: str
    end: NotRequired[str]


class Narrative(TypedDict):
    """The resource for people, as XHTML."""

    status: Literal["generated"]
    div: str


class Annotation(TypedDict):
    """A remark for people."""

    text: str


class Meta(TypedDict):
    """What a resource conforms to, and how it is tagged."""

    profile: list[str]
    tag: NotRequired[list[Coding]]


class Named(TypedDict):
    """A name of a device."""

    name: str
    type: Literal["model-name"]


class Version(TypedDict):
    """A version of a device."""

    value: str


class Device(TypedDict):
    """The software that made an assessment."""

    resourceType: Literal["Device"]
    id: str
    status: Literal["active"]
    deviceName: list[Named]
    version: list[Version]


class AbsentRange(TypedDict):
    """A range without limits, and the reason why it has none."""

    extension: list[Extension]


class RiskPrediction(TypedDict):
    """Risk of one outcome within one time."""

    extension: NotRequired[list[Extension]]
    outcome: CodeableConcept
    probabilityDecimal: NotRequired[float]
    probabilityRange: NotRequired[AbsentRange]
    qualitativeRisk: CodeableConcept
    whenPeriod: Period
    rationale: str


class RiskAssessment(TypedDict):
    """What is predicted for one patient, and from what."""

    resourceType: Literal["RiskAssessment"]
    meta: Meta
    language: Literal["en"]
    text: Narrative
    contained: list[Device]
    extension: NotRequired[list[Extension]]
    identifier: list[Identifier]
    status: Literal["final"]
    method: CodeableConcept
    code: CodeableConcept
    subject: Reference
    occurrenceDateTime: str
    condition: NotRequired[Reference]
    performer: Reference
    basis: NotRequired[list[Reference]]
    prediction: list[RiskPrediction]
    note: list[Annotation]


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


class EntryResponse(TypedDict):
    """What became of one entry of a batch."""

    status: str
    outcome: NotRequired[OperationOutcome]


class Entry(TypedDict):
    """The answer to one entry of a batch."""

    fullUrl: NotRequired[str]
    resource: NotRequired[RiskAssessment]
    response: EntryResponse


class BatchResponse(TypedDict):
    """The answers to a batch, in its order."""

    resourceType: Literal["Bundle"]
    type: Literal["batch-response"]
    entry: NotRequired[list[Entry]]
