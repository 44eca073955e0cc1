"""The operation `$hsct2-risk`: from a chart to what is predicted, or why nothing is."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from model.artifact import Artifact
from service.chart import ChartError, Reading, Severity, Verdict, collect, read_chart
from service.fhir.assessment import risk_assessment
from service.fhir.elements import RiskAssessment
from service.fhir.options import read_options
from service.fhir.refusals import RefusedError, error
from service.predictions import PredictionQuery, PredictionRequest
from service.predictor import Asked, Predictor
from service.registry import Registry, UnknownModelError

_AT_ONCE = 8

WHY_NOT: Mapping[Verdict, str] = {
    Verdict.NO_ACUTE_LEUKAEMIA: "The chart has no acute leukaemia that is active and confirmed:"
    " the model has nothing to say about this patient.",
    Verdict.NO_PRIOR_TRANSPLANT: "The chart has neither a prior allogeneic transplant nor an order"
    " for a second one: the model has nothing to say about this patient.",
    Verdict.DECEASED: "The patient is deceased: there is no prognosis.",
}
"""Why no assessment is made, by the verdict that is the code of the issue."""


@dataclass(frozen=True)
class Question:
    """A chart that was read, and how its assessment is wanted."""

    artifact: Artifact
    query: PredictionQuery
    request: PredictionRequest
    reading: Reading


def question_of(
    resource: dict[str, Any],
    query: Sequence[tuple[str, str]],
    registry: Registry,
    now: datetime,
) -> Question:
    """Return what a resource and the query of the address ask.

    Raises
    ------
    RefusedError
        422 if the options or the chart are off, if the model does not apply to the
        patient or ECOG is not known; 404 if the model is not served.
    """
    asked = read_options(resource, query)
    try:
        artifact = registry.resolve(asked.model)
    except UnknownModelError:
        served = ", ".join(registry.artifacts) or "none"
        text = f"No such model is served; served are: {served}."
        raise RefusedError(404, [error("unknown-model", text)]) from None
    try:
        reading = read_chart(collect(resource), now=now)
    except ChartError as unreadable:
        raise RefusedError(422, unreadable.issues) from None
    return Question(artifact, asked, _request(reading, _whole(resource)), reading)


def _whole(resource: Mapping[str, Any]) -> str | None:
    """Return the expression of the whole chart, for what is nowhere in it."""
    kind = resource["resourceType"]
    return kind if kind in ("Bundle", "Parameters") else None


def _request(reading: Reading, whole: str | None) -> PredictionRequest:
    """Return the patient of a chart to whom the model applies."""
    errors = [issue for issue in reading.issues if issue.severity is Severity.ERROR]
    verdict = reading.verdict
    if verdict is not Verdict.APPLIES and verdict.value not in {one.code for one in errors}:
        errors.insert(0, error(verdict.value, WHY_NOT[verdict]))
    patient = reading.patient
    if errors or patient is None:
        # What was found and not used tells why something is missing.
        others = [issue for issue in reading.issues if issue.severity is not Severity.ERROR]
        errors = [replace(one, expression=one.expression or whole) for one in errors]
        raise RefusedError(422, [*errors, *others])
    values = patient.model_dump()
    try:
        return PredictionRequest(**values, subject_reference=reading.subject)
    except ValidationError:  # an address can be longer than the store takes
        return PredictionRequest(**values)


async def assess(
    questions: Sequence[Question], predictor: Predictor, asked: Asked
) -> list[RiskAssessment]:
    """Return the assessments, in order, once all predictions are stored.

    Raises
    ------
    StoreUnavailableError
        If they cannot be stored, and so are not to be answered.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for position, question in enumerate(questions):
        key = (question.artifact.sha256, question.query.model_dump_json())
        groups.setdefault(key, []).append(position)
    assessments: dict[int, RiskAssessment] = {}
    for positions in _parts(groups.values()):
        first = questions[positions[0]]
        requests = [questions[position].request for position in positions]
        answered = await predictor.predict_all(first.artifact, requests, first.query, asked)
        for position, one in zip(positions, answered, strict=True):
            reading = questions[position].reading
            assessments[position] = risk_assessment(one.prediction, reading)
        await asyncio.sleep(0)
    return [assessments[position] for position in range(len(questions))]


def _parts(groups: Iterable[list[int]]) -> Iterator[list[int]]:
    """Cut groups into parts after each of which other requests get their turn."""
    for positions in groups:
        for start in range(0, len(positions), _AT_ONCE):
            yield positions[start : start + _AT_ONCE]
