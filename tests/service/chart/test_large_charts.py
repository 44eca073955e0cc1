"""Ten thousand Observations are read at once."""

import time
from typing import Any

import pytest

from service.chart import Reading, units
from service.chart.codes import LOINC, MEASURE_OF_CODE, UCUM
from tests.service.chart.charts import applicable, measured, reading

CODES = ("718-7", "731-0", "736-9", "6690-2", "2532-0", "2276-4", "89247-1", "2345-7")


def noise(number: int) -> dict[str, Any]:
    day, hour, minute = 1 + number % 20, number // 20 % 24, number // 480 % 60
    return measured(
        CODES[number % len(CODES)],
        1 + number % 17,
        ("g/dL", "10*9/L", "%", "10*9/L", "U/L", "ug/L", "1", "mmol/L")[number % 8],
        when=f"2026-10-{day:02}T{hour:02}:{minute:02}:00Z",
        id=f"n{number}",
    )


@pytest.fixture(scope="module", autouse=True)
def _units() -> None:
    units.load()


def timed(chart: dict[str, Any]) -> tuple[Reading, float]:
    """A reading, and the seconds of the processor that it took."""
    start = time.process_time()
    read = reading(chart)
    return read, time.process_time() - start


def test_ten_thousand_observations_change_nothing_and_take_well_under_a_second() -> None:
    latest = measured("718-7", 9.8, "g/dL")
    chart = applicable(*(noise(number) for number in range(10_000)), latest)
    read, seconds = timed(chart)
    assert read.patient is not None
    assert (read.patient.hemoglobin_g_dl, read.patient.ecog) == (9.8, 1)
    assert seconds < 1.5


@pytest.mark.parametrize(
    "unusable",
    [
        {"status": "cancelled"},
        {"effectiveDateTime": "2027-01-01"},
        {"valueQuantity": {"value": 9, "unit": "furlong"}},
        {"valueQuantity": {"value": 9, "system": UCUM, "code": "kg"}},
    ],
)
def test_ten_thousand_values_that_cannot_be_used_are_no_slower(unusable: dict[str, Any]) -> None:
    read, seconds = timed(applicable(*({**noise(8 * n), **unusable} for n in range(10_000))))
    assert seconds < 1.5
    assert read.patient is not None
    assert read.patient.hemoglobin_g_dl is None
    assert 1 <= len([i for i in read.issues if i.covariate == "hemoglobin_g_dl"]) <= 2


@pytest.mark.parametrize("code", CODES[:6])
def test_thousands_of_units_that_no_one_knows_are_no_slower(code: str) -> None:
    many = [
        measured(code, 9, f"m{n}", when=when)
        for n, when in enumerate(("2026-11-20", "2026-11-20T08:00:00Z", None) * 1000)
    ]
    percent = measured("736-9", 12, "%", when="2026-11-20")
    read, seconds = timed(applicable(*many, percent))
    assert seconds < 1.5
    covariate = MEASURE_OF_CODE[LOINC, code].covariate
    assert read.patient is not None
    assert getattr(read.patient, covariate) is None
    codes = {found.code for found in read.issues if found.covariate == covariate}
    assert codes & {"too_many_unusable", "no_white_cell_count"}
