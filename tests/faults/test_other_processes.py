"""Commands on the store of a running service take nothing from it."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.faults.load import Caller, together
from tests.faults.process import Victim
from tests.server import run_service
from tests.service.audit.stores import all_rows, verified

ROUNDS = 2
CALLERS = 8


@pytest.mark.slow
def test_a_store_that_is_read_by_a_command_keeps_what_the_service_then_writes(tmp_path: Path):
    answers: dict[str, bytes] = {}
    victim = Victim(tmp_path)
    place = {name: victim.settings[name] for name in ("audit_url", "audit_key")}

    async def retry(caller: Caller, _: int, key: str) -> None:
        """Store a row that others store too, so that the writer connects again."""
        answer = await caller.post("/v1/predictions", b'{"ecog": 1}', Idempotency_Key=key)
        assert answer.status == 200, answer.content
        answers[answer.json["prediction_id"]] = answer.content

    async def ask(caller: Caller, _: int) -> None:
        answer = await caller.predict({"ecog": 2})
        assert answer.status == 200, answer.content
        answers[answer.json["prediction_id"]] = answer.content

    with victim:
        for turn in range(ROUNDS):
            asyncio.run(together(victim.port, CALLERS, partial(retry, key=f"round-{turn}")))
            done = run_service("audit", "verify", **place)
            assert done.returncode == 0, done.stdout + done.stderr
            asyncio.run(together(victim.port, CALLERS, ask))
        victim.kill()
    stored = {row.prediction_id: str(row.output).encode() for row in all_rows(victim.place)}
    assert stored == answers
    assert verified(victim.place, victim.heads()).is_sound
