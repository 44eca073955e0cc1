"""What another model would have answered to what was asked before."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from model.answer import PatientPrediction
from model.artifact import Artifact
from model.errors import Hsct2Error
from model.patient import Patient
from model.prediction import predict
from service.audit.records import StoredPrediction
from service.batch.channels import OF_WHOLE_BATCH, ROW_CHANNEL
from service.batch.patients import rows_of_objects
from service.batch.predicting import predict_rows
from service.batch.query import StoredBatchQuery
from service.batch.writing import RowObjects
from service.predictions import PredictionQuery

NEARLY_EQUAL = 1e-12
"""How near numbers are on another processor or with other libraries."""

_IDS_TOLD = 20
Compared = tuple[StoredPrediction, dict[str, Any], dict[str, Any]]
_ANSWERED = tuple(PatientPrediction.model_fields)


class ReplayError(Hsct2Error):
    """What is stored was not asked and answered in this form."""


@dataclass(frozen=True)
class Shift:
    """By how much survival at a horizon differs, new minus stored.

    Attributes
    ----------
    predictions : those in which both models give a number
    only_stored, only_new : those in which one of them does
    """

    months: float
    predictions: int
    mean: float | None
    lowest: float | None
    highest: float | None
    mean_absolute: float | None
    only_stored: int
    only_new: int


@dataclass(frozen=True)
class ReplayReport:
    """A comparison of stored answers with a model's.

    Attributes
    ----------
    replayed, erased : predictions scored again, and those whose values are gone
    by_same_model : of the replayed, those that this very model answered
    identical, nearly_identical : of these, those given again exactly, or to 1e-12
    differing : ids of the first of the others
    categories : from stored and new category to the number of predictions
    """

    model: str
    sha256: str
    replayed: int
    erased: int
    by_same_model: int
    identical: int
    nearly_identical: int
    differing: Sequence[str]
    shifts: Sequence[Shift]
    categories: Mapping[tuple[str, str], int]

    @property
    def is_reproduced(self) -> bool:
        """Whether the model gave every answer of its own again, to 1e-12."""
        return self.identical + self.nearly_identical == self.by_same_model


@dataclass
class _Tally:
    count: int = 0
    total: float = 0.0
    absolute: float = 0.0
    lowest: float = float("inf")
    highest: float = float("-inf")
    only_stored: int = 0
    only_new: int = 0

    def add(self, stored: float | None, new: float | None) -> None:
        if stored is not None and new is not None:
            difference = new - stored
            self.count += 1
            self.total += difference
            self.absolute += abs(difference)
            self.lowest = min(self.lowest, difference)
            self.highest = max(self.highest, difference)
        self.only_stored += new is None and stored is not None
        self.only_new += stored is None and new is not None

    def shift(self, months: float) -> Shift:
        counted = self.count or None
        return Shift(
            months=months,
            predictions=self.count,
            mean=self.total / counted if counted else None,
            lowest=self.lowest if counted else None,
            highest=self.highest if counted else None,
            mean_absolute=self.absolute / counted if counted else None,
            only_stored=self.only_stored,
            only_new=self.only_new,
        )


def replay(rows: Iterable[StoredPrediction], artifact: Artifact) -> ReplayReport:
    """Score what was asked before with a model and compare with what was answered.

    Raises
    ------
    ReplayError
        If a stored row cannot be read; its id is named.
    """
    counts: Counter[str] = Counter()
    categories: Counter[tuple[str, str]] = Counter()
    tallies: dict[float, _Tally] = {}
    differing: list[str] = []
    for row, stored, new in _compared(rows, artifact):
        if row.erased:
            counts["erased"] += 1
            continue
        said = [_said(row, answer) for answer in (stored, new)]
        counts["replayed"] += 1
        (category, horizons), (new_category, new_horizons) = said
        categories[category, new_category] += 1
        for months, probability in horizons.items():
            tally = tallies.setdefault(months, _Tally())
            tally.add(probability, new_horizons[months])
        if row.model_sha256 == artifact.sha256:
            nearness = _nearness(stored, new)
            counts[nearness] += 1
            if nearness == "differing" and len(differing) < _IDS_TOLD:
                differing.append(row.prediction_id)
    return ReplayReport(
        model=f"{artifact.manifest.id}@{artifact.manifest.version}",
        sha256=artifact.sha256,
        replayed=counts["replayed"],
        erased=counts["erased"],
        by_same_model=counts["identical"] + counts["nearly identical"] + counts["differing"],
        identical=counts["identical"],
        nearly_identical=counts["nearly identical"],
        differing=differing,
        shifts=[tallies[months].shift(months) for months in sorted(tallies)],
        categories=dict(sorted(categories.items())),
    )


def _compared(rows: Iterable[StoredPrediction], artifact: Artifact) -> Iterator[Compared]:
    """Return each prediction with its stored answer and the model's; nothing for an erased one."""
    for _, part in groupby(rows, key=_computed_together):
        of_part = list(part)
        row = of_part[0]
        if row.channel in OF_WHOLE_BATCH:
            continue
        if row.erased:
            yield row, {}, {}
        elif row.channel == ROW_CHANNEL:
            yield from _rows(of_part, artifact)
        else:
            yield row, *_answers(row, artifact)


def _computed_together(row: StoredPrediction) -> object:
    """Return what neighbouring rows share if they were computed as one, else the row's id."""
    if row.channel == ROW_CHANNEL and row.query is not None and "first_row" in row.query:
        return row.prediction_id.rpartition("-")[0], row.query
    return row.prediction_id


def _said(row: StoredPrediction, answer: dict[str, Any]) -> tuple[str, dict[float, float | None]]:
    """Return category, and survival by horizon."""
    if row.channel == ROW_CHANNEL:
        return answer["category"], _of_row(answer)
    return answer["risk"]["category"], _of_answer(answer)


def _answers(row: StoredPrediction, artifact: Artifact) -> tuple[dict[str, Any], dict[str, Any]]:
    with _of_known_form(row):
        patient = Patient.model_validate_json(row.input or "")
        query = PredictionQuery.model_validate_json(row.query or "")
        output = json.loads(row.output or "")
        stored = {name: output[name] for name in _ANSWERED}
        new = predict(
            artifact.model,
            patient,
            horizons_months=query.horizon_months,
            confidence_level=query.confidence_level,
            with_curve=query.curve,
        )
    return stored, json.loads(new.model_dump_json())


def _of_answer(answer: dict[str, Any]) -> dict[float, float | None]:
    """Return survival by horizon."""
    return {at["months"]: at["probability"] for at in answer["survival"]["horizons"]}


def _rows(rows: Sequence[StoredPrediction], artifact: Artifact) -> Iterator[Compared]:
    """Compare rows of a batch that were computed together."""
    patients, answers = [], []
    for row in rows:
        with _of_known_form(row):
            patients.append(json.loads(row.input or ""))
            answers.append(json.loads(row.output or ""))
    with _of_known_form(rows[0]):
        query = StoredBatchQuery.model_validate_json(rows[0].query or "")
        months = query.horizons_months
        numbers = [int(row.prediction_id.rpartition("-")[2]) for row in rows]
        together = rows_of_objects(patients, numbers[0])
        predicted = predict_rows(artifact.model, together, months, query.confidence_level)
        batch_id = rows[0].prediction_id.rpartition("-")[0]
        objects = RowObjects(batch_id, months).of(predicted)
    for at, (row, stored, number) in enumerate(zip(rows, answers, numbers, strict=True)):
        with _of_known_form(row):
            new = json.loads(objects[at]) | {"row": number, "prediction_id": row.prediction_id}
            if at in together.errors or stored.keys() != new.keys():
                raise ValueError
        yield row, stored, new


@contextmanager
def _of_known_form(row: StoredPrediction) -> Iterator[None]:
    try:
        yield
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError):
        raise ReplayError(f"prediction {row.prediction_id} is not stored in a known form") from None


def _of_row(answer: dict[str, Any]) -> dict[float, float | None]:
    """Return survival by horizon."""
    survival = ((name.removeprefix("survival_"), value) for name, value in answer.items())
    return {float(name): value for name, value in survival if f"survival_{name}" in answer}


def _nearness(stored: Any, new: Any) -> str:
    if stored == new:
        return "identical"
    return "nearly identical" if _is_near(stored, new) else "differing"


def _is_near(stored: Any, new: Any) -> bool:
    if isinstance(stored, dict) and isinstance(new, dict):
        return stored.keys() == new.keys() and all(_is_near(stored[k], new[k]) for k in stored)
    if isinstance(stored, list) and isinstance(new, list):
        return len(stored) == len(new) and all(map(_is_near, stored, new))
    if isinstance(stored, float) and isinstance(new, float):
        return abs(stored - new) <= NEARLY_EQUAL * max(1.0, abs(stored), abs(new))
    return bool(stored == new)
