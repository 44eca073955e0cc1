"""What the live service answers is what `openapi.yaml` says, and nothing besides."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_schema_validator import OAS31Validator

from tests.contract.conftest import Guarded
from tests.contract.test_description import walk
from tests.faults.scale import SCALE
from tests.server import FULL_PATIENT

EXCEPTIONS = """
[checks.negative_data_rejection]
# 413 too: what is longer than a schema allows may be longer than is read at all.
expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx",
]

[[operations]]
include-tag = "fhir"
[operations.checks.positive_data_acceptance]
# 422 too: whether a resource is the chart of a patient, no schema says.
expected-statuses = ["2xx", "401", "403", "404", "422", "429", "5xx"]

[[operations]]
include-tag = "cds"
[operations.checks.positive_data_acceptance]
# 412 too: whether a chart has what an answer needs; and 422, whether it is the patient's.
expected-statuses = ["2xx", "401", "403", "404", "412", "422", "429", "5xx"]

[[operations]]
include-operation-id = "predict_survival_batch"
[operations.checks.negative_data_rejection]
# 200 too: a row that is no patient has its own error and sinks nothing.
expected-statuses = ["200", "400", "401", "403", "404", "406", "413", "415", "422", "429", "5xx"]
"""


@pytest.fixture(scope="module")
def closed(description: Any) -> Any:
    """Return the description with every object closed: what is not described is an error."""
    strict = copy.deepcopy(description)
    for _, node in walk(strict["components"]["schemas"]):
        if "properties" in node and node.get("type") == "object":
            node["additionalProperties"] = False
    return strict


def errors_of(answer: Any, name: str, closed: Any) -> list[str]:
    schema = {"$ref": f"#/components/schemas/{name}", "components": closed["components"]}
    return [error.message for error in OAS31Validator(schema).iter_errors(answer)]


@pytest.mark.parametrize(
    ("patient", "query"),
    [
        ({"ecog": 0}, ""),
        ({"ecog": 4, "subject_reference": "x"}, "?horizon_months=0.01&horizon_months=900"),
        (FULL_PATIENT, "?curve=false&model=hsct2-os-ecog"),
        ({**FULL_PATIENT, "age_years": 110}, "?confidence_level=0.999"),
    ],
)
def test_a_prediction_is_as_described(
    patient: dict[str, Any], query: str, closed: Any, guarded: Guarded
) -> None:
    with guarded.server.client(**{"X-API-Key": guarded.key}) as client:
        answer = client.post(f"/v1/predictions{query}", json=patient).json()
    assert errors_of(answer, "Prediction", closed) == []


def test_a_deviation_would_be_noticed(closed: Any, guarded: Guarded) -> None:
    with guarded.server.client(**{"X-API-Key": guarded.key}) as client:
        answer = client.post("/v1/predictions", json={"ecog": 1}).json()
    assert errors_of({**answer, "score": 3}, "Prediction", closed)
    answer["survival"]["horizons"][0]["probability"] = 1.5
    assert errors_of(answer, "Prediction", closed)


def test_the_other_answers_are_as_described(closed: Any, guarded: Guarded) -> None:
    with guarded.server.client(**{"X-API-Key": guarded.key}) as client:
        for model in client.get("/v1/models").json():
            assert errors_of(model, "ModelSummary", closed) == []
        assert errors_of(client.get("/v1/models/hsct2-os").json(), "ModelDetail", closed) == []
        assert errors_of(client.get("/livez").json(), "Liveness", closed) == []
        assert errors_of(client.get("/readyz").json(), "Readiness", closed) == []
        bad = client.post("/v1/predictions", json={"ecog": 5, "x": 1}).json()
        assert errors_of(bad, "Problem", closed) == []


def test_the_examples_of_the_description_are_answered(description: Any, guarded: Guarded) -> None:
    examples = description["components"]["schemas"]["Patient"]["examples"]
    assert len(examples) >= 2
    with guarded.server.client(**{"X-API-Key": guarded.key}) as client:
        for example in examples:
            assert client.post("/v1/predictions", json=example).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("has_key", [True, False], ids=["with a key", "without"])
def test_schemathesis_finds_no_deviation(
    has_key: bool, description: Any, guarded: Guarded, tmp_path: Path
) -> None:
    described = copy.deepcopy(description)
    predict = described["paths"]["/v1/predictions"]["post"]
    # A key that is used again for another patient is rightly refused, which no schema says.
    predict["parameters"] = [p for p in predict["parameters"] if p["name"] != "Idempotency-Key"]
    # The fuzzer writes none of the other forms of a batch; tests/service/batch throws those.
    batch = described["paths"]["/v1/predictions/batch"]["post"]["requestBody"]["content"]
    for form in batch.keys() - {"application/json"}:
        del batch[form]
    specification = tmp_path / "openapi.yaml"
    specification.write_text(yaml.safe_dump(described), encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(EXCEPTIONS, encoding="utf-8")
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(specification),
            f"--url={guarded.server.address}",
            *([f"--header=X-API-Key: {guarded.key}"] if has_key else []),
            "--checks=all",
            f"--max-examples={2 * SCALE.fuzz_seconds}",
            f"--max-time={SCALE.fuzz_seconds}",
            "--seed=1",
            "--continue-on-failure",
            "--report=json",
            f"--report-json-path={tmp_path / 'report.json'}",
        ],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120 + 2 * SCALE.fuzz_seconds,
    )
    assert run.returncode == 0, run.stdout[-8000:]
    selected = sum(len(path) for path in described["paths"].values())
    assert f"{selected} selected" in run.stdout
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
