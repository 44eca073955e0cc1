"""Body mass index from height and weight, lymphocytes from a percentage."""

from typing import Any

import pytest

from service.chart import Reading
from tests.service.chart.charts import (
    YESTERDAY,
    applicable,
    issues_of,
    measured,
    reading,
    value_of,
)

BMI, LYMPHOCYTES = "bmi_kg_m2", "lymphocytes_10e9_l"


def bmi(*resources: Any) -> Any:
    return value_of(applicable(*resources), BMI)


def lymphocytes(*resources: Any) -> Any:
    return value_of(applicable(*resources), LYMPHOCYTES)


def note(read: Reading, covariate: str) -> str | None:
    return next(source.note for source in read.sources if source.covariate == covariate)


@pytest.mark.parametrize(
    ("height", "weight"),
    [
        (("8302-2", 170, "cm"), ("29463-7", 70, "kg")),
        (("3137-7", 1.7, "m"), ("3141-9", 70_000, "g")),
        # 1.7 m over 0.0254; 70 kg over 0.45359237.
        (("3138-5", 66.92913, "[in_i]"), ("29463-7", 154.32358, "[lb_av]")),
    ],
)
def test_body_mass_index_comes_from_height_and_weight(height: Any, weight: Any) -> None:
    resources = measured(*height), measured(*weight, id="w")
    # 70 / 1.7² = 24.22.
    assert bmi(*resources) == 24.22
    assert note(reading(applicable(*resources)), BMI) == "from height and weight"
    (source,) = (s for s in reading(applicable(*resources)).sources if s.covariate == BMI)
    assert source.reference == "https://ehr.example/fhir/Observation/w"


def test_a_recorded_index_comes_before_height_and_weight() -> None:
    parts = measured("8302-2", 170, "cm"), measured("29463-7", 70, "kg")
    assert bmi(measured("39156-5", 26, "kg/m2", when="2026-10-01"), *parts) == 26
    assert bmi(measured("39156-5", 26, "kg/m2", status="cancelled"), *parts) == 24.22


def test_height_may_be_old_and_weight_may_not() -> None:
    height, weight = (
        measured("8302-2", 170, "cm", when="2025-06-01"),
        measured("29463-7", 70, "kg", when="2026-06-01"),
    )
    assert issues_of(applicable(height, measured("29463-7", 70, "kg")), BMI) == set()
    assert bmi(height, weight) == 24.22
    assert issues_of(applicable(height, weight), BMI) == {"stale_value"}


@pytest.mark.parametrize(
    "parts",
    [
        (measured("8302-2", 170, "cm"),),
        (measured("29463-7", 70, "kg"),),
        # A height in metres under the name of centimetres.
        (measured("8302-2", 1.7, "cm"), measured("29463-7", 70, "kg")),
        (measured("8302-2", 170, None), measured("29463-7", 70, "kg")),
        (measured("8302-2", 170, "cm"), measured("29463-7", 70, "cm")),
        (measured("8302-2", 0, "cm"), measured("29463-7", 70, "kg")),
        # 400 kg on 1 m is outside the model's range.
        (measured("8302-2", 100, "cm"), measured("29463-7", 400, "kg")),
    ],
)
def test_no_index_without_both_in_their_ranges(parts: Any) -> None:
    assert bmi(*parts) is None
    assert issues_of(applicable(*parts), BMI) & {
        "no_value",
        "missing_unit",
        "unknown_unit",
        "out_of_range",
    }


def test_contradictory_indices_are_not_settled_by_height_and_weight() -> None:
    parts = measured("8302-2", 170, "cm"), measured("29463-7", 70, "kg")
    both = measured("39156-5", 26, "kg/m2"), measured("39156-5", 36, "kg/m2")
    assert bmi(*parts, *both) is None


def percent(value: Any = 12, when: str = YESTERDAY, code: str = "736-9") -> dict[str, Any]:
    return measured(code, value, "%", when=when)


def white_cells(value: Any = 3.5, when: str = YESTERDAY, **elements: Any) -> dict[str, Any]:
    return measured("6690-2", value, "10*3/uL", when=when, **elements)


@pytest.mark.parametrize("code", ["736-9", "737-7", "26478-8", "731-0"])
def test_a_percentage_is_of_the_white_cells_of_the_same_time(code: str) -> None:
    # 12 % of 3.5.
    chart = percent(code=code), white_cells()
    assert lymphocytes(*chart) == 0.42
    assert "percentage" in (note(reading(applicable(*chart)), LYMPHOCYTES) or "")


@pytest.mark.parametrize(
    "counts",
    [
        (),
        (white_cells(when="2026-11-20T08:00:00Z"),),
        (white_cells(when="2026-11-21T09:00:00Z"),),
        (white_cells(status="entered-in-error"),),
        (white_cells(3.5), white_cells(9.5)),
        (white_cells("3.5"),),
        (measured("6690-2", 3.5, None),),
    ],
)
def test_a_percentage_without_white_cells_of_the_same_time_is_not_used(counts: Any) -> None:
    assert lymphocytes(percent(), *counts) is None
    assert issues_of(applicable(percent(), *counts), LYMPHOCYTES) == {"no_white_cell_count"}


def test_one_day_is_the_same_time_where_one_of_the_two_has_no_time() -> None:
    assert lymphocytes(percent(when="2026-11-21"), white_cells()) == 0.42
    assert lymphocytes(percent(), white_cells(when="2026-11-21")) == 0.42
    assert lymphocytes(percent(when="2026-11-20"), white_cells()) is None


def test_a_count_comes_before_a_percentage_of_the_same_time_and_never_contradicts_it() -> None:
    count = measured("731-0", 0.43, "10*9/L")
    assert lymphocytes(percent(), white_cells(), count) == 0.43
    assert issues_of(applicable(percent(), white_cells(), count), LYMPHOCYTES) == set()


def test_a_later_percentage_comes_before_an_older_count() -> None:
    count = measured("731-0", 0.9, "10*9/L", when="2026-11-20T08:00:00Z")
    assert lymphocytes(percent(), white_cells(), count) == 0.42
    assert lymphocytes(percent(), count) == 0.9


@pytest.mark.parametrize("value", [-1, 101, "12", None])
def test_what_is_no_percentage_is_not_used(value: Any) -> None:
    assert lymphocytes(percent(value), white_cells()) is None


def test_a_bound_is_no_percentage() -> None:
    bound = percent()
    bound["valueQuantity"]["comparator"] = "<"
    assert issues_of(applicable(bound, white_cells()), LYMPHOCYTES) == {"comparator"}
