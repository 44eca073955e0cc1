"""Three validators of FHIR R4 resources: each refuses what the others let pass.

`fhir.resources` runs here; `@medplum/core`, which also knows our profile, and npm's
`fhir` run in one Node process for all resources.
"""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from fhir.resources.R4B import get_fhir_model_class

from service.fhir.structures import ASSESSMENT

FOLDER = Path(__file__).parent


def install() -> None:
    """Install what `package-lock.json` names, once; skip the test where that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js with npm is not installed")
    with (FOLDER / "package.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may install at this moment
        if (FOLDER / "node_modules" / ".package-lock.json").exists():
            return
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode != 0:
            pytest.skip(f"npm could not install the validators: {done.stderr[-400:]}")


class Validators:
    """Asks all validators about one resource after the other."""

    def __enter__(self) -> Self:
        install()
        self._process = subprocess.Popen(
            ["node", "validate.mjs"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask({"definitions": [ASSESSMENT]})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=20)

    def refusals(self, resource: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return what each validator has against a resource; nothing at all if it is valid."""
        refused: dict[str, list[str]] = self._ask({"resource": resource})
        refused["fhir.resources"] = _refused_by_fhir_resources(resource)
        return {name: reasons for name, reasons in refused.items() if reasons}

    def _ask(self, question: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _refused_by_fhir_resources(resource: Mapping[str, Any]) -> list[str]:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValueError as error:
        return [str(error)]
    return []
