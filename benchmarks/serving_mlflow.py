"""The naive model behind `mlflow models serve`, in a virtualenv of its own under build/.

MLflow is in no lock of ours: it is installed from PyPI where this contest is asked for.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.peer import PeerMissingError
from benchmarks.serving_process import Service
from tests.ports import free_port
from tests.server import FULL_PATIENT, ROOT

_VENV = ROOT / "build" / "mlflow"
_MLFLOW = "3.17.2"
_BODY = json.dumps({"dataframe_records": [FULL_PATIENT]})


def service(folder: Path, model: Path) -> Service:
    """Return MLflow's server of a joblib'd scikit-survival model."""
    python = _installed()
    saved = folder / "mlflow"
    script = Path(__file__).parent / "serving_mlflow_model.py"
    save = (
        "import sys, mlflow; mlflow.pyfunc.save_model(sys.argv[1],"
        " python_model=sys.argv[2], artifacts={'model': sys.argv[3]}, pip_requirements=[])"
    )
    subprocess.run([python, "-c", save, saved, script, model], check=True, capture_output=True)
    port = free_port()
    command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(saved)]
    return Service(
        [*command, "-p", str(port), "-w", "1", "--env-manager", "local"],
        port,
        folder / "mlflow.log",
        # MLflow starts the `uvicorn` that it finds on the path.
        settings={"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"},
        path="/invocations",
        body=_BODY,
    )


def _installed() -> Path:
    python = _VENV / "bin" / "python"
    done = _VENV / "done"
    if done.exists():
        return python
    wanted = [f"mlflow=={_MLFLOW}", *(f"{n}=={version(n)}" for n in ("scikit-survival", "joblib"))]
    try:
        subprocess.run([sys.executable, "-m", "venv", _VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    except (subprocess.CalledProcessError, OSError):
        raise PeerMissingError("MLflow could not be installed from PyPI") from None
    done.touch()
    return python
