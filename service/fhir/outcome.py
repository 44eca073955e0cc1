"""`OperationOutcome`: how FHIR and CDS Hooks callers are told what is off."""

from collections.abc import Mapping, Sequence

from service.chart.reading import Issue, Severity
from service.fhir.elements import OperationOutcome, OutcomeIssue

ISSUE_SYSTEM = "https://hsct2-risk.example/fhir/CodeSystem/hsct2-risk-issue"
"""The system of `Issue.code`; its codes are stable."""

ISSUE_TYPES: Mapping[str, str] = {}
"""FHIR's `IssueType` of the issues for which the severity does not say it."""

_OF_SEVERITY: Mapping[Severity, str] = {
    Severity.ERROR: "processing",
    Severity.WARNING: "informational",
    Severity.INFORMATION: "informational",
}


def operation_outcome(issues: Sequence[Issue], request_id: str | None = None) -> OperationOutcome:
    """Return issues as a resource, in their order.

    `request_id`, by which the request is found in the log, goes into `diagnostics`.

    Raises
    ------
    ValueError
        Without an issue: FHIR has no outcome that says nothing.
    """
    if not issues:
        raise ValueError("an OperationOutcome needs an issue")
    return {
        "resourceType": "OperationOutcome",
        "issue": [_entry(issue, request_id) for issue in issues],
    }


def _entry(issue: Issue, request_id: str | None) -> OutcomeIssue:
    entry: OutcomeIssue = {
        "severity": issue.severity.value,
        "code": ISSUE_TYPES.get(issue.code, _OF_SEVERITY[issue.severity]),
        "details": {
            "coding": [{"system": ISSUE_SYSTEM, "code": issue.code}],
            "text": issue.text,
        },
    }
    if request_id:
        entry["diagnostics"] = f"request {request_id}"
    if issue.expression:
        entry["expression"] = [issue.expression]
    return entry
