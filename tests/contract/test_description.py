"""`openapi.yaml`: the one that the app makes, valid, complete and kind to generators."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from model.patient import COVARIATES, Kind
from service.access import SCOPES
from service.problems import PROBLEM_TYPES
from tests.contract.conftest import COMMITTED, Guarded
from tests.server import run_service

UNDESCRIBED = {"/", "/static/{name}", "/docs", "/docs/oauth2-redirect", "/openapi.json"}


def operations(description: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def walk(node: Any, at: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield at, node
        for key, value in node.items():
            yield from walk(value, f"{at}/{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from walk(value, f"{at}/{position}")


def test_the_committed_description_is_the_one_that_the_app_makes(tmp_path: Path) -> None:
    printed = run_service("openapi")
    assert printed.stdout == COMMITTED.read_text(encoding="utf-8"), (
        "the API has changed: run `python -m service openapi --out openapi.yaml`"
    )
    assert run_service("openapi", "--out", str(tmp_path / "o.yaml")).returncode == 0
    assert (tmp_path / "o.yaml").read_bytes() == COMMITTED.read_bytes()


def test_the_service_hands_the_same_description_out_as_json(
    description: Any, guarded: Guarded
) -> None:
    with guarded.server.client() as client:
        assert client.get("/openapi.json").json() == description


def test_it_is_valid_openapi_3_1(description: Any) -> None:
    assert description["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(description).iter_errors()) == []


def test_it_describes_every_route_with_the_security_that_the_route_has(description: Any) -> None:
    described = {(method, path): o for method, path, o in operations(description)}
    routes = {route: scope for route, scope in SCOPES.items() if route[1] not in UNDESCRIBED}
    assert set(described) == set(routes)
    for route, scope in routes.items():
        either: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}]
        expected = [] if scope is None else either
        assert described[route]["security"] == expected


def test_operations_make_good_method_names(description: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(description)]
    assert len(set(names)) == len(names)
    assert all(
        re.fullmatch(r"(predict|assess|get|list|reload|call|give)(_[a-z]+)+", name)
        for name in names
    )
    assert "predict_survival" in names
    declared = {tag["name"] for tag in description["tags"]}
    for _, _, operation in operations(description):
        assert set(operation["tags"]) <= declared
        assert len(operation["tags"]) == 1
        assert operation["summary"]
        assert operation["description"]


def test_every_error_is_declared_as_a_problem(description: Any) -> None:
    known = {str(kind.status) for kind in PROBLEM_TYPES}
    for _, path, operation in operations(description):
        statuses = set(operation["responses"])
        assert {"200", "500"} <= statuses
        if operation["security"]:
            assert {"401", "403", "503"} <= statuses
        if operation.get("parameters"):
            assert "422" in statuses
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "422"} <= statuses
        if path == "/readyz":
            assert "503" in statuses
        for status in statuses - {"200"}:
            assert status in known
            media_type, shape = ("application/problem+json", "Problem")
            if path.startswith(("/fhir/", "/cds-services")):
                media_type, shape = ("application/fhir+json", "OperationOutcome")
            assert operation["responses"][status]["content"] == {
                media_type: {"schema": {"$ref": f"#/components/schemas/{shape}"}}
            }


def test_schemas_have_plain_names(description: Any) -> None:
    names = set(description["components"]["schemas"])
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", name) for name in names)
    assert {
        "Patient",
        "Prediction",
        "Problem",
        "PredictionWarning",
        "Disease",
        "Conditioning",
    } <= names
    assert not {name for name in names if name.endswith(("Input", "Output", "Request"))}
    for name, schema in description["components"]["schemas"].items():
        assert schema["title"] == name


def test_every_reference_leads_somewhere_and_every_schema_is_used(description: Any) -> None:
    names = {
        node["$ref"].removeprefix("#/components/schemas/")
        for _, node in walk(description)
        if "$ref" in node
    }
    assert names == set(description["components"]["schemas"])


def test_nothing_in_it_breaks_generators(description: Any) -> None:
    for at, node in walk(description):
        if not at.endswith("/properties"):
            assert not isinstance(node.get("default"), list | dict), at
        assert "oneOf" not in node, at
        assert "prefixItems" not in node, at
        if "anyOf" in node:
            assert len([option for option in node["anyOf"] if option != {"type": "null"}]) == 1, at


def test_a_parameter_is_never_null(description: Any) -> None:
    for _, _, operation in operations(description):
        for parameter in operation.get("parameters", ()):
            assert "type" in parameter["schema"]
            assert parameter["description"]


@pytest.mark.parametrize("name", list(COVARIATES))
def test_the_patient_is_described_by_its_one_definition(name: str, description: Any) -> None:
    patient = description["components"]["schemas"]["Patient"]
    covariate = COVARIATES[name]
    field = patient["properties"][name]
    assert covariate.label in field["description"]
    assert covariate.codes in field["description"]
    assert field.get("x-unit") == covariate.unit
    assert (name in patient["required"]) == (name == "ecog")
    schema = field if name == "ecog" else field["anyOf"][0]
    if name != "ecog":
        assert field["anyOf"][1:] == [{"type": "null"}]
    if covariate.accepted is not None:
        assert (schema["minimum"], schema["maximum"]) == covariate.accepted
        assert covariate.unit is None or covariate.unit in field["description"]
    if covariate.kind is Kind.CHOICE:
        named = schema["$ref"].rpartition("/")[2]
        assert description["components"]["schemas"][named]["enum"] == list(covariate.choices)
    kinds = {Kind.GRADE: "integer", Kind.NUMBER: "number", Kind.BOOLEAN: "boolean"}
    assert schema.get("type") == kinds.get(covariate.kind)


def test_the_patient_has_no_other_fields_than_the_covariates_and_a_reference(
    description: Any,
) -> None:
    patient = description["components"]["schemas"]["Patient"]
    assert list(patient["properties"]) == [*COVARIATES, "subject_reference"]
    assert patient["additionalProperties"] is False
