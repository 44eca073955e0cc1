"""The tables that several pages show, in Markdown."""

import json
from collections.abc import Iterable, Iterator, Sequence

from pydantic_core import PydanticUndefined

from model.patient import COVARIATES, Covariate, Kind
from service.settings import SHIPPED_MODELS, Settings


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def patient_table() -> str:
    """Return the fields of a patient."""
    rows = (
        (f"`{name}`", covariate.label, _accepted(covariate), covariate.codes)
        for name, covariate in COVARIATES.items()
    )
    return table(("field", "meaning", "accepted", "codes"), rows)


def settings_table() -> str:
    """Return the settings."""
    return table(("variable", "default", "meaning"), _settings_rows())


def _accepted(covariate: Covariate) -> str:
    if covariate.choices:
        return ", ".join(f"`{choice}`" for choice in covariate.choices)
    if covariate.kind is Kind.BOOLEAN:
        return "`true`, `false`"
    assert covariate.accepted is not None
    low, high = (f"{bound:g}" if bound < 1e5 else f"{bound:.0f}" for bound in covariate.accepted)
    return f"{low} to {high} {covariate.unit or ''}".rstrip()


def _settings_rows() -> Iterator[tuple[str, str, str]]:
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        yield f"`HSCT2_{name.upper()}`", _written(default), field.description or ""


def _written(default: object) -> str:
    """Return a default as it is written in the environment; nothing where there is none."""
    if default in (None, "", PydanticUndefined):
        return ""
    if default == SHIPPED_MODELS:
        return "`model/artifacts`"
    return f"`{json.dumps(default) if isinstance(default, bool | list) else default}`"
