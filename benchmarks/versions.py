"""What was measured: versions, and the machine."""

import os
import platform
from importlib.metadata import version

from benchmarks.peer import RSession


def versions(r: RSession) -> dict[str, str]:
    """Return the versions of all that took part, and the number of processors."""
    found = {"python": platform.python_version(), "processors": str(os.cpu_count())}
    found |= {name: version(name) for name in ("numpy", "joblib", "scikit-survival")}
    found["R"] = r.ask("as.character(getRversion())")
    for package in ("survival", "rms"):
        found[f"R {package}"] = r.ask(f'as.character(packageVersion("{package}"))')
    return found
