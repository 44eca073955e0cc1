"""The first calls of a caller in TypeScript, Java and R, against the live service.

Each program predicts, is refused, and sends a batch, through types and methods that a generator
made; what it prints is what the service says to a plain HTTP call.
"""

import importlib.resources
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import make_client, need, run
from tests.contract.conftest import Guarded

PROGRAMS = Path(__file__).parent
DEBIAN_JARS = ("jsr305.jar", "geronimo-annotation-1.3-spec.jar")
R_PACKAGES = ("R6", "jsonlite", "httr", "stringr", "base64enc", "rlang")
PATIENT = {
    "ecog": 2,
    "age_years": 41,
    "disease": "AML",
    "post_transplant_cyclophosphamide": True,
    "hemoglobin_g_dl": 8.9,
}
INVALID = "urn:hsct2-risk:problem:invalid-patient"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def typescript(
    npm_tools: Path, guarded: Guarded, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder, _ = make_client("typescript", tmp_path_factory.mktemp("typescript"))
    (folder / "node_modules").symlink_to(npm_tools)
    shutil.copy(PROGRAMS / "first_call.ts", folder)
    compiler = npm_tools / ".bin" / "tsc"
    strictly = ("--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022")
    run(compiler, *strictly, "--outDir", "built", "first_call.ts", cwd=folder)
    return _seen(run("node", "built/first_call.js", *_of(guarded), cwd=folder))


@pytest.fixture(scope="module")
def java(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    need("java", "javac")
    jars = [Path("/usr/share/java") / name for name in DEBIAN_JARS]
    if missing := [jar.name for jar in jars if not jar.exists()]:
        pytest.skip(f"missing of Debian's Java libraries: {', '.join(missing)}")
    folder, _ = make_client("java", tmp_path_factory.mktemp("java"))
    jackson = importlib.resources.files("openapi_generator_cli") / "openapi-generator.jar"
    class_path = ":".join([str(folder / "built"), str(jackson), *map(str, jars)])
    sources = sorted((folder / "src" / "main").rglob("*.java"))
    compiler = ("javac", "-encoding", "UTF-8", "-cp", class_path, "-d", folder / "built")
    run(*compiler, *sources, PROGRAMS / "FirstCall.java")
    return _seen(run("java", "-cp", class_path, "FirstCall", *_of(guarded)))


@pytest.fixture(scope="module")
def r(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    need("Rscript", "R")
    for package in R_PACKAGES:
        asked = ["Rscript", "-e", f"quit(status = !requireNamespace('{package}', quietly = TRUE))"]
        if subprocess.run(asked, check=False, capture_output=True).returncode:
            pytest.skip(f"R's package {package} is not installed")
    folder, _ = make_client("r", tmp_path_factory.mktemp("r"))
    library = tmp_path_factory.mktemp("library")
    quick = ("--no-docs", "--no-byte-compile", "--no-test-load")
    run("R", "CMD", "INSTALL", *quick, f"--library={library}", folder)
    program = PROGRAMS / "first_call.R"
    return _seen(run("Rscript", program, *_of(guarded), R_LIBS=str(library)))


@pytest.fixture(params=["typescript", "java", "r"])
def seen(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def answered(guarded: Guarded) -> Any:
    """Return what a plain call gets for the same patient."""
    with guarded.server.client(**{"X-API-Key": guarded.key}) as client:
        answer = client.post(
            "/v1/predictions",
            params={"horizon_months": [6, 12], "confidence_level": 0.9},
            json=PATIENT,
        )
    assert answer.status_code == 200
    return answer.json()


def test_a_survival_curve_comes_typed(seen: dict[str, Any], answered: Any) -> None:
    survival = answered["survival"]
    assert seen["category"] == answered["risk"]["category"]
    horizons = [[h["months"], h["probability"]] for h in survival["horizons"]]
    assert _near(seen["horizons"]) == _near(horizons)
    curve = [survival["curve"][name] for name in ("months", "probability", "lower", "upper")]
    assert _near(seen["curve"]) == _near(curve)
    assert len(seen["prediction_id"]) == 36


def test_the_values_of_covariates_are_what_they_are(seen: dict[str, Any], request: Any) -> None:
    known = {name: value for name, value in seen["values"].items() if value is not None}
    if "[r]" in request.node.name:  # R puts values of several kinds into one column of words
        assert known == {name: str(value).upper() for name, value in PATIENT.items()}
    else:
        assert known == PATIENT


def test_a_bad_patient_comes_back_as_a_typed_problem(seen: dict[str, Any]) -> None:
    codes = [["ecog", "ecog_dead"], ["age_years", "less_than_equal"]]
    assert seen["problem"] == [INVALID, 422, codes]


def test_credentials_are_sent(seen: dict[str, Any]) -> None:
    assert seen["stranger"] == ["urn:hsct2-risk:problem:unauthenticated", 401]


def test_a_batch_is_answered(seen: dict[str, Any], guarded: Guarded) -> None:
    with guarded.server.client(**{"X-API-Key": guarded.key}) as client:
        batch = client.post(
            "/v1/predictions/batch",
            params={"horizon_months": [12]},
            json=[PATIENT, {"ecog": 0}, {"ecog": 5}],
        ).json()
    first, second, third = batch["predictions"]
    rows = [
        [1, "high", first["survival_12"], []],
        [2, "standard", second["survival_12"], []],
        [3, None, None, [[e["field"], e["code"]] for e in third["error"]]],
    ]
    assert _near(seen["batch"]) == _near(rows)
    assert seen["complete"] is True


def _of(guarded: Guarded) -> tuple[str, str]:
    return guarded.server.address, guarded.key


def _seen(printed: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(printed)
    return seen


def _near(node: Any) -> Any:
    """Return lists with their numbers to the digits that R prints."""
    if isinstance(node, list):
        return [_near(each) for each in node]
    return round(node, 12) if isinstance(node, float) else node
