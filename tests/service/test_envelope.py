"""One JSON line a request; failures are answered and logged without their message."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from model.artifact import Artifact
from model.patient import Patient
from model.prediction import PrognosticModel, predict
from model.risk import RiskBands
from service.app import create_app
from service.registry import Registry
from service.settings import Settings
from tests.server import FULL_PATIENT, Server, in_process, problem


def test_each_request_has_one_line_with_its_id(client: httpx.Client, server: Server) -> None:
    for method, path, route, status in (
        ("POST", "/v1/predictions", "/v1/predictions", 200),
        ("GET", "/v1/models/hsct2-os", "/v1/models/{model}", 200),
        ("GET", "/v1/models/none", "/v1/models/{model}", 404),
        ("PUT", "/v1/models", "/v1/models", 405),
        ("GET", "/nowhere", None, 404),
    ):
        response = client.request(method, path, json={"ecog": 1})
        request_id = response.headers["X-Request-Id"]
        (line,) = server.lines_of(request_id)
        assert line.pop("milliseconds") >= 0
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "request_id": request_id,
            "method": method,
            "route": route,
            "status": status,
            "caller": "anyone" if status in (200, 404) and route else None,
            "event": "request",
            "level": "info",
        }


def test_every_line_of_the_process_is_a_json_object(client: httpx.Client, server: Server) -> None:
    client.post("/v1/predictions", content=b"{")
    server.raw(b"nonsense\r\n\r\n")
    lines = server.log_up_to_now().splitlines()
    assert len(lines) > 5
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_request_ids_are_the_services_own_and_never_repeat(client: httpx.Client) -> None:
    sent = {"X-Request-Id": "00000000-0000-7000-8000-000000000000"}
    ids = [client.get("/livez", headers=sent).headers["X-Request-Id"] for _ in range(20)]
    assert len({*ids, sent["X-Request-Id"]}) == 21
    assert ids == sorted(ids)


class _Unanswering(RiskBands):
    """Bands whose lookup fails with a patient's value in the message."""

    def of(self, ecog: int) -> Any:
        raise ValueError(f"patient Zebedee has ECOG {ecog}")


def _with_a_bug(model: PrognosticModel) -> PrognosticModel:
    return replace(model, risk_bands=_Unanswering(**vars(model.risk_bands)))


def _not_a_number(model: PrognosticModel) -> PrognosticModel:
    spoilt = replace(model.cox, coefficients=model.cox.coefficients * np.nan)
    return PrognosticModel(spoilt, model.risk_bands)


def _app(shipped: Artifact, model: PrognosticModel) -> FastAPI:
    registry = Registry({"hsct2-os@1.0.0": replace(shipped, model=model)}, {}, "hsct2-os")
    return create_app(Settings(), registry)


@pytest.mark.parametrize(
    ("broken", "kind"), [(_with_a_bug, "ValueError"), (_not_a_number, "ValidationError")]
)
def test_a_failure_is_a_problem_and_its_message_is_neither_answered_nor_logged(
    broken: Any, kind: str, shipped: Artifact
) -> None:
    app = _app(shipped, broken(shipped.model))
    with capture_logs() as lines:
        response = in_process(app, "POST", "/v1/predictions", json=FULL_PATIENT)
    body = problem(response, 500, "internal-error")
    assert body["detail"] == "The failure was logged under this request id."
    (line,) = lines
    assert (line["request_id"], line["status"]) == (body["request_id"], 500)
    assert line["error"] == kind
    assert "model/prediction.py" in line["at"][-2] + line["at"][-1]
    for trace in ("Zebedee", "nan", "input_value", "41", "1150"):
        assert trace not in response.text.replace(body["request_id"], "")
        logged = {k: v for k, v in line.items() if k not in ("request_id", "milliseconds", "at")}
        assert trace not in repr(logged)
    assert "Zebedee" not in repr(line)


def test_a_service_goes_on_after_a_failure(shipped: Artifact) -> None:
    app = _app(shipped, _with_a_bug(shipped.model))
    with capture_logs():
        assert in_process(app, "POST", "/v1/predictions", json={"ecog": 1}).status_code == 500
        assert in_process(app, "GET", "/livez").status_code == 200


def test_an_app_without_its_default_model_is_not_ready(shipped: Artifact) -> None:
    app = create_app(Settings(), Registry({}, {}, default="hsct2-os"))
    with capture_logs():
        problem(in_process(app, "GET", "/readyz"), 503, "not-ready")
        response = in_process(app, "POST", "/v1/predictions", json={"ecog": 1})
        body = problem(response, 404, "unknown-model")
        assert in_process(app, "GET", "/v1/models").json() == []
    assert body["detail"] == "Served are: none."


def test_fifty_patients_at_once_get_their_own_answers(
    client: httpx.Client, shipped: Artifact
) -> None:
    patients = [{"ecog": i % 5, "age_years": 20 + i, "ldh_u_l": 150 + 7 * i} for i in range(50)]

    def ask(patient: dict[str, Any]) -> Any:
        return client.post("/v1/predictions", json=patient).json()

    with ThreadPoolExecutor(50) as callers:
        answers = list(callers.map(ask, patients))
    assert len({answer["prediction_id"] for answer in answers}) == 50
    for patient, answer in zip(patients, answers, strict=True):
        alone = predict(shipped.model, Patient.model_validate(patient)).model_dump(mode="json")
        assert answer["survival"] == alone["survival"]
        assert answer["contributions"] == alone["contributions"]
