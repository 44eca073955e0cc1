"""Every prediction is stored before it is sent, and can be read again by who asked for it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.server import FULL_PATIENT, Server, field_errors, problem, run_service
from tests.service.audit.stores import Place, all_rows


@dataclass(frozen=True)
class Ward:
    """A service with two wards and an auditor, who each have a key."""

    server: Server
    predict: str
    other: str
    audit: str

    def client(self, key: str) -> httpx.Client:
        return self.server.client(**{"X-API-Key": key})


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("audited")
    keys = folder / "keys"
    texts = [
        run_service("keys", "create", name, *options, api_keys=keys).stdout.strip()
        for name, options in (
            ("a", []),
            ("b", []),
            ("auditor", ["--scope", "audit", "--scope", "predict"]),
        )
    ]
    with Server(folder / "log", auth="api-key", api_keys=keys) as server:
        yield Ward(server, *texts)


def place(server: Server) -> Place:
    return Place(str(server.settings["audit_url"]), Path(str(server.settings["audit_key"])))


def audit(server: Server, *arguments: object) -> Any:
    where = {name: server.settings[name] for name in ("audit_url", "audit_key")}
    return run_service("audit", *map(str, arguments), **where)


def test_a_prediction_can_be_read_again_with_what_was_asked_and_by_which_model(
    client: httpx.Client,
) -> None:
    patient = {**FULL_PATIENT, "subject_reference": "subject-11"}
    response = client.post("/v1/predictions?model=hsct2-os&horizon_months=9", json=patient)
    answer = response.json()
    assert answer["audited"] is True
    stored = client.get(f"/v1/predictions/{answer['prediction_id']}").json()
    assert stored["prediction"] == answer
    assert stored["patient"] == patient
    assert stored["subject_reference"] == "subject-11"
    assert stored["request_id"] == response.headers["X-Request-Id"]
    assert stored["created_at"] == answer["created_at"]
    assert (stored["caller"], stored["channel"], stored["erased"]) == ("anyone", "v1", False)
    model = answer["model"]
    assert stored["model_id"] == model["id"]
    assert stored["model_version"] == model["version"]
    assert stored["model_sha256"] == model["sha256"]


def test_the_row_has_the_bytes_that_were_sent(client: httpx.Client, server: Server) -> None:
    response = client.post("/v1/predictions", json=FULL_PATIENT)
    (row,) = [
        r for r in all_rows(place(server)) if r.prediction_id == response.json()["prediction_id"]
    ]
    assert str(row.output).encode() == response.content


def test_what_was_refused_is_not_stored(client: httpx.Client, server: Server) -> None:
    before = len(all_rows(place(server)))
    for patient in ({"ecog": 5}, {}, {"ecog": 1, "x": 1}):
        assert client.post("/v1/predictions", json=patient).status_code == 422
    assert len(all_rows(place(server))) == before


def test_another_caller_cannot_tell_a_prediction_from_none_and_an_auditor_reads_it(
    ward: Ward,
) -> None:
    with ward.client(ward.predict) as client:
        asked = client.post("/v1/predictions", json={"ecog": 1}).json()
        path = f"/v1/predictions/{asked['prediction_id']}"
        assert client.get(path).json()["caller"] == ward.predict.split("_")[1]
    with ward.client(ward.other) as client:
        of_another = problem(client.get(path), 404, "unknown-prediction")
        of_nobody = problem(client.get(f"/v1/predictions/{uuid4()}"), 404, "unknown-prediction")
    assert of_another["detail"] == of_nobody["detail"]
    with ward.client(ward.audit) as client:
        assert client.get(path).json()["prediction"] == asked
    with ward.server.client() as client:
        problem(client.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("malformed", ["1", "x" * 36, "01a204de-a670-7411-926a", "%00"])
def test_a_malformed_id_is_refused(malformed: str, client: httpx.Client) -> None:
    body = problem(client.get(f"/v1/predictions/{malformed}"), 422, "invalid-request")
    assert field_errors(body) == [("prediction_id", "uuid_parsing")]


def test_without_a_store_every_answer_says_so_and_none_can_be_read(tmp_path: Path) -> None:
    with Server(tmp_path / "log", audit_url="off") as server, server.client() as client:
        assert client.get("/readyz").json()["audit"] == "off"
        key = {"Idempotency-Key": "once"}
        first, again = (
            client.post("/v1/predictions", json={"ecog": 1}, headers=key) for _ in range(2)
        )
        assert first.json()["audited"] is False
        assert first.content == again.content
        path = f"/v1/predictions/{first.json()['prediction_id']}"
        problem(client.get(path), 404, "unknown-prediction")
        assert "predictions are not stored" in server.log()


@pytest.mark.slow
def test_a_retry_after_a_restart_gets_the_first_answer_and_the_logs_prove_the_store(
    tmp_path: Path,
) -> None:
    header = {"Idempotency-Key": str(uuid4())}
    kept = {
        "audit_url": f"sqlite:///{tmp_path}/store.db",
        "audit_key": tmp_path / "key.pem",
    }
    answers = []
    servers = [Server(tmp_path / f"log-{number}", **kept) for number in range(2)]
    for server in servers:
        with server, server.client() as client:
            assert client.get("/readyz").json()["audit"] == "on"
            answers.append(client.post("/v1/predictions", json={"ecog": 1}, headers=header))
            other = client.post("/v1/predictions", json={"ecog": 2}, headers=header)
            problem(other, 422, "idempotency-key-reused")
    first, again = answers
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(all_rows(place(servers[0]))) == 1

    logs = [word for n in range(2) for word in ("--heads", tmp_path / f"log-{n}")]
    sound = audit(servers[0], "verify", *logs)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "1 rows (0 erased, 0 pruned before them), 2 writers, 4 heads" in sound.stdout
    kinds = [json.loads(line)["audit_head"]["kind"] for line in heads_in(servers[0])]
    assert kinds == ["start", "close"]


def heads_in(server: Server) -> list[str]:
    return [line for line in server.log().splitlines() if "audit_head" in line]


@pytest.mark.slow
def test_a_log_with_a_head_that_the_store_lacks_convicts_it(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        stores.append(Server(tmp_path / name / "log"))
        with stores[-1] as server, server.client() as client:
            assert client.post("/v1/predictions", json={"ecog": 1}).status_code == 200
    done = audit(stores[0], "verify", "--heads", tmp_path / "other" / "log")
    assert done.returncode == 1
    assert "problems" in done.stdout


def test_retries_that_overtake_each_other_get_one_answer_from_one_row(
    client: httpx.Client, server: Server
) -> None:
    for _ in range(5):
        reference = str(uuid4())

        def ask(_: int, reference: str = reference) -> httpx.Response:
            return client.post(
                "/v1/predictions",
                json={"ecog": 1, "subject_reference": reference},
                headers={"Idempotency-Key": reference},
            )

        with ThreadPoolExecutor(8) as callers:
            answers = list(callers.map(ask, range(8)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
        rows = [r for r in all_rows(place(server)) if r.subject_reference == reference]
        assert len(rows) == 1


@pytest.mark.slow
def test_an_erased_subject_reads_as_erased_and_its_key_is_not_replayed(tmp_path: Path) -> None:
    header = {"Idempotency-Key": "of-subject-7"}
    patient = {"ecog": 2, "subject_reference": "subject-7"}
    with Server(tmp_path / "log") as server, server.client() as client:
        answer = client.post("/v1/predictions", json=patient, headers=header).json()
        kept = client.post("/v1/predictions", json={"ecog": 1, "subject_reference": "b"}).json()
        done = audit(server, "erase", "--subject", "subject-7")
        assert done.returncode == 0, done.stderr
        stored = client.get(f"/v1/predictions/{answer['prediction_id']}").json()
        assert stored["erased"] is True
        assert stored["prediction_id"] == answer["prediction_id"]
        assert stored["model_sha256"] == answer["model"]["sha256"]
        for gone in ("patient", "prediction", "subject_reference"):
            assert stored[gone] is None
        other = client.get(f"/v1/predictions/{kept['prediction_id']}").json()
        assert other["prediction"] == kept
        retried = client.post("/v1/predictions", json=patient, headers=header)
        assert retried.status_code < 500
        assert retried.headers.get("Idempotency-Replayed") is None
    assert audit(server, "verify", "--heads", tmp_path / "log").returncode == 0
