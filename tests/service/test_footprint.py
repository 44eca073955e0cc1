"""What the serving process holds: nothing of training, and nothing before it is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from service.audit import migrations
from tests.server import ROOT, Server, environment, run_service

TRAINING = {"sksurv", "sklearn", "scipy", "pandas", "matplotlib", "jinja2"}
NOT_BEFORE_FIRST_USE = {
    *("pyarrow", "pint", "ucumvert", "distributed", "alembic", "joblib"),
    *("httpx", "jwt", "pygments", "typer", "yaml"),
}

ARITHMETIC = """
from pathlib import Path
from service import __main__
from service.registry import Registry
from service.settings import Settings
settings = Settings()
registry = Registry.load(settings.models, settings.default_model)
threads = [line for line in Path("/proc/self/status").read_text().splitlines() if "Threads" in line]
print(threads[0].split()[1])
"""


def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the packages that a service has imported once it has answered a prediction."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with Server(folder / "log") as server, server.client() as client:
        assert client.post("/v1/predictions", json={"ecog": 1}).status_code == 200
    return {module.partition(".")[0] for module in modules(server.log())}


def modules(printed: str) -> set[str]:
    """Return what Python says that it imported."""
    imports = [line for line in printed.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in imports}


def test_a_service_loads_nothing_of_training_and_nothing_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(tmp_path, monkeypatch)  # makes the store, for which the migrations are needed
    packages = served(tmp_path, monkeypatch)
    assert {"service", "numpy"} <= packages
    assert not packages & TRAINING
    assert not packages & NOT_BEFORE_FIRST_USE


def test_a_job_over_files_loads_nothing_that_answers_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    (tmp_path / "in.csv").write_text("ecog\n1\n")
    done = run_service("predict", str(tmp_path / "in.csv"), str(tmp_path / "out"))
    assert done.returncode == 0
    loaded = modules(done.stderr)
    assert {"service.batch.job", "pyarrow"} <= loaded
    assert not loaded & {"service.app", "service.serving", "uvicorn", "httpx", "distributed"}


def test_arithmetic_has_one_thread() -> None:
    rest = {k: v for k, v in environment().items() if "NUM_THREADS" not in k}
    done = subprocess.run(
        [sys.executable, "-c", ARITHMETIC],
        cwd=ROOT,
        env=rest,
        capture_output=True,
        text=True,
        check=True,
    )
    # A second BLAS thread for each further processor would be left.
    assert int(done.stdout) == 1 or os.cpu_count() == 1


def test_the_newest_revision_is_known_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.newest_revision()
