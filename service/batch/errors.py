"""What ends a batch, or keeps it from beginning."""

from collections.abc import Sequence

from model.errors import Hsct2Error
from service.problems import FieldProblem


class BatchError(Hsct2Error):
    """A batch cannot be read on."""


class UnreadableError(BatchError):
    """The bytes are not of the form that they are said to be."""


class ColumnsError(BatchError):
    """The columns are not those of patients; holds everything wrong with them."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{p.field or 'a column'}: {p.message}" for p in problems))
        self.problems = list(problems)


class TooLargeError(BatchError):
    """A part of a batch is larger than what is read at once."""
