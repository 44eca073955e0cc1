"""SIGKILL while callers ask: what was answered is in the store, byte for byte."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import Caller, together
from tests.faults.process import Victim
from tests.faults.scale import SCALE
from tests.service.audit.stores import all_rows, verified

CALLERS = 12
MOST_SECONDS_OF_LOAD = 1.0


class Wards:
    """Callers who ask for one subject after the other, and again where no answer came."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.unanswered: list[str] = []
        self.retried: set[str] = set()
        self._subjects = 0

    async def ask_until_killed(self, caller: Caller, _: int) -> None:
        while await self._ask(caller, self._next()):
            pass

    async def ask_the_rest(self, caller: Caller, _: int) -> None:
        while self.unanswered:
            assert await self._ask(caller, self._next())

    def _next(self) -> str:
        if self.unanswered:
            subject = self.unanswered.pop()
            self.retried.add(subject)
            return subject
        self._subjects += 1
        return f"subject-{self._subjects}"

    async def _ask(self, caller: Caller, subject: str) -> bool:
        patient = {"ecog": len(subject) % 5, "subject_reference": subject}
        try:
            answer = await caller.predict(patient, Idempotency_Key=f"of-{subject}")
        except OSError:
            self.unanswered.append(subject)
            return False
        assert answer.status == 200
        self.answers[subject] = answer.content
        return True


async def kill_during_load(victim: Victim, wards: Wards, seconds: float) -> None:
    load = asyncio.create_task(together(victim.port, CALLERS, wards.ask_until_killed))
    before = len(wards.answers)
    async with asyncio.timeout(30):
        while len(wards.answers) < before + CALLERS and not load.done():
            await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    victim.kill()
    await load


@pytest.mark.slow
def test_a_kill_during_load_loses_no_prediction_that_was_answered(tmp_path: Path, saw: Any):
    wards, chance = Wards(), random.Random(20261122)
    victim = Victim(tmp_path)
    for kill in range(SCALE.kills):
        with victim:
            asyncio.run(kill_during_load(victim, wards, chance.uniform(0, MOST_SECONDS_OF_LOAD)))
        report = verified(victim.place, victim.heads())
        assert report.is_sound, report.problems
        assert report.writers == kill + 1
    with victim:
        asyncio.run(together(victim.port, CALLERS, wards.ask_the_rest))
    stored = all_rows(victim.place)
    assert verified(victim.place, victim.heads()).is_sound
    assert len(wards.answers) > CALLERS * SCALE.kills
    assert len(wards.retried) >= SCALE.kills
    # A retry of what was stored but not answered got the answer of the one row.
    saw(kills=SCALE.kills, answered=len(wards.answers), retried=len(wards.retried))
    by_subject = {str(row.subject_reference): str(row.output).encode() for row in stored}
    assert len(by_subject) == len(stored)
    assert by_subject == wards.answers
