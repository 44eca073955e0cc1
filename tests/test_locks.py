"""The locks: one resolution, no index addresses, and a service that needs the smallest only."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = {
    name: (ROOT / f"requirements/{name}.lock").read_text()
    for name in ("service", "training", "dev")
}

PREDICT_WITHOUT_TRAINING = """
import sys
from pathlib import Path
from model.patient import Patient
from model.prediction import predict
from service.app import create_app
from service.registry import Registry
from service.settings import Settings
settings = Settings()
registry = Registry.load(settings.models, settings.default_model)
create_app(settings, registry)
prediction = predict(registry.resolve(None).model, Patient(ecog=1))
assert 0 < prediction.survival.horizons[0].probability < 1
heavy = {"sksurv", "sklearn", "scipy", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


def pinned(lock: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==\S+", lock, flags=re.M))


def test_the_smaller_locks_are_parts_of_the_larger() -> None:
    assert pinned(LOCKS["service"]) < pinned(LOCKS["training"]) < pinned(LOCKS["dev"])


def test_no_lock_holds_an_address() -> None:
    assert not [name for name, text in LOCKS.items() if "://" in text]


def test_the_service_lock_holds_no_training_package() -> None:
    names = {pin.partition("==")[0] for pin in pinned(LOCKS["service"])}
    assert not names & {"scikit-survival", "scikit-learn", "scipy", "pandas"}


@pytest.mark.slow
def test_the_service_predicts_with_its_own_lock_alone(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    lock = ROOT / "requirements/service.lock"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock],
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        [python, "-c", PREDICT_WITHOUT_TRAINING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
