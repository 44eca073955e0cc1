"""CodeSystems: the codes of ours; which categories and models there are, the models say."""

from collections.abc import Mapping

from service.chart.codes import CHART_CODES, OWN_CODES
from service.chart.issues import ISSUES
from service.fhir import systems
from service.fhir.assessment import ASSESSED, SYNTHETIC_TAG
from service.fhir.definitions import Definition, code_system
from service.fhir.elements import Coding
from service.fhir.outcome import ISSUE_TYPES
from service.registry import Registry


def code_systems(registry: Registry) -> Mapping[str, Definition]:
    """Return every CodeSystem of ours, by id."""
    every = (
        code_system(
            "hsct2-risk-assessment",
            "Types of assessment",
            "What is assessed.",
            [ASSESSED],
        ),
        code_system(
            "hsct2-risk-category",
            "Risk categories",
            "Bands of the ECOG performance status, by which the served models categorise a"
            " patient; a model of another installation can have others.",
            _categories(registry),
            "fragment",
        ),
        code_system(
            "hsct2-risk-model",
            "Models",
            "The models that are served, each as id@version; another installation can serve"
            " others.",
            _models(registry),
            "fragment",
        ),
        code_system(
            "hsct2-risk-tag",
            "Tags",
            "What every user of an assessment must be able to see without reading it.",
            [SYNTHETIC_TAG],
        ),
        code_system(
            "hsct2-risk-issue",
            "Issues",
            "Names of what can be wrong with a call or a chart. They are stable, and further ones"
            " can come.",
            [
                _coding(systems.ISSUE_SYSTEM, code, code.replace("_", " ").replace("-", " "))
                for code in sorted({*ISSUES, *ISSUE_TYPES})
            ],
            "fragment",
        ),
        code_system(
            "hsct2-risk-chart",
            "Codes of a chart",
            "What a chart can say about a planned second transplant for which no public system"
            " has a code.",
            [_coding(CHART_CODES, code.code, code.display) for code in OWN_CODES],
        ),
    )
    return {str(system["id"]): system for system in every}


def _categories(registry: Registry) -> list[Coding]:
    names = dict.fromkeys(
        band.name
        for artifact in registry.artifacts.values()
        for band in artifact.model.risk_bands.bands
    )
    return [
        _coding(systems.CATEGORY_SYSTEM, name, f"{name.replace('_', ' ').capitalize()} risk")
        for name in names
    ]


def _models(registry: Registry) -> list[Coding]:
    return [
        _coding(systems.MODEL_SYSTEM, name, f"Cox proportional hazards model {name}")
        for name in registry.artifacts
    ]


def _coding(system: str, code: str, display: str) -> Coding:
    return {"system": system, "code": code, "display": display}
