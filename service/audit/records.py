"""What is stored of one prediction, going in and coming out."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from service.predictions import Answer, Prediction, PredictionQuery, PredictionRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The key that a caller gave a request, and the hexadecimal digest of that request."""

    key: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class Record:
    """One prediction to be stored.

    Attributes
    ----------
    channel : how it was asked for: `v1`, `batch`, `fhir`, `cds`
    input : the validated patient as JSON, without the subject reference
    query : horizons, confidence level and curve as JSON
    output : the prediction as JSON, as it was sent
    warnings : their codes
    """

    prediction_id: str
    created_at: datetime
    caller: str
    request_id: str
    channel: str
    service_version: str
    model_id: str
    model_version: str
    model_sha256: str
    subject_reference: str | None
    input: str
    query: str
    output: str
    warnings: Sequence[str]
    idempotency: Idempotency | None = None


def record_of(
    prediction: Prediction | Answer,
    request: PredictionRequest,
    query: PredictionQuery,
    *,
    output: str,
    caller: str,
    request_id: str,
    channel: str = "v1",
    idempotency: Idempotency | None = None,
) -> Record:
    """Return what is stored of an answered request; `output` is the answer's JSON."""
    return Record(
        prediction_id=str(prediction.prediction_id),
        created_at=prediction.created_at,
        caller=caller,
        request_id=request_id,
        channel=channel,
        service_version=prediction.service_version,
        model_id=prediction.model.id,
        model_version=prediction.model.version,
        model_sha256=prediction.model.sha256,
        subject_reference=request.subject_reference,
        input=request.model_dump_json(exclude={"subject_reference"}),
        query=query.model_dump_json(exclude={"model"}),
        output=output,
        warnings=[warning.code for warning in prediction.warnings],
        idempotency=idempotency,
    )


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """A row of the store, its columns in their order; values are None once erased."""

    writer: str
    sequence: int
    hash: str
    prediction_id: str
    created_at: int
    caller: str
    request_id: str
    channel: str
    service_version: str
    model_id: str
    model_version: str
    model_sha256: str
    values_digest: str
    salt: str | None
    subject_reference: str | None
    input: str | None
    query: str | None
    output: str | None
    warnings: str | None

    @property
    def erased(self) -> bool:
        """Whether the values were erased."""
        return self.salt is None


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What a caller's idempotency key got; `output` is the answer's JSON."""

    request_digest: str
    prediction_id: str
    output: str


COLUMNS = tuple(field.name for field in fields(StoredPrediction))


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """Undo `microseconds`."""
    return _EPOCH + microseconds * _MICROSECOND
