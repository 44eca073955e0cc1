"""What is ours is defined, valid, and says what the service does."""

from typing import Any

import httpx
import pytest

from service.chart.issues import ISSUES
from service.chart.reading import Issue, Severity, Verdict
from service.fhir.conformance import capability_statement
from service.fhir.operation import WHY_NOT
from service.fhir.options import OPTIONS
from service.fhir.outcome import ISSUE_TYPES, operation_outcome
from service.fhir.structures import STRUCTURES
from service.problems import PROBLEM_TYPES
from service.settings import Settings
from tests.fhir_validators import Validators
from tests.service.fhir import charts

CODE_SYSTEMS = ["assessment", "category", "chart", "issue", "model", "tag"]
PATHS = [
    "metadata",
    "OperationDefinition/hsct2-risk",
    *(f"StructureDefinition/{name}" for name in STRUCTURES),
    *(f"CodeSystem/hsct2-risk-{name}" for name in CODE_SYSTEMS),
]


def read(fhir: httpx.Client, path: str) -> dict[str, Any]:
    answered: dict[str, Any] = fhir.get(f"/{path}").raise_for_status().json()
    return answered


@pytest.mark.parametrize("path", PATHS)
def test_every_definition_is_valid_and_at_its_address(
    path: str, fhir: httpx.Client, validators: Validators
) -> None:
    definition = read(fhir, path)
    assert validators.refusals(definition) == {}
    if path != "metadata":
        assert definition["url"] == f"https://hsct2-risk.example/fhir/{path}"
        assert path == f"{definition['resourceType']}/{definition['id']}"


def test_the_capability_statement_leads_to_the_operation(fhir: httpx.Client) -> None:
    statement = read(fhir, "metadata")
    assert statement["fhirVersion"] == "4.0.1"
    (rest,) = statement["rest"]
    (operation,) = rest["operation"]
    path = operation["definition"].removeprefix("https://hsct2-risk.example/fhir/")
    definition = read(fhir, path)
    assert definition["code"] == operation["name"] == "hsct2-risk"
    readable = {resource["type"] for resource in rest["resource"]}
    assert readable == {path.partition("/")[0] for path in PATHS if "/" in path}


def test_the_operation_takes_what_its_definition_says(fhir: httpx.Client) -> None:
    parameters = read(fhir, "OperationDefinition/hsct2-risk")["parameter"]
    inward = [one["name"] for one in parameters if one["use"] == "in"]
    assert inward == ["resource", *OPTIONS]
    assert [one["type"] for one in parameters if one["use"] == "out"] == ["RiskAssessment"]


def test_every_code_and_extension_of_an_assessment_is_defined(fhir: httpx.Client) -> None:
    stale = charts.observation("hb", "718-7", days=200, **charts.quantity(9.1, "g/dL"))
    chart = charts.bundle(*charts.of_one(grade=3), stale)
    assessment = fhir.post("/$hsct2-risk", json=chart).json()
    codings, extensions = list(ours(assessment, "system")), list(ours(assessment, "url"))
    assert len({coding["system"] for coding in codings}) == 4
    for coding in codings:
        defined = read(fhir, coding["system"].removeprefix("https://hsct2-risk.example/fhir/"))
        assert coding["code"] in {concept["code"] for concept in defined["concept"]}
    assert len({extension["url"] for extension in extensions}) == 3
    for extension in extensions:
        defined = read(fhir, extension["url"].removeprefix("https://hsct2-risk.example/fhir/"))
        assert parts_of(defined) >= {part["url"] for part in extension["extension"]}


def ours(node: Any, key: str) -> Any:
    """Yield every object whose `key` holds an address of ours."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and str(node.get(key, "")).startswith("https://hsct2-risk.example"):
        yield node
    for child in children:
        yield from ours(child, key)


def parts_of(structure: dict[str, Any]) -> set[str]:
    elements = structure["differential"]["element"]
    return {e["fixedUri"] for e in elements if e["path"] == "Extension.extension.url"}


def test_the_statement_says_how_callers_are_known_and_where_the_service_is() -> None:
    statement: Any = capability_statement(
        Settings(public_url="https://risk.example/hsct2", auth="api-key", host="127.0.0.1")
    )
    assert statement["implementation"]["url"] == "https://risk.example/hsct2/fhir"
    assert "X-API-Key" in statement["rest"][0]["security"]["description"]


def test_every_issue_and_problem_has_a_type_that_fhir_knows(validators: Validators) -> None:
    errors = {code for code, (severity, _) in ISSUES.items() if severity is Severity.ERROR}
    problems = {kind.name for kind in PROBLEM_TYPES} - {
        "idempotency-key-reused",
        "invalid-columns",
        "invalid-patient",
        "reload-refused",
        "unknown-prediction",
        "unreadable-batch",
        "unsupported-batch-type",
    }
    assert errors | problems <= set(ISSUE_TYPES)
    assert set(WHY_NOT) == set(Verdict) - {Verdict.APPLIES}
    every = [Issue(Severity.ERROR, code, None, None, code) for code in (*ISSUES, *ISSUE_TYPES)]
    assert validators.refusals(operation_outcome(every)) == {}


def test_an_outcome_without_an_issue_is_none() -> None:
    with pytest.raises(ValueError, match="needs an issue"):
        operation_outcome([])
