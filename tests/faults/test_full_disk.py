"""No space left under the store: nothing is answered that is not stored, and it passes."""

import time
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from tests.faults.process import Victim
from tests.server import problem, run_service
from tests.service.audit.stores import all_rows, verified
from tests.service.batch.batches import invented

BALLAST_BYTES = 900_000
MOST_ANSWERS = 2_000
SECONDS_TO_RESUME = 15


def predict(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/predictions", json={"ecog": 1})


def remember(answers: dict[str, str], response: httpx.Response) -> None:
    answers[response.json()["prediction_id"]] = response.text


def refuse_clearly(response: httpx.Response) -> None:
    body = problem(response, 503, "audit-unavailable")
    assert body["detail"] == "Nothing was lost; try again in a moment."
    assert int(response.headers["Retry-After"]) >= 1


def resume(client: httpx.Client) -> httpx.Response:
    """Try again as Retry-After tells, until there is an answer."""
    end = time.monotonic() + SECONDS_TO_RESUME
    while (response := predict(client)).status_code == 503 and time.monotonic() < end:
        time.sleep(0.2)
    assert response.status_code == 200
    return response


@pytest.mark.slow
def test_a_full_disk_refuses_predictions_and_loses_none_until_there_is_space(
    small_disk: Path, tmp_path: Path, saw: Any
):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * BALLAST_BYTES)
    answers: dict[str, str] = {}
    victim = Victim(tmp_path, audit_url=f"sqlite:///{small_disk}/store.db")
    with victim, victim.client() as client:
        while (response := predict(client)).status_code == 200 and len(answers) < MOST_ANSWERS:
            remember(answers, response)
        before = len(answers)
        refuse_clearly(response)
        for _ in range(10):
            refuse_clearly(predict(client))
        assert victim.readiness()["audit"] == "failing"
        assert client.get("/livez").status_code == 200
        assert client.get("/v1/models").status_code == 200
        assert client.get(f"/v1/predictions/{next(iter(answers))}").status_code == 200
        ballast.unlink()
        remember(answers, resume(client))
        for _ in range(20):
            response = predict(client)
            assert response.status_code == 200
            remember(answers, response)
        assert victim.readiness()["audit"] == "on"
    saw(answered_before=before, answered_in_all=len(answers))
    assert 10 < before < MOST_ANSWERS
    assert {row.prediction_id: row.output for row in all_rows(victim.place)} == answers
    assert verified(victim.place, victim.heads()).is_sound


@pytest.mark.slow
def test_a_service_that_starts_on_a_full_disk_says_so_and_ends(small_disk: Path, tmp_path: Path):
    (small_disk / "ballast").write_bytes(b"0" * 2 * 1024 * 1024)
    victim = Victim(tmp_path, audit_url=f"sqlite:///{small_disk}/store.db")
    with pytest.raises(RuntimeError, match="the audit store"), victim:
        pass
    assert "Traceback" not in victim.log()


@pytest.mark.slow
def test_a_job_over_files_on_a_full_disk_keeps_what_is_done_and_goes_on(
    small_disk: Path, tmp_path: Path
):
    for number in range(5):
        pq.write_table(invented(4_000), tmp_path / f"{number}.parquet")
    ballast, out = small_disk / "ballast", small_disk / "out"
    ballast.write_bytes(b"0" * BALLAST_BYTES)
    full = run_service("predict", str(tmp_path), str(out))
    assert full.returncode == 1
    assert "No space left on device; what is done is kept" in full.stderr
    assert "Traceback" not in full.stderr
    assert "Exception ignored" not in full.stderr
    done = len(list(out.glob("*.done.json")))
    assert 1 <= done < 5
    ballast.unlink()
    again = run_service("predict", str(tmp_path), str(out))
    assert again.returncode == 0, again.stderr
    assert f"5 parts, {done} of them done before" in again.stderr
    assert sum(pq.read_metadata(path).num_rows for path in out.glob("*.parquet")) == 20_000
