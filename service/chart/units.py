"""Units of measured values, converted by UCUM's definitions."""

import re
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from service.chart.codes import UCUM, UNIT_WRITINGS, Measure
from service.chart.elements import Json, text_of

_LONGEST = 32
# A long exponent would be computed exactly: 10*999999999 does not end.
_HUGE_NUMBER = re.compile(r"\d{4}")
_PERCENT = re.compile(r"%(\{[^{}]*\})?")
_BRACKETED = re.compile(r"\[[^\]]*\]")
_BODY_UNITS = ("[in_i]", "[ft_i]", "[lb_av]", "[oz_av]")

# The library's parser and registry are not made for several threads.
_lock = Lock()


def factor_of(quantity: Json, measure: Measure) -> tuple[float, str] | None:
    """Return what a quantity's value times is in the measure's unit, and the unit in UCUM.

    None for a unit that cannot be converted. A UCUM code may be any unit of the
    quantity's kind; a unit that is only text must be one that the measure lists.
    """
    code, text = text_of(quantity.get("code")), text_of(quantity.get("unit"))
    if code and quantity.get("system") == UCUM and (found := _conversion(code, measure)):
        return found, code
    for written in filter(None, (code, text)):
        unit = UNIT_WRITINGS.get(written, written)
        if unit in measure.units and (found := _conversion(unit, measure)):
            return found, unit
    return None


def has_unit(quantity: Json) -> bool:
    """Return whether a quantity says any unit."""
    return text_of(quantity.get("code")) is not None or text_of(quantity.get("unit")) is not None


def is_percent(quantity: Json) -> bool:
    """Return whether a quantity is a percentage."""
    unit = text_of(quantity.get("code")) or text_of(quantity.get("unit"))
    return unit is not None and _PERCENT.fullmatch(unit) is not None


def load() -> None:
    """Load the units, which takes a second or two, so that no first chart waits for it."""
    convert("g/L", "g/dL")


def _conversion(unit: str, measure: Measure) -> float | None:
    if measure.unit is None:
        return 1.0 if unit in measure.units else None
    if factor := convert(unit, measure.unit):
        return factor
    for bridge in measure.bridges:
        if factor := convert(unit, bridge.unit):
            return factor * bridge.factor
    return None


@lru_cache(maxsize=2048)
def convert(unit: str, to: str) -> float | None:
    """Return the factor from one UCUM unit to another; None if there is none."""
    if unit == to:
        return 1.0
    # A bare 1 would turn the number of a percentage into a hundredfold.
    if _PERCENT.fullmatch(to) or _PERCENT.fullmatch(unit):
        return 1.0 if _PERCENT.fullmatch(unit) and _PERCENT.fullmatch(to) else None
    # The library takes arbitrary units, as [IU], for mere numbers.
    if _arbitrary(unit) != _arbitrary(to) or _is_hostile(unit):
        return None
    with _lock:
        return _factor(unit, to)


def _arbitrary(unit: str) -> list[str]:
    return [name.upper() for name in sorted(_BRACKETED.findall(unit)) if name not in _BODY_UNITS]


def _is_hostile(unit: str) -> bool:
    return len(unit) > _LONGEST or not unit.isascii() or bool(_HUGE_NUMBER.search(unit))


def _factor(unit: str, to: str) -> float | None:
    registry, refused = _library()
    try:
        ratio = registry.from_ucum(unit) / registry.from_ucum(to)
        factor = float(ratio.to("dimensionless").magnitude)
    except refused:
        return None
    # The library adds up rounding errors: 0.9999999999999999 for ug/L in ng/mL.
    return float(f"{factor:.12g}") if 0 < factor < float("inf") else None


@cache
def _library() -> tuple[Any, tuple[type[Exception], ...]]:
    """Return the registry of units, and what it raises for what is no unit or another kind."""
    # Importing them takes a second, which only those who read charts should wait for.
    from lark.exceptions import LarkError
    from pint.errors import PintError
    from ucumvert import PintUcumRegistry

    refused = (LarkError, PintError, ArithmeticError, AttributeError, TypeError, ValueError)
    return PintUcumRegistry(), refused
