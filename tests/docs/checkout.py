"""A copy of the checkout in which the commands of a document run, as a reader would run them."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.server import environment

ROOT = Path(__file__).parent.parent.parent
_SECONDS_TO_START = 60


def copied(folder: Path) -> Path:
    """Copy the tracked files into a folder, with the environment and the page that are there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    if (ROOT / "service/static").is_dir():  # the page, if it was built: npm takes a while
        shutil.copytree(ROOT / "service/static", folder / "service/static")
    return folder


@dataclass(frozen=True)
class Printed:
    """What a command wrote: its output, and its messages beside it."""

    output: str
    messages: str


def run(command: str, checkout: Path) -> Printed:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=checkout,
        env=environment() | {"COLUMNS": "110"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return Printed(done.stdout, done.stderr)


@contextmanager
def serving(command: str, checkout: Path, port: int, log: Path) -> Iterator[str]:
    """Run a command that serves on this port; yield its address once it is ready."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=checkout,
            env=environment(port=port),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _SECONDS_TO_START
        while not _is_ready(address):
            assert process.poll() is None, f"{command}\nended:\n{log.read_text()}"
            assert time.monotonic() < end, f"{command}\nis not ready:\n{log.read_text()}"
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").status_code == 200
    except httpx.TransportError:
        return False
