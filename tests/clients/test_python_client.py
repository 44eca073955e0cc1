"""A client that `openapi-python-client` generates gets typed answers from the live service."""

import importlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, get_type_hints
from uuid import UUID

import pytest

from tests.clients.conftest import make_client
from tests.contract.conftest import Guarded

PACKAGE = "hsct2_risk_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    folder, said = make_client("python", tmp_path_factory.mktemp("python"))
    # It reads no YAML, and sends batches as JSON only; all else is there with all its answers.
    warned = set(re.findall(r"WARNING parsing (.*)", said))
    assert warned == {
        "GET /openapi.yaml within service.",
        "POST /v1/predictions/batch within predictions.",
    }
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(PACKAGE)
    finally:
        sys.path.remove(str(folder))


@pytest.fixture
def predict_survival(generated: ModuleType) -> Any:
    return importlib.import_module(f"{PACKAGE}.api.predictions.predict_survival")


@pytest.fixture
def models(generated: ModuleType) -> Any:
    return importlib.import_module(f"{PACKAGE}.models")


@pytest.fixture
def client(generated: ModuleType, guarded: Guarded) -> Iterator[Any]:
    with generated.AuthenticatedClient(
        base_url=guarded.server.address,
        token=guarded.key,
        prefix="",
        auth_header_name="X-API-Key",
    ) as opened:
        yield opened


def test_a_prediction_comes_typed(predict_survival: Any, models: Any, client: Any) -> None:
    patient = models.Patient(
        ecog=2, age_years=41.0, disease=models.Disease.AML, hemoglobin_g_dl=8.9
    )
    prediction = predict_survival.sync(
        client=client, body=patient, horizon_months=[6.0, 12.0, 900.0], confidence_level=0.9
    )
    assert isinstance(prediction, models.Prediction)
    assert prediction.risk.category == "high"
    assert isinstance(prediction.prediction_id, UUID)
    assert isinstance(prediction.created_at, datetime)
    assert prediction.created_at.tzinfo is not None
    assert abs((datetime.now(UTC) - prediction.created_at).total_seconds()) < 60
    six, twelve, past = prediction.survival.horizons
    assert isinstance(six.probability, float)
    assert 0 < six.lower < six.probability < six.upper < 1
    assert twelve.probability < six.probability
    assert past.probability is None
    assert past.reason
    curve = prediction.survival.curve
    assert isinstance(curve, models.Curve)
    assert len(curve.months) == len(curve.probability) == len(curve.lower) == len(curve.upper)
    assert isinstance(prediction.survival.restricted_mean_months.estimate, float)
    assert prediction.model.synthetic is True
    assert "synthetic" in prediction.model.notice
    assert {i.covariate for i in prediction.imputed} >= {"ldh_u_l", "conditioning"}
    assert "horizon_withheld" in {w.code for w in prediction.warnings}


def test_a_bad_patient_comes_back_as_a_typed_problem(
    predict_survival: Any, models: Any, client: Any
) -> None:
    response = predict_survival.sync_detailed(
        client=client, body=models.Patient(ecog=5, age_years=300.0)
    )
    assert response.status_code == 422
    assert isinstance(response.parsed, models.Problem)
    assert response.parsed.type_ == "urn:hsct2-risk:problem:invalid-patient"
    assert [(e.field, e.code) for e in response.parsed.errors] == [
        ("ecog", "ecog_dead"),
        ("age_years", "less_than_equal"),
    ]


def test_every_kind_of_refusal_is_a_typed_problem(
    generated: ModuleType, predict_survival: Any, models: Any, client: Any, guarded: Guarded
) -> None:
    body = models.Patient(ecog=1)
    no_model = predict_survival.sync(client=client, body=body, model="none")
    assert (type(no_model), no_model.status) == (models.Problem, 404)
    no_level = predict_survival.sync(client=client, body=body, confidence_level=2.0)
    assert (type(no_level), no_level.status) == (models.Problem, 422)
    with generated.Client(base_url=guarded.server.address) as stranger:
        no_key = predict_survival.sync(client=stranger, body=body)
    assert (type(no_key), no_key.status) == (models.Problem, 401)


def test_a_batch_comes_typed(generated: ModuleType, models: Any, client: Any) -> None:
    batch = importlib.import_module(f"{PACKAGE}.api.predictions.predict_survival_batch")
    patients = [models.Patient(ecog=2), models.Patient(ecog=0), models.Patient(ecog=5)]
    answer = batch.sync(client=client, body=patients, horizon_months=[12.0])
    assert isinstance(answer, models.BatchAnswer)
    high, standard, dead = answer.predictions
    assert isinstance(high, models.BatchRow)
    assert (high.category, standard.category) == ("high", "standard")
    assert 0 < high["survival_12"] < standard["survival_12"] < 1
    assert dead["survival_12"] is None
    assert [(e.field, e.code) for e in dead.error] == [("ecog", "ecog_dead")]
    assert answer.summary.complete is True
    assert answer.summary.predicted == 2


def test_models_and_their_cards_are_typed(generated: ModuleType, models: Any, client: Any) -> None:
    api = f"{PACKAGE}.api.models"
    listed = importlib.import_module(f"{api}.list_models").sync(client=client)
    assert [type(m) for m in listed] == [models.ModelSummary] * 2
    detail = importlib.import_module(f"{api}.get_model").sync("hsct2-os", client=client)
    assert isinstance(detail, models.ModelDetail)
    assert detail.cohort.patients == 72
    card = importlib.import_module(f"{api}.get_model_card").sync("hsct2-os", client=client)
    assert isinstance(card, models.ModelCard)
    assert card.title.startswith("Overall survival after HSCT2")


def test_types_and_methods_read_well(predict_survival: Any, models: Any) -> None:
    names = {name for name in dir(models) if name[0].isupper()}
    assert {"Patient", "Prediction", "Problem", "FieldProblem", "Disease", "Horizon"} <= names
    assert [n for n in names if re.search(r"Type\d|Item|Input|Output|Response", n)] == []
    of_horizon = get_type_hints(models.Horizon)
    assert of_horizon["probability"] == float | None
    assert of_horizon["months"] is float
    arguments = predict_survival.sync.__kwdefaults__
    assert list(arguments) == [
        "model",
        "horizon_months",
        "confidence_level",
        "curve",
        "idempotency_key",
    ]
