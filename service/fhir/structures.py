"""StructureDefinitions: the profile of our assessments, and their extensions."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from service.fhir import systems
from service.fhir.definitions import Definition, extension, head

INTERVAL = extension(
    "hsct2-risk-interval",
    "Interval of the risk of death",
    "Confidence limits of the probability of the prediction that carries it, in percent as the"
    " probability is. They are the limits of predicted survival, subtracted from 100: the upper"
    " limit of survival is the lower one of the risk. A limit that the data do not reach is"
    " absent; where both are, so is the extension.",
    "RiskAssessment.prediction",
    {
        "lower": ("0..1", "decimal", "Lower limit of the risk, percent"),
        "upper": ("0..1", "decimal", "Upper limit of the risk, percent"),
        "confidenceLevel": ("1..1", "decimal", "Confidence level of the limits, percent"),
    },
)
IMPUTED = extension(
    "hsct2-risk-imputed",
    "A value that was unknown",
    "A covariate that the chart does not have: the model expects it from those that are known,"
    " and the interval is wider for it.",
    "RiskAssessment",
    {
        "covariate": ("1..1", "code", "Name of the covariate"),
        "expected": ("1..1", "decimal", "What was expected"),
        "meaning": ("1..1", "string", "What the expected number is, with its unit"),
        "varianceShare": (
            "1..1",
            "decimal",
            "Share of the interval's variance that knowing the value would take away, percent",
        ),
    },
)
WARNING = extension(
    "hsct2-risk-warning",
    "A warning",
    "What the reader of the assessment has to know about the chart or the prediction. The same"
    " stands in words in RiskAssessment.note.",
    "RiskAssessment",
    {
        "code": ("1..1", "code", "Stable name of the warning"),
        "covariate": ("0..1", "code", "Name of the covariate that is concerned"),
        "text": ("1..1", "string", "The warning in words"),
    },
)


@dataclass(frozen=True)
class _Invariant:
    """A rule that every element at a path keeps, in FHIRPath."""

    key: str
    path: str
    human: str
    expression: str


_LIMITS = f"extension.where(url = '{systems.INTERVAL_EXTENSION}')"
_REFERENCES = "(performer | subject | condition | basis).reference"
_INVARIANTS = (
    _Invariant(
        "hra-1",
        "RiskAssessment",
        "A reference to a contained resource leads to one that is there",
        f"{_REFERENCES}.where($this.startsWith('#'))"
        ".all($this.substring(1) in %resource.contained.id)",
    ),
    _Invariant(
        "hra-2",
        "RiskAssessment",
        "References can be followed after the answer: none is a urn of a submitted Bundle",
        f"{_REFERENCES}.where($this.startsWith('urn:')).empty()",
    ),
    _Invariant(
        "hra-3",
        "RiskAssessment.prediction",
        "A prediction that is withheld has neither a number nor an interval; its probability is"
        " absent with a reason, and the rationale says more",
        "(probability is decimal)"
        f" or (probability.low.empty() and probability.high.empty() and {_LIMITS}.empty())",
    ),
    _Invariant(
        "hra-4",
        "RiskAssessment.prediction",
        "A probability is a percentage",
        "(probability is Range) or (probability >= 0 and probability <= 100)",
    ),
    _Invariant(
        "hra-5",
        "RiskAssessment.prediction",
        "The probability is not below the lower limit of its interval",
        f"{_LIMITS}.extension.where(url = 'lower').value.all($this >= 0)"
        f" and ({_LIMITS}.extension.where(url = 'lower').empty()"
        f" or {_LIMITS}.extension.where(url = 'lower').value <= probability)",
    ),
    _Invariant(
        "hra-6",
        "RiskAssessment.prediction",
        "The probability is not above the upper limit of its interval",
        f"{_LIMITS}.extension.where(url = 'upper').value.all($this <= 100)"
        f" and ({_LIMITS}.extension.where(url = 'upper').empty()"
        f" or {_LIMITS}.extension.where(url = 'upper').value >= probability)",
    ),
    _Invariant(
        "hra-7",
        "RiskAssessment.prediction",
        "The time of a prediction does not end before it begins",
        "when.end.empty() or when.start <= when.end",
    ),
    _Invariant(
        "hra-8",
        "RiskAssessment.prediction",
        "A prediction says of what, for which time, in which category and why; never a relative"
        " risk, and never for an age",
        "outcome.exists() and (when is Period) and qualitativeRisk.exists()"
        " and rationale.exists() and relativeRisk.empty()",
    ),
)

_REQUIRED = (
    "RiskAssessment.text",
    "RiskAssessment.identifier",
    "RiskAssessment.method",
    "RiskAssessment.code",
    "RiskAssessment.performer",
    "RiskAssessment.prediction",
    "RiskAssessment.note",
)
_PATHS = ("RiskAssessment", *_REQUIRED)


def _constraints(path: str) -> list[JsonValue]:
    return [
        {
            "key": invariant.key,
            "severity": "error",
            "human": invariant.human,
            "expression": invariant.expression,
        }
        for invariant in _INVARIANTS
        if invariant.path == path
    ]


def _element(path: str) -> JsonValue:
    element: dict[str, JsonValue] = {"id": path, "path": path}
    if path in _REQUIRED:
        element["min"] = 1
    constraints = _constraints(path)
    if constraints:
        element["constraint"] = constraints
    return element


ASSESSMENT: Definition = {
    **head(
        "StructureDefinition",
        "hsct2-risk-assessment",
        "Mortality after a second stem-cell transplant",
        "What the operation $hsct2-risk answers: the risk of death in percent within each horizon,"
        " counted from the planned transplant or else from now.",
    ),
    "fhirVersion": "4.0.1",
    "kind": "resource",
    "abstract": False,
    "type": "RiskAssessment",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/RiskAssessment",
    "derivation": "constraint",
    "differential": {"element": [_element(path) for path in _PATHS]},
}

STRUCTURES: Mapping[str, Definition] = {
    str(structure["id"]): structure for structure in (ASSESSMENT, INTERVAL, IMPUTED, WARNING)
}
"""Every StructureDefinition of ours, by id."""
