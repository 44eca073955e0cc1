"""Units are converted by their definitions, and what cannot be is not guessed."""

import time

import pytest

from service.chart import codes
from service.chart.codes import UCUM
from service.chart.units import convert, factor_of


def factor(measure: codes.Measure, unit: str, system: str | None = UCUM) -> float | None:
    quantity = {"unit": unit} if system is None else {"system": system, "code": unit}
    found = factor_of(quantity, measure)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("measure", "unit", "expected"),
    [
        (codes.HEMOGLOBIN, "g/dL", 1),
        # 1 g/L = 1 g / 10 dL.
        (codes.HEMOGLOBIN, "g/L", 0.1),
        (codes.HEMOGLOBIN, "kg/m3", 0.1),
        # The tetramer's 64,458 g/mol over four is 16,114.5 g/mol: 1 mmol/L = 16.11 g/L.
        (codes.HEMOGLOBIN, "mmol/L", 64_458 / 4 / 1000 / 10),
        (codes.HEMOGLOBIN, "umol/L", 64_458 / 4 / 1e6 / 10),
        # 1 L = 1e6 µL: 10^3 in a µL are 10^9 in a litre.
        (codes.LYMPHOCYTES, "10*3/uL", 1),
        (codes.LYMPHOCYTES, "10*9/L", 1),
        (codes.LYMPHOCYTES, "/uL", 1e-3),
        (codes.LYMPHOCYTES, "{cells}/uL", 1e-3),
        (codes.LYMPHOCYTES, "10*6/L", 1e-3),
        (codes.LYMPHOCYTES, "/mm3", 1e-3),
        # 1 kat = 1 mol/s and 1 U = 1 µmol/min: 1 µkat = 60 U.
        (codes.LACTATE_DEHYDROGENASE, "ukat/L", 60),
        (codes.LACTATE_DEHYDROGENASE, "nkat/L", 0.06),
        (codes.LACTATE_DEHYDROGENASE, "U/L", 1),
        (codes.LACTATE_DEHYDROGENASE, "mU/mL", 1),
        (codes.LACTATE_DEHYDROGENASE, "[IU]/L", 1),
        (codes.LACTATE_DEHYDROGENASE, "[iU]/L", 1),
        (codes.FERRITIN, "ug/L", 1),
        (codes.FERRITIN, "mg/L", 1000),
        # 445,000 g/mol: 1 pmol = 445 ng, and 1 ng/mL = 1000 ng/L.
        (codes.FERRITIN, "pmol/L", 445 / 1000),
        (codes.FERRITIN, "nmol/L", 445),
        (codes.WEIGHT, "[lb_av]", 0.45359237),
        (codes.HEIGHT, "[in_i]", 0.0254),
        (codes.CD34_DOSE, "10*5/kg", 0.1),
        (codes.CD34_DOSE, "{cells}/kg", 1e-6),
    ],
)
def test_a_unit_of_the_same_kind_is_converted(
    measure: codes.Measure, unit: str, expected: float
) -> None:
    assert factor(measure, unit) == pytest.approx(expected, rel=1e-3)
    if "mol" not in unit:
        assert factor(measure, unit) == expected


@pytest.mark.parametrize(
    ("measure", "unit"),
    [
        # Hb in gauss per litre, or in giga per litre, is nothing.
        (codes.HEMOGLOBIN, "G/L"),
        (codes.HEMOGLOBIN, "g"),
        (codes.HEMOGLOBIN, "%"),
        (codes.HEMOGLOBIN, "g%"),
        # An international unit is no count of cells, as a number would be.
        (codes.LYMPHOCYTES, "[IU]/L"),
        (codes.LYMPHOCYTES, "[arb'U]/L"),
        (codes.LYMPHOCYTES, "10*9"),
        (codes.LYMPHOCYTES, "/{HPF}"),
        (codes.LACTATE_DEHYDROGENASE, "/uL"),
        (codes.LACTATE_DEHYDROGENASE, "umol/L"),
        (codes.LACTATE_DEHYDROGENASE, "[arb'U]/L"),
        (codes.FERRITIN, "[IU]/L"),
        # A fraction of 0.97 and 97 % must not be taken for one another.
        (codes.CHIMERISM, "1"),
        (codes.CHIMERISM, "{ratio}"),
        (codes.BMI, "kg"),
        (codes.HEIGHT, "Cel"),
        (codes.WEIGHT, "[pH]"),
        (codes.CD34_DOSE, "10*6"),
        (codes.HEMOGLOBIN, "no unit"),
        (codes.HEMOGLOBIN, "\ud800"),
    ],
)
def test_a_unit_of_another_kind_has_no_factor(measure: codes.Measure, unit: str) -> None:
    assert factor(measure, unit) is None
    assert factor(measure, unit, None) is None


@pytest.mark.parametrize(
    ("measure", "text", "expected"),
    [
        (codes.HEMOGLOBIN, "g/dl", 1),
        (codes.LYMPHOCYTES, "G/L", 1),
        (codes.LYMPHOCYTES, "K/uL", 1),
        (codes.LYMPHOCYTES, "10E9/L", 1),
        (codes.LACTATE_DEHYDROGENASE, "IU/L", 1),
        (codes.FERRITIN, "mcg/L", 1),
        (codes.FERRITIN, "µg/L", 1),
        (codes.WEIGHT, "lbs", 0.45359237),
        # Listed units only: these are UCUM, but no one wrote that they are.
        (codes.HEMOGLOBIN, "kg/m3", None),
        (codes.FERRITIN, "g/dL", None),
        # What these mean is not certain.
        (codes.LYMPHOCYTES, "k", None),
        (codes.HEMOGLOBIN, "G/DL", None),
        (codes.LACTATE_DEHYDROGENASE, "iu/l", None),
    ],
)
def test_a_unit_that_is_only_text_must_be_listed(
    measure: codes.Measure, text: str, expected: float | None
) -> None:
    assert factor(measure, text, None) == expected
    assert factor(measure, text, "urn:local") == expected


def test_a_wrong_claim_to_be_ucum_is_read_as_text() -> None:
    assert factor(codes.LYMPHOCYTES, "G/L", UCUM) == 1
    assert factor(codes.LYMPHOCYTES, "K/uL", UCUM) == 1


@pytest.mark.parametrize(
    "unit",
    ["10*999999999/L", "10*-999999999/L", "m9999999", "(" * 500 + "g" + ")" * 500, "g" * 9**6],
)
def test_a_hostile_unit_is_refused_at_once(unit: str) -> None:
    convert("g/L", "g/dL")
    start = time.process_time()
    assert factor(codes.LYMPHOCYTES, unit) is None
    assert time.process_time() - start < 0.1


def test_a_unit_is_parsed_once() -> None:
    convert("mg/L", "ng/mL")
    before = convert.cache_info().hits
    convert("mg/L", "ng/mL")
    assert convert.cache_info().hits == before + 1
