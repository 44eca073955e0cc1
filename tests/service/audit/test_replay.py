import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from uuid_utils import uuid7

from model.artifact import Artifact
from service.audit import retention
from service.audit.records import Record, record_of
from service.audit.replay import ReplayError, ReplayReport, replay
from service.audit.schema import PREDICTIONS
from service.predictions import PredictionQuery, PredictionRequest, answer
from tests.model.artifacts import save
from tests.server import FULL_PATIENT
from tests.service.audit.stores import Place, a_record, all_rows, append, opened, tampering

PATIENTS: list[dict[str, Any]] = [
    {"ecog": 0},
    {"ecog": 1, "age_years": 33.3, "disease": "AML"},
    {"ecog": 4, "ferritin_ng_ml": 50_000, "subject_reference": "gone"},
    FULL_PATIENT,
]
QUERIES = [
    PredictionQuery.model_validate({}),
    PredictionQuery(horizon_months=[1.1, 400], confidence_level=0.8, curve=False),
]


FIRST = PREDICTIONS.c.sequence == 1


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return save(tmp_path_factory.mktemp("asked") / "model")


@pytest.fixture(scope="module")
def other(asked: Artifact) -> Artifact:
    """A model in which the hazard is 1.2 times as high."""
    cox = asked.model.cox
    higher = replace(cox, hazard=cox.hazard * 1.2, hazard_variance=cox.hazard_variance * 1.44)
    return replace(asked, sha256="1" * 64, model=replace(asked.model, cox=higher))


def answered(model: Artifact, patient: dict[str, Any], query: PredictionQuery) -> Record:
    request = PredictionRequest.model_validate(patient)
    prediction = answer(
        model,
        request,
        query,
        prediction_id=str(uuid7()),
        created_at=datetime.now(UTC),
        service_version="0.1.0",
        audited=True,
    )
    return record_of(
        prediction,
        request,
        query,
        output=prediction.json(),
        caller="anyone",
        request_id=str(uuid7()),
    )


@pytest.fixture
def filled(place: Place, asked: Artifact) -> Place:
    with opened(place) as store:
        append(store, *(answered(asked, p, q) for p in PATIENTS for q in QUERIES))
    return place


def replayed(place: Place, model: Artifact) -> ReplayReport:
    return replay(all_rows(place), model)


def test_the_same_model_gives_every_stored_answer_again_exactly(filled: Place, asked: Artifact):
    report = replayed(filled, asked)
    assert (report.replayed, report.by_same_model, report.identical) == (8, 8, 8)
    assert report.is_reproduced
    assert not report.differing
    for shift in report.shifts:
        assert shift.mean in (0.0, None)
    assert all(stored == new for stored, new in report.categories)


def test_a_stored_row_holds_all_that_was_asked(filled: Place):
    row = all_rows(filled)[7]
    assert json.loads(row.input or "") == FULL_PATIENT
    assert json.loads(row.query or "") == {
        "horizon_months": [1.1, 400.0],
        "confidence_level": 0.8,
        "curve": False,
    }
    assert "subject_reference" not in json.loads(row.input or "")


def test_another_model_shows_by_how_much_survival_shifts(
    filled: Place, asked: Artifact, other: Artifact
):
    report = replayed(filled, other)
    assert (report.replayed, report.by_same_model) == (8, 0)
    assert report.is_reproduced  # none of the answers was its own
    shifts = {shift.months: shift for shift in report.shifts}
    assert list(shifts) == [1.1, 6, 12, 24, 400]
    stored = [json.loads(row.output or "") for row in all_rows(filled)]
    before = [o["survival"]["horizons"][1]["probability"] for o in stored[::2]]
    after = [
        json.loads(answered(other, p, QUERIES[0]).output)["survival"]["horizons"][1]["probability"]
        for p in PATIENTS
    ]
    differences = [new - old for old, new in zip(before, after, strict=True)]
    assert shifts[12].predictions == 4
    assert shifts[12].mean == pytest.approx(sum(differences) / 4, abs=1e-15)
    assert shifts[12].lowest == min(differences)
    assert shifts[12].highest == max(differences) < 0
    assert shifts[400].predictions == 0
    assert shifts[400].mean is None


def test_an_answer_that_is_not_given_again_is_named(filled: Place, asked: Artifact):
    row = all_rows(filled)[0]
    output = json.loads(row.output or "")
    median = output["survival"]["restricted_mean_months"]["estimate"]
    for factor, near in ((1 + 1e-13, True), (1 + 1e-9, False)):
        output["survival"]["restricted_mean_months"]["estimate"] = median * factor
        with tampering(filled) as connection:
            text = json.dumps(output)
            connection.execute(update(PREDICTIONS).where(FIRST).values(output=text))
        report = replayed(filled, asked)
        assert report.identical == 7
        assert report.nearly_identical == near
        assert list(report.differing) == ([] if near else [row.prediction_id])
        assert report.is_reproduced == near


def test_erased_predictions_are_counted_and_left_out(filled: Place, asked: Artifact):
    retention.erase(filled.url, filled.signer, "gone")
    report = replayed(filled, asked)
    assert (report.replayed, report.erased) == (6, 2)
    assert report.is_reproduced


def test_a_row_of_no_known_form_is_named_without_its_values(place: Place, asked: Artifact):
    record = a_record(input='{"ecog":"canary"}')
    with opened(place) as store:
        append(store, record)
    with pytest.raises(ReplayError, match=record.prediction_id) as refused:
        replayed(place, asked)
    assert "canary" not in str(refused.value)
