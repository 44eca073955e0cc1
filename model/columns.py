"""Many patients as columns, checked as `Patient` checks one, without a loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from model.errors import ColumnsError
from model.patient import COVARIATES, Covariate, Kind, Patient

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Faults = NDArray[np.uint8]

_NO_MASKS: Mapping[str, Flags] = MappingProxyType({})
_DEAD = 5


class Fault(IntEnum):
    """What is wrong with one value; 0 is nothing."""

    NONE = 0
    MISSING = 1
    NOT_FINITE = 2
    TOO_LOW = 3
    TOO_HIGH = 4
    NOT_WHOLE = 5
    DEAD = 6
    NOT_A_CHOICE = 7


@dataclass(frozen=True)
class Problem:
    """One fault of one patient, in the words in which `Patient` refuses it.

    Attributes
    ----------
    field : the covariate
    code : pydantic's type of the error
    message : what was expected; never the value
    """

    field: str
    code: str
    message: str


@dataclass(frozen=True)
class PatientColumns:
    """Patients, a column for each covariate that anything is known of.

    Attributes
    ----------
    rows : how many patients
    numbers : by covariate, shape (rows,), coded as `Patient.numbers` codes them; NaN is
        unknown, or faulty; a covariate without a column is unknown of every patient
    faults : by covariate, shape (rows,), codes of `Fault`; only for covariates with one
    """

    rows: int
    numbers: Mapping[str, Floats]
    faults: Mapping[str, Faults]

    @classmethod
    def of(
        cls, values: Mapping[str, NDArray[Any]], unknown: Mapping[str, Flags] = _NO_MASKS
    ) -> "PatientColumns":
        """Check columns as `Patient` checks its fields; a bad value marks its row only.

        Parameters
        ----------
        values : by covariate, each of shape (rows,). Numbers and the grade are integers
            or floats; booleans are booleans; a choice is its text, or an integer, its
            place in `Covariate.choices` (any other integer is no choice). A NaN is not an
            unknown value: `Patient` refuses it too.
        unknown : by covariate, shape (rows,), where the value is unknown, whatever the
            column holds there

        Raises
        ------
        ColumnsError
            If ECOG has no column, or a column is not a covariate's, of another type or
            of another length.
        """
        _refuse_wrong_columns(values, unknown)
        numbers, faults = {}, {}
        for name, covariate in COVARIATES.items():
            if name in values:
                found = _checked(covariate, values[name], unknown.get(name))
                numbers[name] = found[0]
                if found[1] is not None:
                    faults[name] = found[1]
        return cls(len(numbers["ecog"]), numbers, faults)

    @cached_property
    def invalid(self) -> Flags:
        """Shape (rows,), whether a patient has any fault."""
        invalid = np.zeros(self.rows, dtype=bool)
        for faults in self.faults.values():
            invalid |= faults != Fault.NONE
        return invalid

    def problems(self, row: int) -> list[Problem]:
        """Return every fault of one patient, in the order of the covariates."""
        found = ((name, Fault(faults[row])) for name, faults in self.faults.items())
        return [problem_of(name, fault) for name, fault in found if fault is not Fault.NONE]

    def __getitem__(self, rows: slice) -> "PatientColumns":
        """Return some of the patients, without a copy of their values."""
        numbers = {name: column[rows] for name, column in self.numbers.items()}
        faults = {name: column[rows] for name, column in self.faults.items()}
        return PatientColumns(len(numbers["ecog"]), numbers, faults)


@cache
def problem_of(name: str, fault: Fault) -> Problem:
    """Return a fault of a covariate in the words of `Patient`."""
    try:
        Patient.model_validate({"ecog": 0, name: _example(COVARIATES[name], fault)})
    except ValidationError as error:
        (found,) = error.errors(include_input=False, include_url=False, include_context=False)
        return Problem(name, found["type"], found["msg"])
    raise ValueError(f"{name} cannot have this fault")


def _example(covariate: Covariate, fault: Fault) -> object:
    """Return a value that no patient has, with this fault."""
    low, high = covariate.accepted or (0.0, 0.0)
    examples = {
        Fault.NOT_FINITE: np.nan,
        Fault.TOO_LOW: low - 1,
        Fault.TOO_HIGH: high + 2,
        Fault.NOT_WHOLE: 0.5,
        Fault.DEAD: _DEAD,
        Fault.NOT_A_CHOICE: "",
    }
    return examples.get(fault)


def _refuse_wrong_columns(values: Mapping[str, NDArray[Any]], unknown: Mapping[str, Flags]) -> None:
    problems = []
    if "ecog" not in values:
        problems.append("there is no column ecog, the only one that is required")
    if values.keys() - COVARIATES.keys():
        problems.append("there is a column of no covariate")
    if unknown.keys() - values.keys():
        problems.append("a mask belongs to no column")
    problems += [
        f"{name} must be a column of {_TYPES[covariate.kind]}"
        for name, covariate in COVARIATES.items()
        if name in values and not _has_type_of(covariate, values[name].dtype)
    ]
    shapes = {array.shape for of in (values, unknown) for array in of.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        problems.append("the columns are not of one length")
    if any(mask.dtype != np.bool_ for mask in unknown.values()):
        problems.append("a mask is not of booleans")
    if problems:
        raise ColumnsError(problems)


_TYPES = {
    Kind.GRADE: "numbers",
    Kind.NUMBER: "numbers",
    Kind.BOOLEAN: "booleans",
    Kind.CHOICE: "text",
}


def _has_type_of(covariate: Covariate, dtype: np.dtype[Any]) -> bool:
    if covariate.kind is Kind.BOOLEAN:
        return dtype == np.bool_
    if covariate.kind is Kind.CHOICE:
        return dtype.kind in "iuUTO"
    return dtype.kind in "iuf"


def _checked(
    covariate: Covariate, values: NDArray[Any], unknown: Flags | None
) -> tuple[Floats, Faults | None]:
    """Return a column as numbers, NaN where unknown or faulty, and its faults if it has any."""
    numbers = _coded(covariate, values)
    accepted = _accepted(covariate, numbers)
    if unknown is not None:
        numbers = np.where(unknown, np.nan, numbers)
        accepted = accepted & ~unknown if covariate.kind is Kind.GRADE else accepted | unknown
    if accepted.all():
        return numbers, None
    faults = np.zeros(len(numbers), dtype=np.uint8)
    bad = np.flatnonzero(~accepted)
    faults[bad] = _faults(covariate, numbers[bad], None if unknown is None else unknown[bad])
    return np.where(accepted, numbers, np.nan), faults


def _coded(covariate: Covariate, values: NDArray[Any]) -> Floats:
    """Return a column as numbers, as `Covariate.to_number` codes them; NaN is no choice."""
    if covariate.kind is not Kind.CHOICE:
        return np.asarray(values, dtype=np.float64)
    if values.dtype.kind in "iu":
        of_choice = (values >= 0) & (values < len(covariate.choices))
        return np.where(of_choice, values, np.nan)
    numbers = np.full(len(values), np.nan)
    for place, choice in enumerate(covariate.choices):
        numbers[values == choice] = place
    return numbers


def _accepted(covariate: Covariate, numbers: Floats) -> Flags:
    if covariate.accepted is None:
        return ~np.isnan(numbers)
    low, high = covariate.accepted
    accepted = (numbers >= low) & (numbers <= high)
    if covariate.kind is Kind.GRADE:
        accepted &= numbers == np.rint(numbers)
    return accepted


def _faults(covariate: Covariate, numbers: Floats, unknown: Flags | None) -> Faults:
    """Say what is wrong with values that are not accepted, the first fault that applies."""
    if covariate.kind is Kind.CHOICE:
        return np.full(len(numbers), Fault.NOT_A_CHOICE, dtype=np.uint8)
    assert covariate.accepted is not None
    is_grade = covariate.kind is Kind.GRADE
    tests = [
        (Fault.MISSING, np.zeros(len(numbers), dtype=bool) if unknown is None else unknown),
        (Fault.NOT_FINITE, ~np.isfinite(numbers)),
        (Fault.DEAD, is_grade & (numbers == _DEAD)),
        (Fault.NOT_WHOLE, is_grade & (numbers != np.rint(numbers))),
        (Fault.TOO_LOW, numbers < covariate.accepted[0]),
    ]
    faults = np.select([holds for _, holds in tests], [fault for fault, _ in tests], Fault.TOO_HIGH)
    return faults.astype(np.uint8)
