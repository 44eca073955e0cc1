"""The narrow answer to a batch: a row for each patient, and a summary at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.batch.patients import NAMES, Errors
from service.predictions import ServedModel
from service.problems import FieldProblem

ROW_DESCRIPTION = """\
One patient's narrow answer. Beside the fields below it has `survival_M`, `lower_M` and
`upper_M` for each horizon of M months: probabilities, or null where none is given (a horizon
past the model's last time; limits before the first death).
"""
IMPUTED_BITS = ", ".join(f"{1 << bit} {name}" for bit, name in enumerate(NAMES))


class BatchRow(BaseModel):
    """One patient's narrow answer."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        json_schema_extra={
            "description": ROW_DESCRIPTION,
            "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        },
    )

    row: int = Field(description="number of the patient in the batch, from 1")
    prediction_id: str | None = Field(description="batch id, hyphen, row; null for an error")
    category: str | None = Field(description="risk category; null for an error")
    imputed: int | None = Field(
        description=f"sum of the covariates that were unknown: {IMPUTED_BITS}"
    )
    error: list[FieldProblem] | None = Field(
        description="all that is wrong with the patient, who was not predicted"
    )


class BatchFailure(BaseModel):
    """Why a batch ended before its end."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="a stable name, as of a problem's `type`")
    message: str
    errors: list[FieldProblem] = Field(description="of columns, where these are wrong")


class BatchSummary(BaseModel):
    """The last record of an answer; an answer without it was cut off."""

    model_config = ConfigDict(frozen=True)

    batch_id: UUID
    rows: int = Field(description="patients that were read")
    predicted: int
    errors: int = Field(description="patients that could not be predicted")
    complete: bool = Field(description="whether the batch was read and answered to its end")
    error: BatchFailure | None = Field(description="why it was not")
    audited: bool = Field(description="whether every prediction was stored before it was sent")
    model: ServedModel
    service_version: str


class BatchAnswer(BaseModel):
    """A batch's answer as one JSON object."""

    model_config = ConfigDict(frozen=True)

    predictions: list[BatchRow]
    summary: BatchSummary


@dataclass(frozen=True)
class PredictedRows:
    """Neighbouring rows of a batch, predicted.

    Attributes
    ----------
    first : the number of the first of them, from 1
    categories : names of the risk categories
    category : shape (n,), positions in `categories`; -1 for an error
    survival, lower, upper : shape (h, n); NaN where none is given
    imputed : shape (n,), sums of 2^k over the unknown covariates, k in the order of `Patient`
    errors : by position, of the rows whose other values mean nothing
    """

    first: int
    categories: tuple[str, ...]
    category: NDArray[np.int8]
    survival: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    imputed: NDArray[np.uint16]
    errors: Mapping[int, Errors]

    def __len__(self) -> int:
        return len(self.imputed)


def horizon_columns(horizons_months: Sequence[float]) -> list[str]:
    """Return the names of the probabilities, three for each horizon."""
    return [
        f"{what}_{_plain(months)}"
        for months in horizons_months
        for what in ("survival", "lower", "upper")
    ]


def row_id(batch_id: UUID | str, row: int) -> str:
    """Return the id under which one row's prediction is stored."""
    return f"{batch_id}-{row}"


def _plain(months: float) -> str:
    return str(int(months)) if months == int(months) else repr(months)
