"""A refusal that becomes an OperationOutcome."""

from collections.abc import Sequence

from service.chart.reading import Issue, Severity


class RefusedError(Exception):
    """Raised to answer with the issues, at least one, that are why.

    The message names their codes alone.
    """

    def __init__(self, status: int, issues: Sequence[Issue]) -> None:
        super().__init__(", ".join(issue.code for issue in issues))
        self.status = status
        self.issues = tuple(issues)


def error(code: str, text: str, expression: str | None = None) -> Issue:
    """Return an issue that is a reason to refuse."""
    return Issue(Severity.ERROR, code, None, expression, text)
