"""The rows of a batch in the audit store: read, verified, replayed and erased like any other."""

import json
from pathlib import Path
from typing import Any

from service.settings import SHIPPED_MODELS
from tests.server import FULL_PATIENT, Server, run_service
from tests.service.batch.batches import answer_of, invented, ndjson, post

PATIENTS = [
    {"ecog": 1, "subject_reference": "subject-a"},
    {"ecog": 3, "age_years": 51, "subject_reference": "subject-b"},
    {"ecog": 9},
    {"ecog": 0, "ldh_u_l": 260, "disease": "AML"},
]


def audit(server: Server, *arguments: object) -> str:
    where = {name: server.settings[name] for name in ("audit_url", "audit_key")}
    done = run_service("audit", *map(str, arguments), **where)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def replayed(server: Server) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(
        audit(server, "replay", "--model", SHIPPED_MODELS / "hsct2-os")
    )
    return report


def test_rows_of_a_batch_are_read_verified_replayed_and_erased(tmp_path: Path) -> None:
    with Server(tmp_path / "log") as server, server.client() as client:
        rows, _ = answer_of(post(client, ndjson(PATIENTS), "application/x-ndjson"))
        good = [row for row in rows if row.get("prediction_id")]
        assert [row["row"] for row in good] == [1, 2, 4]
        first, second, last = (f"/v1/predictions/{row['prediction_id']}" for row in good)
        stored = client.get(second).json()
        assert (stored["channel"], stored["subject_reference"]) == ("batch", "subject-b")
        assert (stored["patient"]["ecog"], stored["patient"]["age_years"]) == (3, 51)
        assert stored["batch_row"]["category"] == good[1]["category"]
        # The digests are computed anew from the columns, one row at a time.
        assert "sound" in audit(server, "verify")
        assert replayed(server)["identical"] == 3
        audit(server, "erase", "--subject", "subject-b")
        gone, kept = client.get(second).json(), [client.get(at).json() for at in (first, last)]
        assert gone["erased"] is True
        assert (gone["patient"], gone["batch_row"], gone["subject_reference"]) == (None, None, None)
        assert [row["patient"]["ecog"] for row in kept] == [1, 0]
        assert "1 erased" in audit(server, "verify", "--heads", tmp_path / "log")


def test_rows_computed_together_are_replayed_together_to_the_last_bit(tmp_path: Path) -> None:
    patients = invented(2_500).to_pylist()
    for at, patient in enumerate(patients):
        patient["subject_reference"] = f"subject-{at}"
    patients[40]["ecog"] = 9
    complete = [{**FULL_PATIENT, "age_years": 20 + at % 50} for at in range(1_500)]
    with Server(tmp_path / "log") as server, server.client() as client:
        post(client, ndjson(patients), "application/x-ndjson").raise_for_status()
        post(client, ndjson(complete), "application/x-ndjson").raise_for_status()
        report = replayed(server)
        assert report["replayed"] == report["identical"] == 2_499 + 1_500
        audit(server, "erase", "--subject", "subject-60")
        report = replayed(server)
        assert (report["replayed"], report["erased"]) == (2_498 + 1_500, 1)
        assert report["identical"] + report["nearly_identical"] == report["replayed"]
