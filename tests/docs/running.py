"""Run the commands of a document in their order, and compare what it says of their answers."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from tests.docs.blocks import Block, Kind, blocks_of
from tests.docs.checkout import Printed, run, serving
from tests.ports import free_port

VOLATILE = frozenset(
    {
        "prediction_id",
        "created_at",
        "request_id",
        "batch_id",
        "seconds",
        # of a model that was fitted here: its bytes are the same on one processor family only
        "sha256",
        "library_versions",
        # of FHIR and CDS Hooks
        "id",
        "uuid",
        "identifier",
        "occurrenceDateTime",
        "whenPeriod",
        "created",
        "div",
    }
)
"""What is of each call its own."""

_PORT = "127.0.0.1:8000"


@dataclass(frozen=True)
class Said:
    """What a document says of an answer, and the answer."""

    block: Block
    printed: Printed


def answers(document: str, checkout: Path, log: Path) -> Iterator[Said]:
    """Run a document's commands; yield each block that shows an answer, with the real one."""
    printed: Printed | None = None
    address = _PORT
    with ExitStack() as server:
        for block in blocks_of(document):
            match block.kind:
                case Kind.SERVE:
                    server.close()
                    address = server.enter_context(
                        serving(block.text, checkout, free_port(), log)
                    ).removeprefix("http://")
                case Kind.RUN:
                    printed = run(block.text.replace(_PORT, address), checkout)
                    shown = (text.replace(address, _PORT) for text in astuple(printed))
                    printed = Printed(*shown)
                case Kind.ANSWER | Kind.PART | Kind.LINES:
                    assert printed is not None, "an answer without a command before it"
                    yield Said(block, printed)
                case Kind.SHOWN | Kind.DIRECTIVE:
                    pass


def differences(said: Said) -> list[str]:
    """Return where a block does not say what was printed."""
    if said.block.kind is Kind.LINES:
        real = [line.rstrip() for line in lines_of(said.printed)]
        lines = filter(None, map(str.rstrip, said.block.text.splitlines()))
        return [f"not printed: {line}" for line in lines if line not in real]
    shown, printed = json.loads(said.block.text), json.loads(said.printed.output)
    return list(_differences(shown, printed, "$", whole=said.block.kind is Kind.ANSWER))


def lines_of(printed: Printed) -> list[str]:
    """Return all lines that a reader sees."""
    return [*printed.output.splitlines(), *printed.messages.splitlines()]


def _differences(shown: Any, printed: Any, where: str, *, whole: bool) -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(printed, dict):
        unknown = set(shown) - set(printed)
        missing = set(printed) - set(shown) if whole else set()
        yield from (f"{where}.{key} is not there" for key in unknown)
        yield from (f"{where}.{key} is not shown" for key in missing)
        for key in (set(shown) & set(printed)) - VOLATILE:
            yield from _differences(shown[key], printed[key], f"{where}.{key}", whole=whole)
    elif isinstance(shown, list) and isinstance(printed, list):
        if len(shown) != len(printed):
            yield f"{where} has {len(shown)}, not {len(printed)}"
        for index, (one, other) in enumerate(zip(shown, printed, strict=False)):
            yield from _differences(one, other, f"{where}[{index}]", whole=whole)
    elif _nine_digits(shown) != _nine_digits(printed):
        yield f"{where} differs"


def _nine_digits(value: Any) -> Any:
    """The last digits differ between processors."""
    return float(f"{value:.9g}") if isinstance(value, float) else value
