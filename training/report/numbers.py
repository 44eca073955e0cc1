"""How the report writes a number: each kind in one way."""

from collections.abc import Sequence

from model.patient import COVARIATES, Covariate, Kind, Transform, Value

NONE = "–"

_GAP = "\N{NO-BREAK SPACE}"
"""Keeps a number with its sign, its unit or its other limit when a cell is narrow."""

_LARGEST_RATIO = 1000.0
_SMALLEST_P = 0.001


def ratio(value: float | None, decimals: int = 2) -> str:
    """Write a hazard ratio."""
    if value is None:
        return NONE
    if value >= _LARGEST_RATIO:
        return f">{_GAP}{_LARGEST_RATIO:.0f}"
    if value < 0.5 * 10**-decimals:
        return f"<{_GAP}{10**-decimals:g}"
    return f"{value:.{decimals}f}"


def ratio_limits(lower: float | None, upper: float | None, decimals: int = 2) -> str:
    """Write the limits of a hazard ratio."""
    return _range(ratio(lower, decimals), ratio(upper, decimals))


def p_value(value: float | None) -> str:
    """Write a p to three decimals."""
    if value is None:
        return NONE
    return f"<{_GAP}{_SMALLEST_P}" if value < _SMALLEST_P else f"{value:.3f}"


def p_equals(value: float) -> str:
    """Write a p for a sentence."""
    written = p_value(value)
    return f"p{_GAP}{written}" if written.startswith("<") else f"p{_GAP}={_GAP}{written}"


def percent(probability: float | None, decimals: int = 0) -> str:
    """Write a probability as a percentage."""
    return NONE if probability is None else f"{100 * probability:.{decimals}f}{_GAP}%"


def percent_with_limits(estimate: float | None, lower: float | None, upper: float | None) -> str:
    """Write a probability with its limits, which may be unknown."""
    if estimate is None:
        return NONE
    if lower is None or upper is None:
        return f"{percent(estimate)} (no interval)"
    return f"{percent(estimate)} ({_range(f'{100 * lower:.0f}', f'{100 * upper:.0f}')})"


def months(value: float | None) -> str:
    """Write a time in months."""
    return "not reached" if value is None else f"{value:.1f}"


def months_with_limits(estimate: float | None, lower: float | None, upper: float | None) -> str:
    """Write a time with its limits; a limit that the data do not reach says so."""
    return f"{months(estimate)} ({_range(months(lower), months(upper))})"


def decimal(value: float | None, decimals: int = 3) -> str:
    """Write any other number, with a true minus sign."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def significant(value: float) -> str:
    """Write a number to three significant digits."""
    return f"{float(f'{value:.3g}'):.15g}"


def decimal_limits(lower: float, upper: float, decimals: int = 3) -> str:
    """Write the limits of any other number."""
    return _range(decimal(lower, decimals), decimal(upper, decimals))


def _range(lower: str, upper: str) -> str:
    return f"{lower}{_GAP}to{_GAP}{upper}"


def number_of(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(words: Sequence[str]) -> str:
    """Write a list as English does."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def name_of(covariate: str) -> str:
    """Return what a covariate is called; a term that is not one keeps its name."""
    known = COVARIATES.get(covariate)
    return known.label if known else covariate


def short_name_of(covariate: str) -> str:
    """Return the first words of a covariate's name, for a figure."""
    return name_of(covariate).split(",")[0]


def unit_of(covariate: str) -> str:
    """Say what a hazard ratio of a covariate compares."""
    known = COVARIATES[covariate]
    if known.kind is Kind.GRADE:
        return "per point"
    if known.is_binary:
        no, yes = known.choices or ("no", "yes")
        return f"{_words(yes)} against {_words(no)}"
    if known.transform is not Transform.IDENTITY:
        return "per unit of its natural logarithm"
    # "%" and "g/dL" stay as they are; "years" is one year.
    return f"per {known.unit.removesuffix('s')}" if known.unit else "per unit"


def value_of(covariate: str, value: Value) -> str:
    """Write a patient's value with its unit."""
    known: Covariate = COVARIATES[covariate]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _words(value)
    # A unit may be followed by its synonym in brackets.
    unit = f"{_GAP}{known.unit.split(' (')[0]}" if known.unit else ""
    return significant(value) + unit


def _words(code: str) -> str:
    return code.replace("_", " ")
