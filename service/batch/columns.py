"""Which columns a table of patients may have, whatever file or stream it comes in."""

import re
from collections.abc import Sequence

from service.batch.errors import ColumnsError
from service.batch.patients import FIELDS
from service.problems import FieldProblem, field_problems

_OF_PANDAS = re.compile(r"__index_level_\d+__")


def is_index(name: str) -> bool:
    """Whether a column is one that pandas adds to a file for its row labels."""
    return _OF_PANDAS.fullmatch(name) is not None


def check_names(names: Sequence[str]) -> None:
    """Check that columns are a patient's fields, each once, with `ecog` among them.

    Raises
    ------
    ColumnsError
        With everything wrong; an unknown column is named only if it looks like a field.
    """
    problems: list[FieldProblem] = []
    for position, name in enumerate(names):
        if name in FIELDS and name in names[:position]:
            problems.append(
                FieldProblem(field=name, code="repeated_column", message="is there more than once")
            )
        elif name not in FIELDS:
            unknown = {"type": "extra_forbidden", "loc": (name,), "msg": ""}
            [problem] = field_problems([unknown], FIELDS, ())
            if problem.field is None:
                message = f"column {position + 1} is not a field"
                problem = FieldProblem(field=None, code="unknown_field", message=message)
            problems.append(problem)
    if "ecog" not in names:
        problems.append(FieldProblem(field="ecog", code="missing", message="the column is missing"))
    if problems:
        raise ColumnsError(problems)
