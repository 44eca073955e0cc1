"""Write the README's tables and the answer it shows from what they are derived from.

``python -m docs.readme`` rewrites them; a test fails while they differ.
"""

import asyncio
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from docs.tables import patient_table, settings_table, table
from model import artifact
from service.app import create_app
from service.audit.store import Store
from service.registry import Registry
from service.settings import SHIPPED_MODELS, Settings

README = Path(__file__).parent.parent / "README.md"

_CALL = re.compile(r"curl -s -X POST '(?P<url>[^']*)'.*?-d '(?P<body>[^']*)'", re.S)
_ANSWER = re.compile(r"(?<=```json\n).*?(?=```)", re.S)
_OF_EACH_CALL_ITS_OWN = ("prediction_id", "created_at")


def ecog_table() -> str:
    """Return ECOG's hazard ratio as published, reproduced and served, as a Markdown table."""
    effects = {
        name: artifact.load(SHIPPED_MODELS / name).manifest.ecog_effects
        for name in ("hsct2-os", "hsct2-os-ecog")
    }
    rows = [(e.source, e) for e in effects["hsct2-os"][:-1]]
    rows += [(f"served by `{name}`", of_model[-1]) for name, of_model in effects.items()]
    return table(
        ("ECOG, per point", "hazard ratio", "95 % interval"),
        (
            (source, f"{e.hazard_ratio:.3f}", f"{e.lower:.3f} to {e.upper:.3f}")
            for source, e in rows
        ),
    )


def with_tables(text: str) -> str:
    """Return a document with every marked table made anew."""
    tables = {"patient": patient_table, "settings": settings_table, "ecog": ecog_table}
    for name, made in tables.items():
        begin, end = f"<!-- {name} table -->", f"<!-- end of {name} table -->"
        text = re.sub(
            f"{begin}.*?{end}",
            f"{begin}\n\n{made()}\n\n{end}".replace("\\", r"\\"),
            text,
            flags=re.S,
        )
    return text


def with_answer(text: str) -> str:
    """Return a document whose first JSON block is the answer to its first call.

    An answer that is right already keeps its id and time.
    """
    call = _CALL.search(text)
    assert call is not None
    answer = asyncio.run(_ask(call["url"], call["body"]))
    shown = _ANSWER.search(text)
    assert shown is not None
    before = json.loads(shown[0] or "{}")
    answer |= {name: before[name] for name in _OF_EACH_CALL_ITS_OWN if name in before}
    return text[: shown.start()] + compact(answer) + "\n" + text[shown.end() :]


async def _ask(url: str, body: str) -> dict[str, Any]:
    settings = Settings()
    registry = Registry.load(settings.models, settings.default_model)
    with TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/audit.db", Path(folder) / "key.pem")
        transport = httpx.ASGITransport(create_app(settings, registry, store))
        async with httpx.AsyncClient(transport=transport) as client:
            headers = {"Content-Type": "application/json"}
            response = await client.post(url, content=body, headers=headers)
        store.close()
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def compact(value: Any, indent: str = "") -> str:
    """Return JSON with one line for each object or list that fits into 100 characters."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 98 or not isinstance(value, dict | list):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {compact(item, deeper)}" for key, item in value.items()]
    else:
        parts = [compact(item, deeper) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    separator = f",\n{deeper}"
    return f"{opening}\n{deeper}{separator.join(parts)}\n{indent}{closing}"


if __name__ == "__main__":
    README.write_text(with_answer(with_tables(README.read_text())))
