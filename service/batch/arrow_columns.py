"""Arrow columns as a patient's numbers. This and what imports it load pyarrow."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.patient import COVARIATES, Covariate, Kind
from service.batch.columns import check_names, is_index
from service.batch.errors import ColumnsError
from service.batch.patients import REFERENCE, Column, PatientRows, settled
from service.problems import FieldProblem

_EXPECTED = {
    Kind.GRADE: "whole numbers",
    Kind.NUMBER: "numbers",
    Kind.CHOICE: "text",
    Kind.BOOLEAN: "true and false",
}


def check_schema(schema: pa.Schema) -> list[str]:
    """Return the columns of a table of patients, in its order.

    Raises
    ------
    ColumnsError
        If a column is unknown, missing or of another type.
    """
    names = [name for name in schema.names if not is_index(name)]
    check_names(names)
    problems = [
        FieldProblem(field=name, code="column_type", message=f"must hold {expected}")
        for name in names
        if (expected := _unmet(name, schema.field(name).type)) is not None
    ]
    if problems:
        raise ColumnsError(problems)
    return names


def rows_of_batch(batch: pa.RecordBatch, names: list[str], first: int) -> PatientRows:
    """Check the patients of a record batch whose schema was checked."""
    held = {name: batch.column(name) for name in names}
    columns = {name: _column(COVARIATES[name], held[name]) for name in names if name in COVARIATES}
    references = held[REFERENCE].to_pylist() if REFERENCE in held else [None] * min(1, len(batch))

    def value_of(at: int) -> dict[str, Any]:
        return {name: _value(array[at]) for name, array in held.items()}

    doubtful = np.zeros(len(batch), np.bool_)
    return settled(columns, references, doubtful, first, value_of)


def _unmet(name: str, type_: pa.DataType) -> str | None:
    """Return what a column should hold, if its type is another."""
    if pa.types.is_null(type_):
        return None
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if name == REFERENCE:
        return None if _is_text(type_) else "text"
    kind = COVARIATES[name].kind
    fits = {
        Kind.GRADE: _is_number,
        Kind.NUMBER: _is_number,
        Kind.CHOICE: _is_text,
        Kind.BOOLEAN: pa.types.is_boolean,
    }[kind](type_)
    return None if fits else _EXPECTED[kind]


def _is_number(type_: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_))


def _is_text(type_: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)
    )


def _column(covariate: Covariate, array: pa.Array) -> Column:
    if pa.types.is_null(array.type):
        return Column(np.full(len(array), np.nan), np.zeros(len(array), np.bool_))
    if covariate.kind is Kind.CHOICE:
        return _choices(covariate, array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type != pa.float64():
        array = array.cast(pa.float64(), safe=False)
    numbers = array.to_numpy(zero_copy_only=False)
    return Column(numbers, np.zeros(len(array), np.bool_))


def _choices(covariate: Covariate, array: pa.Array) -> Column:
    if pa.types.is_dictionary(array.type):
        of_each = _choices(covariate, array.dictionary)
        # Unknown is the place after the last.
        indices = array.indices.cast(pa.int64()).fill_null(len(array.dictionary))
        at = indices.to_numpy(zero_copy_only=False)
        return Column(
            np.append(of_each.numbers, np.nan)[at], np.append(of_each.doubtful, np.False_)[at]
        )
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    place = pc.index_in(array, pa.array(covariate.choices, array.type))
    numbers = np.asarray(place.to_numpy(zero_copy_only=False), dtype=np.float64)
    if place.null_count == array.null_count:
        return Column(numbers, np.zeros(len(array), np.bool_))
    return Column(numbers, np.isnan(numbers) & array.is_valid().to_numpy(zero_copy_only=False))


def _value(scalar: pa.Scalar) -> Any:
    """Return a cell as JSON would say it; NaN is unknown, as null is."""
    value = scalar.as_py()
    if isinstance(value, Decimal):
        value = float(value)
    return None if isinstance(value, float) and np.isnan(value) else value
