"""What the serving process holds: nothing of training, and nothing before it is needed."""

import os
import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from service.audit import migrations
from tests.server import ROOT, environment

TRAINING = {"sksurv", "sklearn", "scipy", "pandas", "matplotlib", "jinja2"}
NOT_BEFORE_FIRST_USE = {"pyarrow", "pint", "ucumvert", "distributed", "alembic"}

SERVE = """
import asyncio, sys
from pathlib import Path
import httpx
from service import __main__
from service.app import create_app
from service.audit.store import Store
from service.registry import Registry
from service.settings import Settings
settings = Settings()
registry = Registry.load(settings.models, settings.default_model)
store = Store.open(settings.audit_url, settings.audit_key)
app = create_app(settings, registry, store)

async def ask():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/v1/predictions", json={"ecog": 1})
    assert answer.status_code == 200, answer.text

asyncio.run(ask())
store.close()
print(*sorted({name.partition(".")[0] for name in sys.modules}))
threads = [line for line in Path("/proc/self/status").read_text().splitlines() if "Threads" in line]
print(threads[0].split()[1])
"""


def served(folder: Path) -> tuple[set[str], int]:
    """Return the packages and the threads of a process that has answered a prediction."""
    settings = {"audit_url": f"sqlite:///{folder / 'a.db'}", "audit_key": folder / "a.pem"}
    rest = {k: v for k, v in environment(**settings).items() if "NUM_THREADS" not in k}
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=ROOT,
        env=rest,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    packages, threads = done.stdout.splitlines()[-2:]
    return set(packages.split()), int(threads)


def test_a_serving_process_holds_nothing_of_training_and_one_thread_of_arithmetic(
    tmp_path: Path,
) -> None:
    served(tmp_path)  # makes the store, for which the migrations are needed
    packages, threads = served(tmp_path)
    assert "numpy" in packages
    assert not packages & TRAINING
    assert not packages & NOT_BEFORE_FIRST_USE
    # The store is closed; a second BLAS thread for each further processor would be left.
    assert threads == 1 or os.cpu_count() == 1


def test_the_newest_revision_is_known_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.newest_revision()
