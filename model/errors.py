"""Everything that can be refused, in one tree.

A message says what was wrong and what was expected; it never holds a patient's value.
"""


class Hsct2Error(Exception):
    """Base of every error of this project."""


class ArtifactError(Hsct2Error):
    """A model artifact is damaged, altered, of another version or not plain values."""


class SignatureKeyError(Hsct2Error):
    """A key for signatures cannot be used."""


class FitError(Hsct2Error):
    """A model cannot be fitted to a cohort; `code` names the finding."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CohortError(Hsct2Error):
    """A cohort file or its declaration is not usable; holds every problem found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ColumnsError(Hsct2Error):
    """Columns do not hold patients, whatever their values; holds every problem found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class NotFiniteError(Hsct2Error):
    """What a model gives for a patient is not a number."""
