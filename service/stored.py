"""A stored prediction as it is handed out again."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.audit.records import StoredPrediction, moment
from service.predictions import Prediction, PredictionRequest

T = TypeVar("T", bound=BaseModel)


class StoredAnswer(BaseModel):
    """What was asked, what was answered, and by which model; values may have been erased."""

    model_config = ConfigDict(frozen=True)

    prediction_id: UUID
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
    prediction: Prediction | None = Field(description="what was answered")


def stored_answer(stored: StoredPrediction) -> StoredAnswer:
    """Return a row of the audit store for people and programs."""
    return StoredAnswer(
        prediction_id=UUID(stored.prediction_id),
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
        prediction=_parsed(stored.output, Prediction),
    )


def _asked(stored: StoredPrediction) -> PredictionRequest | None:
    patient = _parsed(stored.input, PredictionRequest)
    reference = {"subject_reference": stored.subject_reference}  # it is in a column of its own
    return None if patient is None else patient.model_copy(update=reference)


def _parsed(text: str | None, kind: type[T]) -> T | None:
    return None if text is None else kind.model_validate_json(text)
