"""The rows of a batch in the audit store: read, verified, replayed and erased like any other."""

from pathlib import Path

from tests.server import Server, run_service
from tests.service.batch.batches import answer_of, ndjson, post

PATIENTS = [
    {"ecog": 1, "subject_reference": "subject-a"},
    {"ecog": 3, "age_years": 51, "subject_reference": "subject-b"},
    {"ecog": 9},
    {"ecog": 0, "ldh_u_l": 260, "disease": "AML"},
]


def test_rows_of_a_batch_are_read_verified_replayed_and_erased(tmp_path: Path) -> None:
    with Server(tmp_path / "log") as server, server.client() as client:

        def audit(*arguments: object) -> str:
            where = {name: server.settings[name] for name in ("audit_url", "audit_key")}
            done = run_service("audit", *map(str, arguments), **where)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        rows, _ = answer_of(post(client, ndjson(PATIENTS), "application/x-ndjson"))
        good = [row for row in rows if row.get("prediction_id")]
        assert [row["row"] for row in good] == [1, 2, 4]
        first, second, last = (f"/v1/predictions/{row['prediction_id']}" for row in good)
        stored = client.get(second).json()
        assert (stored["channel"], stored["subject_reference"]) == ("batch", "subject-b")
        assert (stored["patient"]["ecog"], stored["patient"]["age_years"]) == (3, 51)
        assert stored["batch_row"]["category"] == good[1]["category"]
        # The digests are computed anew from the columns, one row at a time.
        assert "sound" in audit("verify")
        assert "3" in audit("replay", "--model", "model/artifacts/hsct2-os")
        audit("erase", "--subject", "subject-b")
        gone, kept = client.get(second).json(), [client.get(at).json() for at in (first, last)]
        assert gone["erased"] is True
        assert (gone["patient"], gone["batch_row"], gone["subject_reference"]) == (None, None, None)
        assert [row["patient"]["ecog"] for row in kept] == [1, 0]
        assert "1 erased" in audit("verify", "--heads", tmp_path / "log")
