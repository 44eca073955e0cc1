"""Patients as columns of numbers, checked all at once.

What is in doubt is decided by `PredictionRequest`, one patient at a time, so that a batch
refuses what a single call refuses, in the same words. The checks here are at least as strict.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from model.columns import Fault, PatientColumns
from model.patient import COVARIATES, Covariate, Kind
from service.predictions import PredictionRequest
from service.problems import FieldProblem, field_problems

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Errors = tuple[FieldProblem, ...]

NAMES = tuple(COVARIATES)
REFERENCE = "subject_reference"
FIELDS = (*NAMES, REFERENCE)
ROWS_AT_ONCE = 16_384

_KNOWN = frozenset(FIELDS)
_REFERENCE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")


@dataclass(frozen=True)
class Unreadable:
    """A row that is no patient, and why."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True)
class PatientRows:
    """Neighbouring rows of a batch.

    Attributes
    ----------
    first : the number of the first of them, from 1
    columns : the patients; a row with an error is an invalid one
    references : the subject reference of each row; None where no row has one
    errors : by position, everything wrong with a row
    """

    first: int
    columns: PatientColumns
    references: Sequence[str | None] | None
    errors: Mapping[int, Errors]

    def __len__(self) -> int:
        return self.columns.rows

    def parts(self, rows: int) -> Iterator["PatientRows"]:
        """Cut them into parts of so many rows."""
        for start in range(0, len(self), rows):
            stop = start + rows
            yield PatientRows(
                self.first + start,
                self.columns[start:stop],
                self.references and self.references[start:stop],
                {at - start: e for at, e in self.errors.items() if start <= at < stop},
            )


@dataclass
class Column:
    """One covariate of some rows while it is checked: coded values, and which are in doubt."""

    numbers: Floats
    doubtful: Flags


def rows_of_objects(values: Sequence[Any], first: int) -> PatientRows:
    """Check patients that were read from JSON or text; `Unreadable` stands for one that is none."""
    objects: Sequence[dict[str, Any]] = [v if type(v) is dict else {} for v in values]
    columns = {
        name: column_of_values(covariate, [o.get(name) for o in objects])
        for name, covariate in COVARIATES.items()
    }
    references = [o.get(REFERENCE) for o in objects]
    doubtful = np.fromiter(
        (not (type(v) is dict and _KNOWN.issuperset(v)) for v in values), np.bool_, len(values)
    )
    return settled(columns, references, doubtful, first, values.__getitem__)


def column_of_values(covariate: Covariate, values: list[Any]) -> Column:
    """Code one covariate's values, None being unknown."""
    kinds = set(map(type, values))
    if covariate.kind in (Kind.NUMBER, Kind.GRADE) and kinds <= {int, float, type(None)}:
        try:
            return Column(np.array(values, dtype=np.float64), np.zeros(len(values), np.bool_))
        except OverflowError:
            pass  # a number of hundreds of digits
    numbers = [_number(covariate, value) for value in values]
    coded = np.array(numbers, dtype=np.float64)
    return Column(np.where(np.isinf(coded), np.nan, coded), np.isinf(coded))


def _number(covariate: Covariate, value: Any) -> float:
    """Return the code of a value; infinity if it is in doubt."""
    if value is None:
        return np.nan
    kind = type(value)
    if covariate.kind is Kind.CHOICE:
        return covariate.to_number(value) if kind is str and value in covariate.choices else np.inf
    if covariate.kind is Kind.BOOLEAN:
        return float(value) if kind is bool else np.inf
    try:
        return float(value) if kind in (int, float) else np.inf
    except OverflowError:
        return np.inf


def settled(
    columns: Mapping[str, Column],
    references: Sequence[Any],
    doubtful: Flags,
    first: int,
    value_of: Callable[[int], Any],
) -> PatientRows:
    """Return rows from checked columns; those in doubt are read again one by one.

    Parameters
    ----------
    columns : of the covariates that there are
    references : a subject reference each, or none at all
    doubtful : rows that are in doubt already
    value_of : the patient at a position, as JSON would say it
    """
    numbers = {name: columns[name].numbers for name in NAMES if name in columns}
    ecog = numbers.setdefault("ecog", np.full(len(doubtful), np.nan))
    doubtful = doubtful | np.isnan(ecog) | (ecog != np.rint(ecog))
    for name, checked in columns.items():
        low, high = COVARIATES[name].accepted or (0.0, 1.0)
        doubtful |= checked.doubtful | (checked.numbers < low) | (checked.numbers > high)
    known = _references(references, doubtful)
    in_doubt = np.flatnonzero(doubtful).tolist()
    if not in_doubt:
        return PatientRows(first, PatientColumns(len(doubtful), numbers, {}), known, {})
    errors: dict[int, Errors] = {}
    numbers = {name: column.copy() for name, column in numbers.items()}
    for at in in_doubt:
        decided = _decide(value_of(at))
        if isinstance(decided, PredictionRequest):
            for name, column in numbers.items():
                column[at] = decided.numbers((name,))[0]
        else:
            errors[at] = decided
            for column in numbers.values():
                column[at] = np.nan
    faults = np.zeros(len(doubtful), np.uint8)
    faults[list(errors)] = Fault.MISSING
    return PatientRows(
        first, PatientColumns(len(doubtful), numbers, {"ecog": faults}), known, errors
    )


def _references(values: Sequence[Any], doubtful: Flags) -> Sequence[str | None] | None:
    """Return the subject references, and add to what is in doubt those that are none."""
    if set(map(type, values)) <= {type(None)}:
        return None
    valid: list[str | None] = []
    for at, value in enumerate(values):
        is_valid = value is None or (type(value) is str and _REFERENCE.fullmatch(value) is not None)
        doubtful[at] |= not is_valid
        valid.append(value if is_valid else None)
    return valid


def _decide(value: Any) -> PredictionRequest | Errors:
    if isinstance(value, Unreadable):
        return (FieldProblem(field=value.field, code=value.code, message=value.message),)
    if not isinstance(value, dict):
        return (FieldProblem(field=None, code="object_type", message="must be a JSON object"),)
    try:
        return PredictionRequest.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return tuple(field_problems(found, FIELDS, list(value)))
