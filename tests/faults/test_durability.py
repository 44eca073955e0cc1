"""A power cut cannot be tested by SIGKILL: the calls of the process can."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.faults import trace
from tests.faults.load import Answer, Caller, together
from tests.faults.process import Victim
from tests.faults.scale import SCALE
from tests.faults.trace import Call

CALLERS = 6
QUERY = "curve=false&model=hsct2-os-ecog&horizon_months=12"
"""A small answer: its row is in one page of the database, so that its bytes are together."""


def line_when_durable(row: bytes, writes: Sequence[Call], syncs: Sequence[Call]) -> int:
    """Return the line at which a file that these bytes were written to had been synced."""
    written = [w for w in writes if row in w.content]
    durable = [
        sync.ended
        for write in written
        for sync in syncs
        if sync.file == write.file and 0 <= write.ended < sync.began and sync.ended >= 0
    ]
    assert durable, "the row was never written and then synced"
    return min(durable)


@pytest.mark.slow
def test_each_answer_is_sent_after_its_row_was_written_and_synced(tmp_path: Path, saw: Any):
    reason = trace.why_not(tmp_path)
    if reason is not None:
        pytest.skip(reason)
    file = tmp_path / "trace"
    answers: list[Answer] = []

    async def ask(caller: Caller, _: int) -> None:
        for _ in range(SCALE.requests_traced // CALLERS):
            answer = await caller.post(f"/v1/predictions?{QUERY}", b'{"ecog": 1}')
            answers.append(answer)

    victim = Victim(tmp_path, prefix=trace.command(file))
    with victim:
        asyncio.run(together(victim.port, CALLERS, ask))
    with file.open(encoding="ascii") as lines:
        calls = [call for call in trace.calls(lines) if not call.failed]
    store = victim.place.file
    assert {answer.status for answer in answers} == {200}
    in_store = [call for call in calls if call.file.startswith(str(store))]
    syncs = [call for call in in_store if call.name in ("fsync", "fdatasync")]
    writes = [call for call in in_store if call.name not in ("fsync", "fdatasync")]
    sends = [call for call in calls if "socket:" in call.file or "TCP:" in call.file]
    saw(answered=len(answers), writes=len(writes), syncs=len(syncs), sends=len(sends))
    for answer in answers:
        named = answer.headers["x-request-id"].encode()
        sent = min(call.began for call in sends if named in call.content)
        assert line_when_durable(answer.content, writes, syncs) < sent
