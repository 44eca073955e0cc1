"""Every command, answer and table of the README is what it says."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from docs.readme import with_answer, with_tables
from service.settings import Settings
from tests.docs.checkout import copied, run, serving
from tests.ports import free_port
from training.cohort import Declaration

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.S)
COMMANDS = [text.strip() for language, text in BLOCKS if language == "sh"]
JSON_BLOCKS = [text for language, text in BLOCKS if language == "json"]

SERVE, CALL, CREATE_KEY, SERVE_WITH_KEYS, PREDICT, TRAIN, TEST = COMMANDS

# Of each call its own.
VOLATILE = ("prediction_id", "created_at")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("checkout"))


@contextmanager
def served(command: str, checkout: Path) -> Iterator[str]:
    """Run a command of the README that serves, on a free port; yield its address."""
    with serving(command, checkout, free_port(), checkout / "served.log") as address:
        yield address


def rounded(value: Any) -> Any:
    """Numbers to nine digits: the last ones differ between processors."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items() if k not in VOLATILE}
    return [rounded(v) for v in value] if isinstance(value, list) else value


@pytest.mark.slow
def test_the_first_call_gets_the_answer_that_is_printed(checkout: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with served(SERVE, checkout) as address:
        answer = json.loads(run(CALL.replace("http://127.0.0.1:8000", address), checkout).output)
    printed = json.loads(JSON_BLOCKS[0])
    assert set(answer) == set(printed)
    assert rounded(answer) == rounded(printed)


@pytest.mark.slow
def test_the_service_with_keys_asks_for_the_key_that_was_made(checkout: Path) -> None:
    key = run(CREATE_KEY, checkout).output.strip()
    with served(SERVE_WITH_KEYS, checkout) as address:
        url = f"{address}/v1/predictions"
        assert httpx.post(url, json={"ecog": 1}).status_code == 401
        with_key = httpx.post(url, json={"ecog": 1}, headers={"X-API-Key": key})
        assert with_key.status_code == 200


@pytest.mark.slow
def test_patients_in_a_file_are_predicted(checkout: Path) -> None:
    run(PREDICT, checkout)
    predicted = (checkout / "build/predicted/patients.ndjson").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in predicted.splitlines()]
    assert [row["category"] for row in rows] == ["standard", "high"]
    assert rows[1]["survival_12"] < rows[0]["survival_12"]


@pytest.mark.slow
def test_the_training_commands_make_artifacts(checkout: Path) -> None:
    run(TRAIN, checkout)
    made = {path.parent.name for path in (checkout / "build/models").glob("*/manifest.json")}
    assert made == {"hsct2-os", "hsct2-os-ecog"}


def test_ci_runs_the_test_command() -> None:
    assert TEST in (ROOT / ".ci/run").read_text().splitlines()


def test_the_declaration_that_is_shown_is_valid() -> None:
    declaration = Declaration.model_validate(json.loads(JSON_BLOCKS[1]))
    assert not declaration.synthetic


def test_the_tables_are_those_of_the_definitions() -> None:
    assert with_tables(README) == README, "run make docs"


def test_a_wrong_answer_would_be_rewritten() -> None:
    wrong = README.replace('"ecog": 2', '"ecog": 1', 1)
    assert rounded(json.loads(JSON_BLOCKS[0])) != rounded(
        json.loads(re.findall(r"```json\n(.*?)```", with_answer(wrong), flags=re.S)[0])
    )


def test_every_setting_is_in_the_table() -> None:
    for name in Settings.model_fields:
        assert f"| `HSCT2_{name.upper()}` |" in README
