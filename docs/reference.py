"""Write the pages of the reference from what they are derived from.

``python -m docs.reference`` rewrites them; a test fails while they differ.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from inspect import cleandoc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import numpy as np
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from docs.rooms import with_rooms
from docs.tables import patient_table, settings_table, table
from model import artifact, plain_values
from model.manifest import FORMAT_VERSION, Manifest
from model.patient import COVARIATES
from service.access import SCOPES
from service.audit.store import Store
from service.metrics import Metrics
from service.predictions import PredictionQuery, PredictionRequest, answer
from service.problems import PROBLEM_TYPES, TYPE_PREFIX
from service.registry import Registry
from service.settings import SHIPPED_MODELS
from service.version import SERVICE_VERSION

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "reference"
ARCHITECTURE = Path(__file__).parent / "architecture.md"

_GENERATED = "Generated from {source} by `python -m docs.reference`."

_FILES = {
    artifact.MANIFEST: "what is said of the model, and the SHA-256 of all files but the signature",
    artifact.MODEL: "what predictions are computed from, as plain values",
    artifact.CARD: "the model card, for people",
    artifact.CARD_JSON: "the model card, for programs",
    artifact.REPORT: "the report, one page without anything from elsewhere",
    artifact.SIGNATURE: "Ed25519 over the bytes of the manifest; only where it was signed",
}


def pages() -> dict[str, str]:
    """Return all pages by their file's name."""
    made = {
        "api.md": _page("The API", "`openapi.yaml` and `service/access.py`", _api()),
        "patient.md": _page("The fields of a patient", "`model/patient.py`", _patient()),
        "settings.md": _page("Settings", "`service/settings.py`", _settings()),
        "problems.md": _page("Problem types", "`service/problems.py`", _problems()),
        "metrics.md": _page("Metrics", "`service/metrics.py`", _metrics()),
        "artifact.md": _page("The artifact", "`model/artifact.py` and `hsct2-os`", _artifact()),
    }
    return dict(sorted(made.items()))


def _page(title: str, source: str, parts: Iterator[str]) -> str:
    return "\n\n".join([f"# {title}", _GENERATED.format(source=source), *parts]) + "\n"


def _api() -> Iterator[str]:
    described = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    yield cleandoc("""
        The whole description is `openapi.yaml` in the checkout. A running service has it on
        `/openapi.yaml` and `/openapi.json`, and shows it on `/docs`. Errors are
        [problems](problems.md); below `/fhir` and `/cds-services` they are OperationOutcomes.
        """)
    of_tag: dict[str, list[tuple[str, ...]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            [tag] = operation["tags"]
            of_tag.setdefault(tag, []).append(_operation(method.upper(), path, operation))
    for tag in described["tags"]:
        yield f"## {tag['name']}"
        yield f"{tag['description'].rstrip('.')}."
        heads = ("call", "operation id", "scope", "does", "answers")
        yield table(heads, of_tag[tag["name"]])


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> tuple[str, ...]:
    scope = SCOPES[method, path]
    return (
        f"`{method} {path}`",
        f"`{operation['operationId']}`",
        "open to all" if scope is None else f"`{scope}`",
        operation["summary"],
        ", ".join(sorted(operation["responses"])),
    )


def _patient() -> Iterator[str]:
    yield cleandoc("""
        Only `ecog` is required. Every other field may be left out or null, which means unknown. A
        field that is not listed is refused, and the nearest known one is suggested.
        """)
    yield patient_table()
    yield "## In a model"
    yield cleandoc("""
        Before anything is fitted, a covariate is transformed, centred and divided by the standard
        deviation of the cohort. A coded value becomes 1, its reference 0.
        """)
    rows = (
        (f"`{name}`", covariate.kind.value, covariate.transform.value)
        for name, covariate in COVARIATES.items()
    )
    yield table(("field", "kind", "transform"), rows)


def _settings() -> Iterator[str]:
    yield cleandoc("""
        The environment configures the service. Everything is read once, at start. A name that
        begins with `HSCT2_` and is not listed is refused.
        """)
    yield settings_table()


def _problems() -> Iterator[str]:
    yield cleandoc(f"""
        Every error is `application/problem+json` (RFC 9457). Its `type` is `{TYPE_PREFIX}` and a
        name below, and stays the same. `errors` has all that is wrong at once, each with `field`,
        `code` and `message`. No submitted value is repeated. Where it helps to try again,
        `Retry-After` says when.
        """)
    rows = ((str(kind.status), f"`{kind.name}`", kind.title) for kind in PROBLEM_TYPES)
    yield table(("status", "name", "meaning"), rows)


def _metrics() -> Iterator[str]:
    yield cleandoc("""
        `/metrics` has them in Prometheus's text format, of this process alone. No label holds an
        address, a caller or anything that was submitted.
        """)
    rows = (
        (f"`{_name(metric)}`", metric.type, ", ".join(_labels(metric)), metric.documentation)
        for metric in metrics_in_use()
    )
    yield table(("name", "type", "labels", "meaning"), rows)


def metrics_in_use() -> list[Metric]:
    """Return the metrics of a service that has answered, so that all have their labels."""
    registry = Registry.load(SHIPPED_MODELS, "hsct2-os")
    with TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{folder}/audit.db", Path(folder) / "key.pem")
        metrics = Metrics(lambda: registry, store)
        metrics.predicted(
            answer(
                registry.resolve(None),
                PredictionRequest(ecog=4, age_years=110),
                PredictionQuery.model_validate({"curve": False}),
                prediction_id=str(UUID(int=0)),
                created_at=datetime.now(UTC),
                service_version=SERVICE_VERSION,
                audited=True,
            )
        )
        metrics.reloaded(accepted=True)
        metrics.began()
        metrics.answered("/v1/predictions", "POST", 200, 0.01)
        text = metrics.text().decode()
        store.close()
    families = text_string_to_metric_families(text)
    return [metric for metric in families if not metric.name.endswith("_created")]


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> list[str]:
    labels = dict.fromkeys(name for sample in metric.samples for name in sample.labels)
    return [f"`{name}`" for name in labels if name != "le"]


def _artifact() -> Iterator[str]:
    yield cleandoc(f"""
        A model is a folder. The format has version {FORMAT_VERSION}. Nothing in a folder depends on
        the time at which it was written. Loading it runs nothing; a file that is missing, altered,
        of another version or with a value that is not finite is refused, with the reason.
        """)
    yield table(("file", "holds"), ((f"`{name}`", what) for name, what in _FILES.items()))
    yield f"## `{artifact.MANIFEST}`"
    yield table(("key", "value", "meaning"), _fields(Manifest.model_json_schema()))
    for name, schema in Manifest.model_json_schema()["$defs"].items():
        yield f"### {name}"
        yield f"{schema['description']}"
        yield table(("key", "value", "meaning"), _fields(schema))
    yield f"## `{artifact.MODEL}`"
    yield cleandoc("""
        A joblib file of dictionaries, lists, numbers, strings and numeric arrays; the reader
        admits nothing else. Shapes are those of the shipped `hsct2-os`, with 12 covariates.
        """)
    content = (SHIPPED_MODELS / "hsct2-os" / artifact.MODEL).read_bytes()
    yield table(("key", "value"), _plain(plain_values.load(content), ""))


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, field in schema["properties"].items():
        yield f"`{name}`", _type(field), str(field.get("description", ""))


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object":
        return f"object of {_type(field['additionalProperties'])}"
    pattern = field.get("pattern")
    return f"{field['type']}, `{pattern}`" if pattern else str(field["type"])


def _plain(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if name == "analysis":
        yield f"`{name}`", "what report and card were rendered from (`model/analysis.py`)"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _plain(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _plain(value[0], f"{name}[]")
    else:
        yield f"`{name}`", _kind(value)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array, shape {value.shape}"
    return f"list of {len(value)}" if isinstance(value, list) else type(value).__name__


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    ARCHITECTURE.write_text(with_rooms(ARCHITECTURE.read_text(encoding="utf-8")), encoding="utf-8")
