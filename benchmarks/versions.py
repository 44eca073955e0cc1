"""What was measured: versions, and the machine."""

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.peer import RSession
from benchmarks.serving_disk import disk

_PACKAGES = (
    "numpy",
    "joblib",
    "scikit-survival",
    "fastapi",
    "h11",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
)


def versions(r: RSession) -> dict[str, str]:
    """Return the versions of all that took part, the number of processors, and the disk."""
    found = {"python": platform.python_version(), "processors": str(os.cpu_count())}
    found |= {name: version(name) for name in _PACKAGES}
    found |= disk(Path(tempfile.gettempdir()))
    if not r.is_started:
        return found
    found["R"] = r.ask("as.character(getRversion())")
    for package in ("survival", "rms"):
        found[f"R {package}"] = r.ask(f'as.character(packageVersion("{package}"))')
    return found
