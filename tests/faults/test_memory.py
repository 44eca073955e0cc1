"""Predictions without end: the memory of the process stays as it is."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.load import Caller, together
from tests.faults.process import Victim
from tests.faults.scale import SCALE
from tests.service.audit.stores import verified

CALLERS = 16
WARM_UP = SCALE.predictions // 5
MOST_GROWTH_MB = 5.0
LONGEST_SECONDS = max(600, SCALE.predictions // 50)
QUERY = "curve=false&model=hsct2-os-ecog&horizon_months=12"


async def predict(port: int, count: int) -> None:
    remaining = iter(range(count))

    async def ask(caller: Caller, _: int) -> None:
        for number in remaining:
            key = {"Idempotency_Key": f"{time.time_ns()}-{number}"} if number % 10 == 0 else {}
            body = f'{{"ecog": {number % 5}, "subject_reference": "{number}"}}'.encode()
            answer = await caller.post(f"/v1/predictions?{QUERY}", body, **key)
            assert answer.status == 200

    async with asyncio.timeout(LONGEST_SECONDS):
        await together(port, CALLERS, ask)


@pytest.mark.slow
def test_memory_is_flat_over_many_stored_predictions(tmp_path: Path, saw: Any):
    with Victim(tmp_path) as victim:
        asyncio.run(predict(victim.port, WARM_UP))
        before = victim.resident_mb()
        asyncio.run(predict(victim.port, SCALE.predictions - WARM_UP))
        growth = victim.resident_mb() - before
    saw(predictions=SCALE.predictions, resident_mb=before, growth_mb=growth)
    report = verified(victim.place, victim.heads())
    assert report.is_sound, report.problems
    assert report.rows == SCALE.predictions
    assert growth < MOST_GROWTH_MB
