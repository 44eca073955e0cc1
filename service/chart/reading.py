"""What was read from one patient's chart: the patient, where each value is from, what is off."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from model.patient import Patient, Value


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of one covariate is from.

    Attributes
    ----------
    covariate : a field of `Patient`
    value : in the unit of that field
    reference : of the resource, an absolute URL where the chart gave one, else
        ``Type/id``; None where the resource has neither
    effective : date or time of the value as the chart has it, None where it has none
    note : what was done to the value, as ``converted from g/L``; None if nothing
    """

    covariate: str
    value: Value
    reference: str | None
    effective: str | None
    note: str | None


class Severity(StrEnum):
    """How much an issue matters; the codes of `OperationOutcome.issue.severity`."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something about the chart that a reader of the prediction must know.

    Attributes
    ----------
    code : a stable name, as ``stale_value``
    covariate : the field of `Patient` concerned, if any
    expression : FHIRPath of the element, as ``Bundle.entry[3].resource.value``, if any
    text : for people; holds no value of the chart
    """

    severity: Severity
    code: str
    covariate: str | None
    expression: str | None
    text: str


class Verdict(StrEnum):
    """Whether the model has anything to say about this patient."""

    APPLIES = "applies"
    NO_ACUTE_LEUKAEMIA = "no_acute_leukaemia"
    NO_PRIOR_TRANSPLANT = "no_prior_transplant"
    DECEASED = "deceased"


@dataclass(frozen=True, slots=True)
class Reading:
    """One patient's chart, read.

    Attributes
    ----------
    subject : absolute URL that the chart gives, else ``Patient/id``, else its fullUrl (a
        urn:uuid); None without a Patient, or for one that has neither
    patient : None where ECOG is not determined; `issues` say why
    verdict : whether the model applies
    planned_at : start of the second transplant that is ordered, None where none is
    sources : one for each known covariate, in the order of `Patient`
    issues : errors, warnings and remarks, in a stable order
    """

    subject: str | None
    patient: Patient | None
    verdict: Verdict
    planned_at: datetime | None
    sources: Sequence[Source]
    issues: Sequence[Issue]
