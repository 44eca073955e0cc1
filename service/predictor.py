"""The one way to a prediction, however it was asked for: predict, store, count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal
from uuid import UUID

from uuid_utils import uuid7

from model.artifact import Artifact
from service.audit.records import Idempotency, Record, record_of
from service.audit.store import Store
from service.batch.query import BatchQuery
from service.batch.run import Batch, BatchAsked
from service.metrics import Metrics
from service.predictions import Answer, Prediction, PredictionQuery, PredictionRequest, answer
from service.version import SERVICE_VERSION

Channel = Literal["v1", "batch", "fhir", "cds"]


@dataclass(frozen=True)
class Asked:
    """Who asked for a prediction, in which request, and how."""

    caller: str
    request_id: str
    channel: Channel
    idempotency: Idempotency | None = None


@dataclass(frozen=True)
class Answered:
    """A prediction's JSON as it is stored and sent, and what it was made from."""

    answer: Answer
    body: str

    @cached_property
    def prediction(self) -> Prediction:
        """The prediction as objects, for those who send it in another form."""
        return Prediction.model_validate_json(self.body)


class Predictor:
    """Answers for patients; what it returns is durable where predictions are stored."""

    def __init__(self, store: Store | None, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    async def predict(
        self,
        artifact: Artifact,
        request: PredictionRequest,
        query: PredictionQuery,
        asked: Asked,
    ) -> Answered:
        """Predict for one patient, and return once the prediction is stored.

        Raises
        ------
        StoreUnavailableError
            If it cannot be stored, and so is not to be answered.
        DuplicateRecordError
            If the idempotency key has an answer already.
        """
        answered = self._made(artifact, request, query)
        if self._store is not None:
            await self._store.append([_record(answered, request, query, asked)])
        self._metrics.predicted(answered.answer)
        return answered

    async def predict_all(
        self,
        artifact: Artifact,
        requests: Sequence[PredictionRequest],
        query: PredictionQuery,
        asked: Asked,
    ) -> list[Answered]:
        """Predict for several patients of one request; all are stored, or none."""
        answered = [self._made(artifact, request, query) for request in requests]
        if self._store is not None:
            pairs = zip(answered, requests, strict=True)
            await self._store.append([_record(one, of, query, asked) for one, of in pairs])
        for one in answered:
            self._metrics.predicted(one.answer)
        return answered

    def _made(
        self, artifact: Artifact, request: PredictionRequest, query: PredictionQuery
    ) -> Answered:
        made = answer(
            artifact,
            request,
            query,
            prediction_id=str(uuid7()),
            created_at=datetime.now(UTC),
            service_version=SERVICE_VERSION,
            audited=self._store is not None,
        )
        return Answered(made, made.json())

    def batch(
        self, batch_id: UUID, artifact: Artifact, query: BatchQuery, asked: BatchAsked
    ) -> Batch:
        """Return a batch that predicts, stores and counts its rows part by part."""
        return Batch(batch_id, artifact, query, asked, self._store, self._metrics)


def _record(
    answered: Answered, request: PredictionRequest, query: PredictionQuery, asked: Asked
) -> Record:
    return record_of(
        answered.answer,
        request,
        query,
        output=answered.body,
        caller=asked.caller,
        request_id=asked.request_id,
        channel=asked.channel,
        idempotency=asked.idempotency,
    )
