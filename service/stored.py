"""A stored prediction as it is handed out again."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from service.audit.records import StoredPrediction, moment
from service.batch.answer import BatchRow, BatchSummary
from service.batch.channels import END_CHANNEL, OF_WHOLE_BATCH, ROW_CHANNEL
from service.predictions import Prediction, PredictionRequest

T = TypeVar("T", bound=BaseModel)


class StoredAnswer(BaseModel):
    """What was asked, what was answered, and by which model; values may have been erased."""

    model_config = ConfigDict(frozen=True)

    prediction_id: str
    created_at: datetime
    caller: str
    request_id: str
    channel: str = Field(description="how it was asked for, such as `v1`")
    erased: bool = Field(description="whether the patient's values were erased since")
    model_id: str
    model_version: str
    model_sha256: str
    subject_reference: str | None
    patient: PredictionRequest | None = Field(description="what was asked")
    prediction: Prediction | None = Field(description="what was answered, but in a batch")
    batch_row: BatchRow | None = Field(description="what was answered in a batch")
    batch: BatchSummary | None = Field(description="what became of a batch")


def stored_answer(stored: StoredPrediction) -> StoredAnswer:
    """Return a row of the audit store for people and programs."""
    return StoredAnswer(
        prediction_id=stored.prediction_id,
        created_at=moment(stored.created_at),
        caller=stored.caller,
        request_id=stored.request_id,
        channel=stored.channel,
        erased=stored.erased,
        model_id=stored.model_id,
        model_version=stored.model_version,
        model_sha256=stored.model_sha256,
        subject_reference=stored.subject_reference,
        patient=_asked(stored),
        prediction=_answered(stored, Prediction, ()),
        batch_row=_answered(stored, BatchRow, (ROW_CHANNEL,)),
        batch=_answered(stored, BatchSummary, (END_CHANNEL,)),
    )


def _asked(stored: StoredPrediction) -> PredictionRequest | None:
    if stored.channel in OF_WHOLE_BATCH:
        return None
    patient = _parsed(stored.input, PredictionRequest)
    reference = {"subject_reference": stored.subject_reference}  # it is in a column of its own
    return None if patient is None else patient.model_copy(update=reference)


def _answered(stored: StoredPrediction, kind: type[T], channels: Sequence[str]) -> T | None:
    """Return the answer if it is of this kind; an empty sequence stands for all other channels."""
    of_batches = (ROW_CHANNEL, *OF_WHOLE_BATCH)
    is_of_kind = stored.channel in channels if channels else stored.channel not in of_batches
    return _parsed(stored.output, kind) if is_of_kind else None


def _parsed(text: str | None, kind: type[T]) -> T | None:
    return None if text is None else kind.model_validate_json(text)
