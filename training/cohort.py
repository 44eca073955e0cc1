"""Read a cohort file and its declaration, and report everything wrong with them at once."""

import csv
import hashlib
import io
import json
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from model.errors import CohortError
from model.manifest import Finding
from model.patient import COVARIATES, Patient, Value, parse_number

Floats = NDArray[np.float64]

SHIPPED_COHORT = Path(__file__).parent / "cohorts" / "hsct2_synthetic.csv"

_OUTCOME = ("os_months", "death")
_NumberedRow = tuple[int, list[str]]
_SPREADSHEET_MAGIC = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def _date(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date like 2024-12-31") from None


class Declaration(BaseModel):
    """What the owner of a cohort says of it, in ``NAME.cohort.json`` beside ``NAME.csv``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(min_length=1)
    institution: str = Field(min_length=1)
    synthetic: bool
    end_of_follow_up: Annotated[date | None, BeforeValidator(_date)] = None
    description: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Cohort:
    """A checked cohort.

    Attributes
    ----------
    declaration : what its owner says of it; `synthetic` is corrected where the rows tell
    names : the p covariates that it has, in the order of `Patient`
    numbers : shape (n, p), coded values; NaN is unknown
    months : shape (n,), overall survival or follow-up, months
    death : shape (n,), whether it ended by death
    complete_remission : shape (n,) of 0, 1 or NaN; None if the file does not tell
    findings : what its reader must know
    """

    declaration: Declaration
    names: tuple[str, ...]
    numbers: Floats
    months: Floats
    death: NDArray[np.bool_]
    complete_remission: Floats | None
    findings: tuple[Finding, ...]

    def with_covariates(self, names: tuple[str, ...]) -> "Cohort":
        """Keep some covariates, in the order of `Patient`."""
        kept = tuple(name for name in self.names if name in names)
        return replace(self, names=kept, numbers=self.numbers[:, [*map(self.names.index, kept)]])

    def in_canonical_order(self) -> "Cohort":
        """Sort the rows by their content, so that nothing depends on the order of a file."""
        return self.take(np.lexsort((*self.numbers.T[::-1], self.death, self.months)))

    def take(self, rows: NDArray[np.intp]) -> "Cohort":
        """Return some rows, or some of them more than once."""
        remission = self.complete_remission
        return replace(
            self,
            numbers=self.numbers[rows],
            months=self.months[rows],
            death=self.death[rows],
            complete_remission=None if remission is None else remission[rows],
        )

    def digest(self, names: tuple[str, ...] | None = None) -> str:
        """Return the SHA-256 of covariates and outcome, whatever the order of the rows."""
        cohort = self.with_covariates(names or self.names).in_canonical_order()
        table = np.column_stack([cohort.numbers, cohort.months, cohort.death])
        text = json.dumps([[*cohort.names, *_OUTCOME], [[*map(repr, r)] for r in table.tolist()]])
        return hashlib.sha256(text.encode()).hexdigest()


def read_cohort(path: Path) -> Cohort:
    """Read ``NAME.csv`` and ``NAME.cohort.json``.

    Raises
    ------
    CohortError
        With every problem of both files, by row and column, without the values.
    """
    problems: list[str] = []
    declaration = _read_declaration(path.with_suffix(".cohort.json"), problems)
    header, rows = _read_table(path, problems)
    faults = _problems_of_header(header) if header else []
    problems += faults
    if faults or not header:
        raise CohortError(problems)
    cohort = _Rows(header, rows, problems).to_cohort(declaration)
    declaration = cohort.declaration
    if not declaration.synthetic and is_shipped(cohort):
        declared = declaration.model_copy(update={"synthetic": True})
        finding = Finding(
            code="synthetic_rows",
            message="the rows are those of the shipped synthetic cohort, though declared real:"
            " the model is marked synthetic",
        )
        return replace(cohort, declaration=declared, findings=(*cohort.findings, finding))
    return cohort


@cache
def shipped_cohort() -> Cohort:
    """Return the synthetic cohort that is part of the project."""
    return read_cohort(SHIPPED_COHORT)


def is_shipped(cohort: Cohort) -> bool:
    """Whether the rows are those of the shipped synthetic cohort, whatever is declared."""
    shared = tuple(name for name in cohort.names if name in shipped_cohort().names)
    return cohort.digest(shared) == shipped_cohort().digest(shared)


def _read_declaration(path: Path, problems: list[str]) -> Declaration | None:
    try:
        return Declaration.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        problems.append(
            f"{path.name}: {error.strerror}; it declares name, institution, synthetic (true or"
            " false) and end_of_follow_up (a date or null) of the cohort"
        )
    except ValidationError as error:
        problems.extend(
            f"{path.name}: {'.'.join(map(str, e['loc']))}: {e['msg']}"
            for e in error.errors(include_input=False)
        )
    except (ValueError, RecursionError):
        problems.append(f"{path.name}: not a JSON object")
    return None


def _read_table(path: Path, problems: list[str]) -> tuple[list[str], list[_NumberedRow]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        problems.append(f"{path.name}: {error.strerror}")
        return [], []
    if content.startswith(_SPREADSHEET_MAGIC):
        problems.append(f"{path.name}: a spreadsheet; save it as CSV (UTF-8)")
        return [], []
    try:
        table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        problems.append(f"{path.name}: not UTF-8 text")
        return [], []
    except csv.Error as error:
        problems.append(f"{path.name}: not CSV ({error})")
        return [], []
    filled = [(n, row) for n, row in enumerate(table, 1) if any(cell.strip() for cell in row)]
    if not filled:
        problems.append(f"{path.name}: empty")
        return [], []
    return [name.strip() for name in filled[0][1]], filled[1:]


def _problems_of_header(header: list[str]) -> list[str]:
    if len(header) == 1 and header[0].count(";") > 1:
        return ["header: columns are separated by semicolons, commas are expected"]
    problems = [
        f"header: column {name} is there more than once"
        for name in dict.fromkeys(header)
        if name in (*COVARIATES, *_OUTCOME, "complete_remission") and header.count(name) > 1
    ]
    for name in ("ecog", *_OUTCOME):
        if name not in header:
            near = get_close_matches(name, [h.lower() for h in header], cutoff=0.7)
            hint = "; a column of a similar name is there" if near else ""
            problems.append(f"header: column {name} is missing{hint}")
    return problems


class _Rows:
    """The rows of a file while they are checked, one by one."""

    def __init__(self, header: list[str], rows: list[_NumberedRow], problems: list[str]) -> None:
        self._header = header
        self._rows = rows
        self._problems = problems
        self._column = {name: header.index(name) for name in header}

    def to_cohort(self, declaration: Declaration | None) -> Cohort:
        patients, months, death, remission = [], [], [], []
        for line, row in self._rows:
            if len(row) != len(self._header):
                self._problems.append(
                    f"row {line}: {len(row)} cells, the header has {len(self._header)}"
                )
                continue
            patients.append(self._patient(line, row))
            months.append(self._number(line, row, "os_months", 0.0, exclusive=True))
            death.append(self._indicator(line, row, "death"))
            if "complete_remission" in self._column:
                remission.append(self._indicator(line, row, "complete_remission", required=False))
        if not self._rows:
            self._problems.append("the file has a header and no rows")
        if self._problems or declaration is None:
            raise CohortError(self._problems)
        names = [name for name in COVARIATES if name in self._column]
        table = np.array([p.numbers(names) for p in patients if p is not None])
        filled = [not np.isnan(column).all() for column in table.T]
        return Cohort(
            declaration=declaration,
            names=tuple(n for n, has_values in zip(names, filled, strict=True) if has_values),
            numbers=table[:, filled],
            months=np.array(months),
            death=np.array(death) == 1,
            complete_remission=np.array(remission) if remission else None,
            findings=tuple(self._findings(names, filled)),
        )

    def _patient(self, line: int, row: list[str]) -> Patient | None:
        values: dict[str, Value | None] = {
            name: covariate.parse(row[self._column[name]])
            for name, covariate in COVARIATES.items()
            if name in self._column
        }
        if values["ecog"] is None:
            self._problems.append(f"row {line}, ecog: is empty, and is never imputed")
            return None
        try:
            return Patient.model_validate(values)
        except ValidationError as error:
            for e in error.errors(include_input=False):
                self._problems.append(f"row {line}, {e['loc'][0]}: {e['msg']}")
            return None

    def _number(
        self, line: int, row: list[str], name: str, low: float, *, exclusive: bool
    ) -> float:
        try:
            number = parse_number(row[self._column[name]])
        except ValueError:
            number = np.nan
        if not np.isfinite(number) or number < low or (exclusive and number == low):
            self._problems.append(f"row {line}, {name}: must be a number above {low:g}")
        return number

    def _indicator(self, line: int, row: list[str], name: str, *, required: bool = True) -> float:
        text = row[self._column[name]].strip()
        if text in ("0", "1"):
            return float(text)
        if text or required:
            self._problems.append(f"row {line}, {name}: must be 0 or 1")
        return np.nan

    def _findings(self, names: list[str], filled: list[bool]) -> list[Finding]:
        findings = [
            Finding(code="empty_column", message=f"{name} has no value and is left out")
            for name, has_values in zip(names, filled, strict=True)
            if not has_values
        ]
        known = {*COVARIATES, *_OUTCOME, "complete_remission"}
        ignored = [name for name in self._header if name not in known]
        if ignored:
            findings.append(
                Finding(
                    code="ignored_columns",
                    message=f"{len(ignored)} columns are not part of the model and are ignored",
                )
            )
        for name in ignored:
            near = get_close_matches(name.lower(), [*COVARIATES], n=1, cutoff=0.7)
            if near:
                findings.append(
                    Finding(
                        code="similar_column",
                        message=f"an ignored column has a name similar to {near[0]}",
                    )
                )
        return findings
