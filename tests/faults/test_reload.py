"""The models are replaced again and again while callers ask."""

import asyncio
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from service.settings import SHIPPED_MODELS
from tests.faults.load import Answer, Caller, together
from tests.faults.process import Victim
from tests.faults.scale import SCALE
from tests.service.audit.stores import all_rows, verified

CALLERS = 6
SPOILT = "hsct2-os-ecog"


@pytest.mark.slow
def test_no_request_fails_while_models_are_reloaded_good_and_spoilt(tmp_path: Path, saw: Any):
    models = tmp_path / "models"
    shutil.copytree(SHIPPED_MODELS, models)
    manifest = models / SPOILT / "manifest.json"
    good = manifest.read_bytes()
    answers: list[Answer] = []
    reloads: list[Answer] = []
    done = asyncio.Event()

    async def ask(caller: Caller, number: int) -> None:
        model = ("hsct2-os", SPOILT)[number % 2]
        while not done.is_set():
            answers.append(
                await caller.post(f"/v1/predictions?curve=false&model={model}", b'{"ecog": 2}')
            )

    async def reload(caller: Caller) -> None:
        for turn in range(SCALE.reloads):
            manifest.write_bytes(good[: len(good) // 2] if turn % 2 else good)
            if turn % 4 < 2:
                reloads.append(await caller.post("/v1/models/reload"))
            else:
                victim.signal(signal.SIGHUP)
            seen = len(answers)
            async with asyncio.timeout(30):
                while len(answers) < seen + CALLERS:
                    await asyncio.sleep(0.01)
        manifest.write_bytes(good)
        reloads.append(await caller.post("/v1/models/reload"))
        done.set()

    async def both() -> None:
        async with Caller(victim.port) as caller, asyncio.TaskGroup() as group:
            group.create_task(together(victim.port, CALLERS, ask))
            group.create_task(reload(caller))

    victim = Victim(tmp_path, models=models)
    with victim:
        asyncio.run(both())
        log = victim.log_up_to_now()
    saw(reloads=SCALE.reloads + 1, answered=len(answers))
    assert {answer.status for answer in (*answers, *reloads)} == {200}
    assert log.count('"models reloaded"') == SCALE.reloads + 1
    assert f"{SPOILT}@1.0.0 is served as it was loaded before" in log
    assert len(answers) > CALLERS * SCALE.reloads
    stored = {row.prediction_id: str(row.output).encode() for row in all_rows(victim.place)}
    assert stored == {str(a.json["prediction_id"]): a.content for a in answers}
    assert verified(victim.place, victim.heads()).is_sound
