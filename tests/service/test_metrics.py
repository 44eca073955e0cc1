"""``GET /metrics``: what Prometheus counts, and that no label holds what was submitted."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from model.artifact import Artifact
from model.patient import COVARIATES
from service.app import create_app
from service.registry import Registry
from service.settings import Settings
from tests.server import FULL_PATIENT, Server, in_process

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def counted(server: Server, client: httpx.Client) -> httpx.Client:
    """Return a client of a server that nobody else asks meanwhile."""
    server.log_up_to_now()
    return client


def samples(client: httpx.Client) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return parsed(response.text)


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def growth(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = (name, frozenset(labels.items()))
    return after.get(key, 0) - before.get(key, 0)


def test_requests_are_counted_by_route_method_and_status(counted: httpx.Client) -> None:
    before = samples(counted)
    for method, path in (
        ("GET", "/v1/models/hsct2-os"),
        ("GET", "/v1/models/hsct2-os-ecog"),
        ("GET", "/v1/models/none"),
        ("PUT", "/v1/models"),
        ("BREW", "/v1/models"),
        ("GET", "/nowhere"),
    ):
        counted.request(method, path)
    after = samples(counted)
    one_model = "/v1/models/{model}"
    for route, method, status, count in (
        (one_model, "GET", "200", 2),
        (one_model, "GET", "404", 1),
        ("/v1/models", "PUT", "405", 1),
        ("/v1/models", "other", "405", 1),
        ("none", "GET", "404", 1),
    ):
        labels = {"route": route, "method": method, "status": status}
        assert growth(before, after, "hsct2_requests_total", **labels) == count
    assert growth(before, after, "hsct2_request_seconds_count", route=one_model) == 3
    assert growth(before, after, "hsct2_request_seconds_bucket", route=one_model, le="+Inf") == 3
    assert 0 < growth(before, after, "hsct2_request_seconds_sum", route=one_model) < 3


def test_a_request_for_another_host_is_counted_though_no_route_took_it(
    counted: httpx.Client,
) -> None:
    before = samples(counted)
    counted.get("/livez", headers={"Host": "attacker.example"})
    after = samples(counted)
    labels = {"route": "none", "method": "GET", "status": "421"}
    assert growth(before, after, "hsct2_requests_total", **labels) == 1


def test_a_request_in_flight_is_seen_and_then_gone(server: Server, counted: httpx.Client) -> None:
    in_flight = ("hsct2_requests_in_flight", frozenset[tuple[str, str]]())
    assert samples(counted)[in_flight] == 1  # the one that asks
    with server.half_a_prediction():
        assert samples(counted)[in_flight] == 2
    end = time.monotonic() + 10
    while samples(counted)[in_flight] > 1:
        assert time.monotonic() < end


def test_predictions_are_counted_by_model_and_category(counted: httpx.Client) -> None:
    before = samples(counted)
    for ecog in (0, 1, 3):
        counted.post("/v1/predictions", json={"ecog": ecog})
    counted.post("/v1/predictions?model=hsct2-os-ecog", json={"ecog": 2})
    counted.post("/v1/predictions", json={"ecog": 9})
    after = samples(counted)
    for model, category, count in (
        ("hsct2-os@1.0.0", "standard", 2),
        ("hsct2-os@1.0.0", "high", 1),
        ("hsct2-os-ecog@1.0.0", "high", 1),
        ("hsct2-os-ecog@1.0.0", "standard", 0),
    ):
        labels = {"model": model, "category": category}
        assert growth(before, after, "hsct2_predictions_total", **labels) == count


def test_imputations_ranges_and_warnings_are_counted_by_name(counted: httpx.Client) -> None:
    before = samples(counted)
    strange = {**FULL_PATIENT, "age_years": 109, "ldh_u_l": None}
    answer = counted.post("/v1/predictions", json=strange).json()
    after = samples(counted)
    for covariate in COVARIATES:
        imputed = growth(before, after, "hsct2_imputations_total", covariate=covariate)
        assert imputed == (covariate == "ldh_u_l")
        outside = growth(before, after, "hsct2_out_of_range_inputs_total", covariate=covariate)
        assert outside == (covariate == "age_years")
    codes = [warning["code"] for warning in answer["warnings"]]
    assert "outside_training_range" in codes
    for code in codes:
        grown = growth(before, after, "hsct2_warnings_total", code=code)
        assert grown == codes.count(code)


def test_a_retry_that_gets_the_first_answer_is_one_prediction(counted: httpx.Client) -> None:
    before = samples(counted)
    for _ in range(3):
        counted.post(
            "/v1/predictions", json={"ecog": 1}, headers={"Idempotency-Key": "of-the-metrics"}
        )
    after = samples(counted)
    labels = {"model": "hsct2-os@1.0.0", "category": "standard"}
    assert growth(before, after, "hsct2_predictions_total", **labels) == 1


def test_models_and_the_start_of_the_process_are_told(
    counted: httpx.Client, shipped: Artifact
) -> None:
    found = samples(counted)
    labels = {
        "model": "hsct2-os@1.0.0",
        "sha256": shipped.sha256,
        "synthetic": "true",
        "default": "true",
    }
    assert found["hsct2_model_info", frozenset(labels.items())] == 1
    assert len([name for name, _ in found if name == "hsct2_model_info"]) == 2
    assert found["hsct2_refused_artifacts", frozenset()] == 0
    assert time.time() - 3600 < found["process_start_time_seconds", frozenset()] < time.time()


def test_the_audit_lag_is_how_long_a_prediction_waits_for_the_store(
    counted: httpx.Client, server: Server
) -> None:
    def lag() -> float:
        return samples(counted)["hsct2_audit_lag_seconds", frozenset()]

    assert lag() == 0
    database = str(server.settings["audit_url"]).removeprefix("sqlite:///")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(counted.post, "/v1/predictions", json={"ecog": 1})
            while lag() == 0:
                time.sleep(0.01)
            time.sleep(0.1)
            assert lag() > 0.1
            other.execute("ROLLBACK")
            assert waiting.result().status_code == 200
    assert lag() == 0
    assert samples(counted)["hsct2_audit_available", frozenset()] == 1


def test_no_label_holds_what_was_submitted(counted: httpx.Client) -> None:
    canary, number = "Zebedee-Quux", 7313717.25
    patient = {**FULL_PATIENT, "ferritin_ng_ml": 31337.125, "subject_reference": canary}
    counted.post("/v1/predictions", json=patient)
    counted.post("/v1/predictions", json={"ecog": number, canary: canary})
    counted.post(f"/v1/predictions?model={canary}&{canary}=1", json={"ecog": 1})
    counted.request("ZEBEDEE", f"/{canary}", headers={"User-Agent": canary})
    counted.get(f"/v1/models/{canary}", headers={"X-API-Key": canary})
    text = counted.get("/metrics").text
    for trace in ("zebedee", "7313717", "31337", "quux"):
        assert trace not in text.casefold()
    labels = {label for _, labels in parsed(text) for label, _ in labels}
    assert labels <= {
        *("route", "method", "status", "le"),
        *("model", "category", "covariate", "code"),
        *("sha256", "synthetic", "default", "outcome"),
    }


def test_each_app_has_metrics_of_its_own(shipped: Artifact) -> None:
    registry = Registry({"hsct2-os@1.0.0": shipped}, {"odd": "reason"}, "hsct2-os")
    used, idle = (create_app(Settings(), registry) for _ in range(2))
    with capture_logs():
        in_process(used, "POST", "/v1/predictions", json={"ecog": 1})
        texts = [in_process(app, "GET", "/metrics").text for app in (used, idle)]
    of_used, of_idle = map(parsed, texts)
    key = frozenset({"model": "hsct2-os@1.0.0", "category": "standard"}.items())
    assert of_used["hsct2_predictions_total", key] == 1
    assert ("hsct2_predictions_total", key) not in of_idle
    assert of_idle["hsct2_refused_artifacts", frozenset()] == 1


def test_where_keys_are_asked_for_metrics_need_the_scope_admin(tmp_path: Path) -> None:
    settings = Settings(auth="api-key", api_keys=tmp_path / "keys")
    app = create_app(settings, Registry({}, {}, default=""))
    with capture_logs():
        assert in_process(app, "GET", "/metrics").status_code == 401
