"""How an assessment is wanted: from the query of the address, and from `Parameters`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.chart.reading import Issue
from service.fhir.refusals import RefusedError, error
from service.predictions import PredictionQuery
from service.problems import field_problems

OPTIONS = {
    "model": "model",
    "horizonMonths": "horizon_months",
    "confidenceLevel": "confidence_level",
}
"""The parameters of the operation beside the chart, and the fields of `PredictionQuery`."""

OF_HTTP = ("_format", "_pretty")
"""What FHIR lets every address carry; `_format` is read where the answer's form is chosen."""

_TYPES = {
    "model": ("valueString", "valueCode", "valueId"),
    "horizonMonths": ("valueDecimal", "valueInteger", "valuePositiveInt", "valueUnsignedInt"),
    "confidenceLevel": ("valueDecimal",),
}


@dataclass(frozen=True)
class _Given:
    """One value of an option, and where it was found."""

    name: str
    value: object
    expression: str


def read_options(resource: dict[str, Any], query: Sequence[tuple[str, str]]) -> PredictionQuery:
    """Return how the assessment of a chart is wanted.

    Raises
    ------
    RefusedError
        422 with everything that is wrong with the options.
    """
    issues: list[Issue] = []
    given = [*_of_query(query, issues), *_of_parameters(resource, issues)]
    fields: dict[str, Any] = {"curve": False}
    for name, field in OPTIONS.items():
        values = [one for one in given if one.name == name]
        if name == "horizonMonths":
            if values:
                fields[field] = [one.value for one in values]
        elif values:
            fields[field] = values[0].value
            issues += [
                error("duplicate", "is there more than once", v.expression) for v in values[1:]
            ]
    try:
        asked = PredictionQuery.model_validate(fields)
    except ValidationError as invalid:
        issues += _invalid(invalid, given)
        raise RefusedError(422, issues) from None
    if issues:
        raise RefusedError(422, issues)
    return asked


def _of_query(query: Sequence[tuple[str, str]], issues: list[Issue]) -> Iterator[_Given]:
    for position, (name, value) in enumerate(query):
        if name in OPTIONS:
            yield _Given(name, value, f"http.{name}")
        elif name not in OF_HTTP:
            known = ", ".join(OPTIONS)
            text = f"parameter {position + 1} of the query is not one of {known}"
            issues.append(error("unknown_parameter", text))


def _of_parameters(resource: dict[str, Any], issues: list[Issue]) -> Iterator[_Given]:
    parameters = resource.get("parameter")
    if resource.get("resourceType") != "Parameters" or not isinstance(parameters, list):
        return
    for position, parameter in enumerate(parameters):
        if not isinstance(parameter, dict) or "resource" in parameter:
            continue
        expression = f"Parameters.parameter[{position}]"
        name = parameter.get("name")
        if not isinstance(name, str) or name not in OPTIONS:
            known = ", ".join(OPTIONS)
            text = f"has no resource, and its name is not one of {known}"
            issues.append(error("unknown_parameter", text, expression))
            continue
        values = [parameter[kind] for kind in _TYPES[name] if kind in parameter]
        if len(values) != 1 or isinstance(values[0], bool):
            text = f"must have one value, as {_TYPES[name][0]}"
            issues.append(error("parameter_value", text, expression))
            continue
        yield _Given(name, values[0], f"{expression}.value")


def _invalid(invalid: ValidationError, given: Sequence[_Given]) -> Iterator[Issue]:
    names = {field: name for name, field in OPTIONS.items()}
    found = invalid.errors(include_input=False, include_url=False, include_context=False)
    for one, problem in zip(found, field_problems(found, (), ()), strict=True):
        name, *rest = one["loc"]
        places = [g.expression for g in given if g.name == names[str(name)]]
        position = rest[0] if rest and isinstance(rest[0], int) else 0
        yield error(problem.code, problem.message, places[position])
