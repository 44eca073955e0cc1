"""The definitions of what is ours, which do not depend on what is served."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from service.chart.codes import CANONICAL_BASE
from service.fhir.elements import Coding
from service.version import SERVICE_VERSION

Definition = Mapping[str, JsonValue]

PUBLISHED = "2026-11-22"
"""When the definitions last changed; of a canonical resource it is required to know."""


def head(kind: str, name: str, title: str, description: str) -> dict[str, JsonValue]:
    """Return what all our definitions say of themselves; `name` is their id too."""
    return {
        "resourceType": kind,
        "id": name,
        "url": f"{CANONICAL_BASE}/{kind}/{name}",
        "version": SERVICE_VERSION,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": title,
        "status": "active",
        "experimental": False,
        "date": PUBLISHED,
        "publisher": "hsct2-risk",
        "description": description,
    }


def code_system(
    name: str, title: str, description: str, concepts: Sequence[Coding], content: str = "complete"
) -> Definition:
    """Return a system of our codes; `content` is ``fragment`` where others serve further ones."""
    return {
        **head("CodeSystem", name, title, description),
        "caseSensitive": True,
        "content": content,
        "count": len(concepts),
        "concept": [
            {"code": concept["code"], "display": concept["display"]} for concept in concepts
        ],
    }


def extension(
    name: str, title: str, description: str, context: str, parts: Mapping[str, tuple[str, str, str]]
) -> Definition:
    """Return an extension of parts: by name, their cardinality as ``0..1``, type and meaning."""
    url = f"{CANONICAL_BASE}/StructureDefinition/{name}"
    elements: list[JsonValue] = [
        {
            "id": "Extension",
            "path": "Extension",
            "short": title,
            "definition": description,
        },
    ]
    for part, (cardinality, kind, meaning) in parts.items():
        low, high = cardinality.split("..")
        at = f"Extension.extension:{part}"
        elements += [
            {
                "id": at,
                "path": "Extension.extension",
                "sliceName": part,
                "short": meaning,
                "min": int(low),
                "max": high,
            },
            {"id": f"{at}.extension", "path": "Extension.extension.extension", "max": "0"},
            {"id": f"{at}.url", "path": "Extension.extension.url", "fixedUri": part},
            {
                "id": f"{at}.value[x]",
                "path": "Extension.extension.value[x]",
                "min": 1,
                "type": [{"code": kind}],
            },
        ]
    elements += [
        {"id": "Extension.url", "path": "Extension.url", "fixedUri": url},
        {"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"},
    ]
    return {
        **head("StructureDefinition", name, title, description),
        "fhirVersion": "4.0.1",
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": context}],
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "differential": {"element": elements},
    }
