"""The tools from npm, and clients made by the very command that the documents name."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.conftest import guarded
from tests.server import ROOT

__all__ = ["guarded"]

TOOLS = ROOT / "clients"


def need(*programs: str) -> None:
    """Skip the test where a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def run(*command: str | Path, cwd: Path = ROOT, seconds: int = 300, **more: str) -> str:
    """Run a program and return what it printed; a failure is the test's."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **more},
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr if command[0] == "make" else done.stdout


def make_client(language: str, out: Path) -> tuple[Path, str]:
    """Make a client, by the programs of the tests' environment; return where, and what was said."""
    programs = Path(sys.executable).parent
    said = run(
        "make",
        "--assume-old=.venv/dev.done",
        f"BIN={programs}",
        "client",
        f"LANG={language}",
        f"OUT={out}",
    )
    return out, said


@pytest.fixture(scope="session")
def npm_tools() -> Path:
    """Return the folder of npm's programs, installed once from the lock."""
    need("node", "npm")
    with (TOOLS / "package.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may install at this moment
        done = subprocess.run(
            ["make", "clients/node_modules/.package-lock.json"],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
    if done.returncode != 0:
        pytest.skip(f"npm could not install the tools: {done.stderr[-400:]}")
    return TOOLS / "node_modules"
