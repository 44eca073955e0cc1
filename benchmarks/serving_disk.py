"""The disk under the audit store: its file system, and how long it takes to be sure."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.peer import PeerMissingError

_SYNCS = 100
_IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}


def file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [m for m in mounts if folder.resolve().is_relative_to(m[0])]
    return max(inside[::-1], key=lambda mount: len(mount[0]))[1]  # the last mounted hides others


def fsync_milliseconds(folder: Path) -> float:
    """Return the median time of an fsync after a page was appended."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return 1000 * median(taken)


def disk(folder: Path) -> dict[str, str]:
    """Describe the disk that a folder is on."""
    latency = f"{fsync_milliseconds(folder):.2f}"
    return {"file system": file_system(folder), "fsync, milliseconds": latency}


def refuse_memory(folder: Path) -> None:
    """Refuse a folder in memory: a store there waits for no disk and proves nothing."""
    if file_system(folder) in _IN_MEMORY:
        raise PeerMissingError(f"{folder} is in memory; set TMPDIR to a folder on a disk")
