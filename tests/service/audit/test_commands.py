import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from service.audit.commands import AuditPlace, audit_commands
from tests.model.artifacts import save
from tests.service.audit.stores import (
    Place,
    a_record,
    all_heads,
    all_rows,
    append,
    fill,
    opened,
    tamper,
    verified,
)


def run(place: Place, *arguments: object, stdin: str | None = None) -> Result:
    app = audit_commands(lambda: AuditPlace(place.url, place.key_file))
    return CliRunner().invoke(app, list(map(str, arguments)), input=stdin)


def test_verify_says_that_a_store_is_sound(place: Place):
    fill(place, 3)
    result = run(place, "verify")
    assert result.exit_code == 0
    assert "3 rows (0 erased, 0 pruned before them), 1 writers, 2 heads" in result.stdout
    assert result.stdout.endswith("sound\n")


def test_verify_fails_and_tells_where(place: Place):
    fill(place, 3)
    tamper(place, "UPDATE audit_prediction SET output = 'x' WHERE sequence = 2")
    result = run(place, "verify")
    assert result.exit_code == 1
    writer = all_heads(place)[0].writer
    assert f"row_changed: writer {writer} at 2: " in result.stdout


def test_verify_tells_of_an_unsigned_tail(place: Place):
    with opened(place) as store:
        append(store, a_record(), a_record())
        result = run(place, "verify")
    assert result.exit_code == 0
    assert "unsigned tail of 2 rows" in result.stdout


def test_verify_compares_with_logs(place: Place, tmp_path: Path):
    fill(place, 3)
    log = tmp_path / "service.log"
    log.write_text("".join(json.dumps(head.as_log()) + "\n" for head in all_heads(place)))
    assert run(place, "verify", "--heads", log).exit_code == 0
    tamper(place, "DELETE FROM audit_head")
    tamper(place, "DELETE FROM audit_prediction")
    assert run(place, "verify").exit_code == 0
    result = run(place, "verify", "--heads", log)
    assert result.exit_code == 1
    assert "rolled_back" in result.stdout
    log.write_text("nothing\n")
    assert run(place, "verify", "--heads", log).exit_code == 1
    assert run(place, "verify", "--heads", tmp_path / "none").exit_code == 1


def test_verify_needs_no_private_key(place: Place):
    fill(place, 1)
    public = place.key_file.with_name(place.key_file.name + ".pub")
    elsewhere = public.rename(public.with_name("elsewhere.pub"))
    place.key_file.unlink()
    assert run(place, "verify").exit_code == 1
    assert run(place, "verify", "--public-key", elsewhere).exit_code == 0
    assert run(place, "erase", "--subject", "x").exit_code == 1
    assert not place.key_file.exists()


def test_show_prints_one_prediction(place: Place):
    wanted = fill(place, 3)[1]
    shown = json.loads(run(place, "show", wanted).stdout)
    assert shown["prediction_id"] == wanted
    assert shown["input"] == {"ecog": 2, "age_years": 41.5}
    assert shown["warnings"] == ["ecog_extrapolated"]
    assert datetime.fromisoformat(shown["created_at"]).tzinfo is not None
    assert "salt" not in shown
    missing = run(place, "show", "another")
    assert missing.exit_code == 1
    assert "no prediction of this id" in missing.stderr


def test_export_writes_every_row_to_a_private_file(place: Place, tmp_path: Path):
    ids = fill(place, 3)
    out = tmp_path / "rows.ndjson"
    result = run(place, "export", "--out", out)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["prediction_id"] for line in lines] == ids
    assert lines[0]["output"] == {"risk": {"category": "hoch ≥ 2"}}
    assert out.stat().st_mode & 0o777 == 0o600
    again = run(place, "export", "--out", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_export_writes_parquet(place: Place, tmp_path: Path):
    ids = fill(place, 3)
    out = tmp_path / "rows.parquet"
    result = run(place, "export", "--format", "parquet", "--out", out)
    assert result.exit_code == 0, result.output
    exported = parquet.read_table(out).to_pylist()
    assert [row["prediction_id"] for row in exported] == ids
    assert json.loads(exported[0]["output"]) == {"risk": {"category": "hoch ≥ 2"}}
    assert exported[0]["created_at"].utcoffset() == timedelta(0)
    assert "salt" not in exported[0]
    assert out.stat().st_mode & 0o777 == 0o600


def test_erase_prints_the_heads_to_log(place: Place):
    fill(place, 2)
    result = run(place, "erase", "--subject", "subject-1")
    assert result.exit_code == 0
    heads = [json.loads(line)["audit_head"] for line in result.stdout.splitlines()]
    assert [head["kind"] for head in heads] == ["erase", "erase"]
    assert "2 rows erased" in result.stderr
    assert "subject-1" not in result.output
    assert verified(place).erased == 2


def test_erase_reads_a_reference_that_no_process_list_shall_show(place: Place):
    fill(place, 2)
    assert run(place, "erase", "--subject", "-", stdin="subject-1\n").exit_code == 0
    assert verified(place).erased == 2


@pytest.mark.parametrize("older_than", ["30d", "date"])
def test_prune_takes_an_age_or_a_date(place: Place, older_than: str):
    now = datetime.now(UTC)
    with opened(place) as store:
        append(store, *(a_record(created_at=now - timedelta(days=days)) for days in (99, 1)))
    given = older_than if older_than == "30d" else (now - timedelta(days=30)).date().isoformat()
    result = run(place, "prune", "--older-than", given)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["audit_head"]["kind"] == "prune"
    assert len(all_rows(place)) == 1
    assert run(place, "verify").exit_code == 0


@pytest.mark.parametrize("older_than", ["x", "d", "99999999999999d", "2026-13-01"])
def test_prune_refuses_a_moment_that_is_none(in_sqlite: Place, older_than: str):
    fill(in_sqlite, 1)
    result = run(in_sqlite, "prune", "--older-than", older_than)
    assert result.exit_code == 1
    assert "as 2026-01-31" in result.stderr


def test_backup_and_restore_make_the_same_store(place: Place, tmp_path: Path):
    fill(place, 3)
    copy = tmp_path / "copy"
    assert run(place, "backup", copy).exit_code == 0
    restored = Place(f"sqlite:///{tmp_path}/restored.db", place.key_file)
    assert run(restored, "restore", copy).exit_code == 0
    assert run(restored, "verify").exit_code == 0
    assert all_rows(restored) == all_rows(place)


def test_replay_prints_the_comparison(place: Place, tmp_path: Path):
    save(tmp_path / "model")
    with opened(place):
        pass
    result = run(place, "replay", "--model", tmp_path / "model")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["replayed"] == 0
    assert run(place, "replay", "--model", tmp_path / "none").exit_code == 1


def test_a_store_that_is_not_there_is_not_made(in_sqlite: Place):
    in_sqlite.signer.sign(b"")
    for command in (
        ["verify"],
        ["show", "x"],
        ["export", "--out", "rows"],
        ["erase", "--subject", "x"],
        ["prune", "--older-than", "1d"],
        ["backup", "copy"],
    ):
        result = run(in_sqlite, *command)
        assert result.exit_code == 1
        assert "no audit store" in result.stderr
    assert not in_sqlite.file.exists()
    assert not Path("rows").exists()


def test_help_needs_no_settings():
    def unset() -> AuditPlace:
        raise AssertionError("not needed")

    result = CliRunner().invoke(audit_commands(unset), ["verify", "--help"])
    assert result.exit_code == 0
    assert "--heads" in result.stdout
