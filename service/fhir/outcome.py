"""`OperationOutcome`: how FHIR and CDS Hooks callers are told what is off."""

from collections.abc import Mapping, Sequence

from service.chart.reading import Issue, Severity
from service.fhir.elements import OperationOutcome, OutcomeIssue
from service.fhir.systems import ISSUE_SYSTEM

ISSUE_TYPES: Mapping[str, str] = {
    # Of the chart
    "not_a_resource": "structure",
    "batch_bundle": "structure",
    "malformed": "structure",
    "circular": "structure",
    "too_deep": "structure",
    "several_subjects": "multiple-matches",
    "ecog_not_determined": "required",
    "contradictory_values": "conflict",
    "contradictory_disease": "conflict",
    "not_a_number": "value",
    "not_a_grade": "value",
    "out_of_range": "value",
    "unknown_answer": "code-invalid",
    "unknown_unit": "code-invalid",
    "missing_unit": "required",
    # Of the patient, to whom the model does not apply
    "deceased": "business-rule",
    "no_acute_leukaemia": "business-rule",
    "no_prior_transplant": "business-rule",
    # Of the call
    "duplicate": "duplicate",
    "greater_than": "value",
    "greater_than_equal": "value",
    "less_than": "value",
    "less_than_equal": "value",
    "float_parsing": "value",
    "parameter_value": "value",
    "required": "required",
    "structure": "structure",
    "too_many_entries": "too-costly",
    "unknown_parameter": "not-supported",
    # The problems of every route
    "audit-unavailable": "no-store",
    "body-too-large": "too-long",
    "body-too-slow": "timeout",
    "chart-incomplete": "incomplete",
    "credentials-unchecked": "transient",
    "forbidden": "forbidden",
    "internal-error": "exception",
    "invalid-chart": "invalid",
    "invalid-json": "structure",
    "invalid-request": "value",
    "method-not-allowed": "not-supported",
    "misdirected-request": "security",
    "no-feedback": "not-found",
    "not-acceptable": "not-supported",
    "not-found": "not-found",
    "not-ready": "transient",
    "overloaded": "throttled",
    "rate-limited": "throttled",
    "unauthenticated": "login",
    "unknown-model": "not-found",
    "unsupported-media-type": "not-supported",
}
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
