"""One batch: its rows predicted, written, stored and counted, part by part."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from model.artifact import Artifact
from model.patient import COVARIATES, Covariate, Kind
from service.audit.chain import SealedRecord, seal
from service.audit.errors import StoreBusyError
from service.audit.records import Record
from service.audit.rows import SharedColumns, seal_rows
from service.audit.store import Store
from service.batch.answer import BatchFailure, BatchSummary, PredictedRows
from service.batch.channels import END_CHANNEL, END_SUFFIX, HEADER_CHANNEL, ROW_CHANNEL
from service.batch.patients import NAMES, PatientRows
from service.batch.predicting import predict_rows
from service.batch.query import BatchQuery, StoredBatchQuery
from service.batch.writing import AnsweredRows, AnswerWriter, RowObjects, json_lines
from service.metrics import Metrics
from service.predictions import ServedModel
from service.version import SERVICE_VERSION

_ROWS_OF_A_COMMIT = 1_024
"""Few enough that a single prediction waits some tens of milliseconds behind them."""

_SECONDS_FOR_ROOM = 0.02


@dataclass(frozen=True)
class Part:
    """Some rows on their way out: bytes to send once `sealed` is stored, and their counts."""

    content: bytes
    sealed: list[SealedRecord]
    rows: int
    errors: int
    categories: dict[str, int]
    imputed: dict[str, int]
    out_of_range: dict[str, int]


@dataclass(frozen=True)
class BatchAsked:
    """Who asked for a batch, in which request, how, and as what."""

    caller: str
    request_id: str
    content_type: str


class Batch:
    """Predicts a batch. What it gives to be sent is durable where predictions are stored."""

    def __init__(
        self,
        batch_id: UUID,
        artifact: Artifact,
        query: BatchQuery,
        asked: BatchAsked,
        store: Store | None,
        metrics: Metrics,
    ) -> None:
        self.batch_id = batch_id
        self._artifact = artifact
        self._query = query
        self._asked = asked
        self._store = store
        self._metrics = metrics
        self._model = ServedModel.of(artifact)
        self._objects = RowObjects(batch_id, query.horizons_months)
        self._rows = 0
        self._errors = 0
        self._has_header = False

    def parts(self, rows: Iterator[PatientRows], writer: AnswerWriter) -> Iterator[Part]:
        """Predict rows and write their answers; to be run in a thread."""
        at_once = _ROWS_OF_A_COMMIT if self._store else None
        for read in rows:
            for some in read.parts(at_once) if at_once else (read,):
                yield self._part(some, writer)

    async def commit(self, part: Part) -> bytes:
        """Store and count a part; return what is to be sent.

        Raises
        ------
        StoreUnavailableError
            If it cannot be stored, and so is not to be answered.
        """
        sealed = part.sealed
        if not self._has_header:
            sealed = [*self._header(), *sealed]
            self._has_header = True
        await self._append(sealed)
        self._rows += part.rows
        self._errors += part.errors
        self._metrics.predicted_rows(
            f"{self._model.id}@{self._model.version}",
            part.categories,
            part.imputed,
            part.out_of_range,
        )
        return part.content

    async def finish(self, failure: BatchFailure | None) -> BatchSummary:
        """Return the summary, stored too.

        Raises
        ------
        StoreUnavailableError
            If it cannot be stored.
        """
        summary = self.summary(failure)
        if self._store is not None:
            sealed = [] if self._has_header else self._header()
            end = self._record(END_CHANNEL, f"{self.batch_id}{END_SUFFIX}")
            sealed.append(seal(replace(end, output=summary.model_dump_json())))
            await self._append(sealed)
        return summary

    def summary(self, failure: BatchFailure | None) -> BatchSummary:
        """Return what became of the batch so far."""
        return BatchSummary(
            batch_id=self.batch_id,
            rows=self._rows,
            predicted=self._rows - self._errors,
            errors=self._errors,
            complete=failure is None,
            error=failure,
            audited=self._store is not None,
            model=self._model,
            service_version=SERVICE_VERSION,
        )

    def _part(self, rows: PatientRows, writer: AnswerWriter) -> Part:
        query = self._query
        predicted = predict_rows(
            self._artifact.model, rows, query.horizons_months, query.confidence_level
        )
        answered = AnsweredRows(predicted, self._objects)
        return Part(
            content=writer.rows(answered),
            sealed=self._sealed(rows, answered.objects) if self._store else [],
            rows=len(predicted),
            errors=len(predicted.errors),
            categories=_categories(predicted),
            imputed=_imputed(predicted),
            out_of_range=self._out_of_range(rows),
        )

    def _sealed(self, rows: PatientRows, objects: list[bytes]) -> list[SealedRecord]:
        """Seal the rows that were predicted; what was refused is not stored."""
        kept = [at for at in range(len(rows)) if at not in rows.errors]
        inputs = patients_as_json(rows)
        outputs = [objects[at].decode() for at in kept]
        references = rows.references
        shared = SharedColumns(
            caller=self._asked.caller,
            request_id=self._asked.request_id,
            channel=ROW_CHANNEL,
            service_version=SERVICE_VERSION,
            model_id=self._model.id,
            model_version=self._model.version,
            model_sha256=self._model.sha256,
            query=StoredBatchQuery(**dict(self._query), first_row=rows.first).model_dump_json(
                exclude={"model"}
            ),
        )
        return seal_rows(
            shared,
            datetime.now(UTC),
            [f"{self.batch_id}-{rows.first + at}" for at in kept],
            references and [references[at] for at in kept],
            [inputs[at] for at in kept],
            outputs,
        )

    def _header(self) -> list[SealedRecord]:
        if self._store is None:
            return []
        return [seal(self._record(HEADER_CHANNEL, str(self.batch_id)))]

    def _record(self, channel: str, record_id: str) -> Record:
        return Record(
            prediction_id=record_id,
            created_at=datetime.now(UTC),
            caller=self._asked.caller,
            request_id=self._asked.request_id,
            channel=channel,
            service_version=SERVICE_VERSION,
            model_id=self._model.id,
            model_version=self._model.version,
            model_sha256=self._model.sha256,
            subject_reference=None,
            input=f'{{"content_type":"{self._asked.content_type}"}}',
            query=self._query.model_dump_json(exclude={"model"}),
            output="null",
            warnings=(),
        )

    async def _append(self, sealed: list[SealedRecord]) -> None:
        """Store rows once there is room for them: a batch waits where a single call is refused."""
        if self._store is None:
            return
        while True:
            try:
                await self._store.append_sealed(sealed)
            except StoreBusyError:
                await asyncio.sleep(_SECONDS_FOR_ROOM)
            else:
                return

    def _out_of_range(self, rows: PatientRows) -> dict[str, int]:
        design = self._artifact.model.cox.design
        counts = {}
        for name, low, high in zip(design.names, design.minimum, design.maximum, strict=True):
            column = rows.columns.numbers.get(name)
            if column is not None:
                outside = int(np.count_nonzero((column < low) | (column > high)))
                if outside:
                    counts[name] = outside
        return counts


def patients_as_json(rows: PatientRows) -> list[str]:
    """Return each patient as it is stored, with null for what is unknown."""
    held = rows.columns.numbers
    columns = [
        _values(covariate, held[name]) if name in held else [None] * len(rows)
        for name, covariate in COVARIATES.items()
    ]
    objects = [dict(zip(NAMES, values, strict=True)) for values in zip(*columns, strict=True)]
    return [line.decode() for line in json_lines(objects)]


def _values(covariate: Covariate, numbers: Any) -> list[Any]:
    if covariate.kind is Kind.NUMBER:
        return [None if n != n else n for n in numbers.tolist()]
    return [None if n != n else covariate.from_number(n) for n in numbers.tolist()]


def _categories(predicted: PredictedRows) -> dict[str, int]:
    valid = predicted.category[predicted.category >= 0]
    counts = np.bincount(valid, minlength=len(predicted.categories)).tolist()
    return {n: c for n, c in zip(predicted.categories, counts, strict=True) if c}


def _imputed(predicted: PredictedRows) -> dict[str, int]:
    bits = predicted.imputed[predicted.category >= 0]
    if not bits.any():
        return {}
    counts = ((name, int(np.count_nonzero(bits & (1 << at)))) for at, name in enumerate(NAMES))
    return {name: count for name, count in counts if count}
