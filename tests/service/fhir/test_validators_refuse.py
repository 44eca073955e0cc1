"""Mistakes that an assessment could have: each is refused by a validator, and by which is told."""

import copy
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fhir_validators import Validators
from tests.service.fhir import charts

Assessment = dict[str, Any]
Mistake = Callable[[Assessment], object]

MEDPLUM, PROFILE, FHIR, PYDANTIC = "medplum", "profile", "fhir", "fhir.resources"


def first(assessment: Assessment) -> dict[str, Any]:
    prediction: dict[str, Any] = assessment["prediction"][0]
    return prediction


def limits(assessment: Assessment) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = first(assessment)["extension"][0]["extension"]
    return parts


MISTAKES: dict[str, tuple[Mistake, set[str]]] = {
    "no status": (lambda a: a.pop("status"), {MEDPLUM, PROFILE, FHIR, PYDANTIC}),
    "a status that does not exist": (lambda a: a.update(status="done"), {FHIR}),
    "no subject": (lambda a: a.pop("subject"), {MEDPLUM, PROFILE, FHIR, PYDANTIC}),
    "a subject that is no patient": (
        lambda a: a.update(subject={"reference": "Observation/1"}),
        {FHIR},
    ),
    "two times": (
        lambda a: first(a).update(whenRange={"low": {"value": 1}}),
        {PYDANTIC},
    ),
    "an age instead of a time": (
        lambda a: first(a).update(whenRange={"low": first(a).pop("whenPeriod") and {"value": 1}}),
        {PROFILE},
    ),
    "a time that ends before it begins": (
        lambda a: first(a)["whenPeriod"].update(end="2001-01-01"),
        {PROFILE},
    ),
    "two probabilities": (
        lambda a: first(a).update(probabilityRange={"low": {"value": 1}}),
        {PYDANTIC},
    ),
    "a probability of 150": (
        lambda a: first(a).update(probabilityDecimal=150),
        {MEDPLUM, PROFILE},
    ),
    "a negative probability": (lambda a: first(a).update(probabilityDecimal=-1), {PROFILE}),
    "a probability in words": (
        lambda a: first(a).update(probabilityDecimal="35.2"),
        {MEDPLUM, PROFILE, FHIR},
    ),
    "no probability and no reason": (
        lambda a: first(a).pop("probabilityDecimal"),
        {MEDPLUM, PROFILE},
    ),
    "a range that is not in percent": (
        lambda a: first(a).update(
            probabilityRange={"low": first(a).pop("probabilityDecimal") and {"value": 0.3}}
        ),
        {MEDPLUM, PROFILE},
    ),
    "an interval of what is withheld": (
        lambda a: a["prediction"][1].update(extension=first(a)["extension"]),
        {PROFILE},
    ),
    "limits that were not swapped": (
        lambda a: [limits(a)[i].update(url=name) for i, name in enumerate(("upper", "lower"))],
        {PROFILE},
    ),
    "an extension without an address": (
        lambda a: first(a)["extension"][0].pop("url"),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
    "an extension with a value and parts": (
        lambda a: first(a)["extension"][0].update(valueString="x"),
        {MEDPLUM, PROFILE},
    ),
    "a relative risk": (lambda a: first(a).update(relativeRisk=2.1), {PROFILE}),
    "no rationale": (lambda a: first(a).pop("rationale"), {PROFILE}),
    "no outcome": (lambda a: first(a).pop("outcome"), {PROFILE}),
    "a category that is no concept": (
        lambda a: first(a).update(qualitativeRisk="high"),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
    "no notice": (lambda a: a.pop("note"), {PROFILE}),
    "a performer who is not there": (
        lambda a: a["performer"].update(reference="#somebody"),
        {PROFILE},
    ),
    "a basis that only the submitted Bundle knew": (
        lambda a: a["basis"][0].update(reference="urn:uuid:00000000-0000-4000-8000-000000000000"),
        {PROFILE},
    ),
    "one basis where there is a list": (
        lambda a: a.update(basis=a["basis"][0]),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
    "two performers": (
        lambda a: a.update(performer=[a["performer"]] * 2),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
    "a date in words": (
        lambda a: a.update(occurrenceDateTime="yesterday"),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
    "a time without its zone": (
        lambda a: a.update(occurrenceDateTime="2026-11-22T12:00:00"),
        {PYDANTIC},
    ),
    "an element that does not exist": (
        lambda a: a.update(score=3),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
    "a kind of device name that does not exist": (
        lambda a: a["contained"][0]["deviceName"][0].update(type="nickname"),
        {FHIR},
    ),
    "a narrative of unknown origin": (lambda a: a["text"].update(status="made"), {FHIR}),
    "no narrative": (lambda a: a.pop("text"), {PROFILE}),
    "no kind of resource that exists": (
        lambda a: a.update(resourceType="Risk"),
        {MEDPLUM, PROFILE, FHIR, PYDANTIC},
    ),
}


@pytest.fixture(scope="module")
def assessment(fhir: httpx.Client, validators: Validators) -> Assessment:
    chart = charts.bundle(*charts.of_one())
    response = fhir.post("/$hsct2-risk", json=chart, params={"horizonMonths": [12, 900]})
    answered: Assessment = response.json()
    assert validators.refusals(answered) == {}
    return answered


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused(name: str, assessment: Assessment, validators: Validators) -> None:
    make, refused_by = MISTAKES[name]
    mistaken = copy.deepcopy(assessment)
    make(mistaken)
    assert set(validators.refusals(mistaken)) == refused_by


def test_no_validator_could_be_left_out() -> None:
    assert len(MISTAKES) >= 20
    alone = {next(iter(by)) for _, by in MISTAKES.values() if len(by) == 1}
    # What medplum refuses of FHIR itself, the profile repeats: it is laid over FHIR.
    both = {frozenset(by) for _, by in MISTAKES.values()}
    assert alone == {PROFILE, FHIR, PYDANTIC}
    assert frozenset({MEDPLUM, PROFILE}) in both
