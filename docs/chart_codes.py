"""Write the page of codes, units, factors and limits from the table that the chart is read by.

``python -m docs.chart_codes`` rewrites it; a test fails while it differs.
"""

from collections.abc import Iterator
from pathlib import Path

from docs.tables import table
from service.chart import codes
from service.chart.codes import CodeSet, Measure
from service.chart.issues import ISSUES
from service.chart.units import factor_of

PAGE = Path(__file__).parent / "chart_codes.md"

_SYSTEMS = {
    codes.LOINC: "LOINC",
    codes.SNOMED: "SNOMED CT",
    codes.ICD_10_CM: "ICD-10-CM",
    codes.ICD_10: "ICD-10 (WHO)",
    codes.ICD_10_PCS: "ICD-10-PCS",
    codes.CPT: "CPT",
    codes.CHART_CODES: "own",
}

_BEGINNING = f"""# What is read from a chart

Generated from `service/chart/codes.py` by `python -m docs.chart_codes`.

The latest usable Observation of each covariate counts, alone or as a component. Usable is a status
of `final`, `amended` or `corrected`, or `preliminary` with a warning, a time that is not in the
future, no `focus`, no `comparator`, no `dataAbsentReason`, and a value within the accepted range in
a unit that can be converted. Its time is `effectiveDateTime`, the end of `effectivePeriod`,
`effectiveInstant`, else `issued`; a day without a time of day is as late as the latest time on it.
Values of one time that differ are contradictory: none is used, and the covariate is unknown. A
value older than its limit is used with a warning. Whatever is not used is named by an issue.

Codes of no public system are of `{codes.CHART_CODES}`.
"""

_UNITS = """
## Units

A UCUM code may be any unit of the quantity's kind; the factors here are of the units that are also
read where a unit is only text. A value times the factor is the value in the model's unit. A value
without a unit is not used, except grades.
"""

_ANSWERS = """
## Coded values
"""

_KARNOFSKY = """
Karnofsky counts only where ECOG is absent, and the answer says so. Grades of a coded ECOG answer
are 0 to 5; 5, and Karnofsky 0, mean that the patient is dead.
"""

_DISEASE = """
## Disease, transplants and orders

ICD-10 codes are given by their beginning, and match with or without dots. Conditions that are
refuted, entered in error, a differential diagnosis or resolved do not count. The most active ones
decide: active, recurrent, relapsed or without a status; then in remission, which is still what the
second transplant is for; then inactive, with a warning. AML and ALL that are equally active leave
the disease unknown.

A second transplant is ordered by a ServiceRequest (draft, active or on hold) whose code says so, or
that is for an allogeneic transplant after one that is done, or after one of unknown kind where the
chart has no autologous one. An order from before a transplant was the order for that one.
Procedures no further apart than {days} days are records of one transplant.
"""

_ISSUES = """
## Issues
"""


def page() -> str:
    """Return the page in Markdown."""
    parts = [
        _BEGINNING,
        table(("of", "for", "codes", "stale after, days"), _measures()),
        _UNITS,
        table(("of", "unit", "factor", "to", "assumption"), _factors()),
        "\nUnits as people write them, exactly so, and what is meant:\n",
        table(("written", "UCUM"), ((f"`{w}`", f"`{u}`") for w, u in _writings())),
        _ANSWERS,
        table(("of", "system", "codes and values"), _answers()),
        _KARNOFSKY,
        table(("Karnofsky", "ECOG"), ((str(k), str(e)) for k, e in _karnofsky())),
        _DISEASE.format(days=codes.SAME_TRANSPLANT_DAYS),
        table(("meaning", "system", "codes"), _sets()),
        _ISSUES,
        table(("code", "severity", "meaning"), _issues()),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _measures() -> Iterator[tuple[str, ...]]:
    for measure in codes.MEASURES:
        listed = ", ".join(f"{_SYSTEMS[c.system]} {c.code} ({c.display})" for c in measure.codes)
        yield measure.name, f"`{measure.covariate}`", listed, str(measure.limit_days)
    for (system, code), covariate in codes.NOT_READ.items():
        yield "never read", f"`{covariate}`", f"{_SYSTEMS[system]} {code}", ""


def _factors() -> Iterator[tuple[str, ...]]:
    for measure in codes.MEASURES:
        for unit in measure.units:
            yield measure.name, f"`{unit}`", *_factor(measure, unit)


def _factor(measure: Measure, unit: str) -> tuple[str, str, str]:
    found = factor_of({"system": codes.UCUM, "code": unit}, measure)
    if found is None:
        return "", f"`{measure.unit}`", "of the white-cell count of the same time"
    assumption = next((b.assumption for b in measure.bridges if _is_bridged(unit, b.unit)), "")
    to = f"`{measure.unit}`" if measure.unit else "grade"
    return f"{found[0]:g}", to, assumption


def _is_bridged(unit: str, bridge: str) -> bool:
    return unit.upper() == bridge.upper()


def _writings() -> Iterator[tuple[str, str]]:
    yield from codes.UNIT_WRITINGS.items()


def _answers() -> Iterator[tuple[str, ...]]:
    for measure in codes.MEASURES:
        of_system: dict[str, list[str]] = {}
        for (system, code), value in (measure.answers or {}).items():
            of_system.setdefault(system, []).append(f"{code} = {value}")
        for system, listed in of_system.items():
            yield measure.name, _SYSTEMS[system], ", ".join(listed)


def _karnofsky() -> Iterator[tuple[int, int]]:
    yield from codes.ECOG_OF_KARNOFSKY.items()


def _sets() -> Iterator[tuple[str, ...]]:
    for meaning, listed in (
        ("AML", codes.AML),
        ("ALL", codes.ALL),
        ("other acute leukaemia", codes.OTHER_ACUTE_LEUKAEMIA),
        ("allogeneic transplant", codes.ALLOGENEIC),
        ("autologous transplant", codes.AUTOLOGOUS),
        ("transplant of unknown kind", codes.UNSPECIFIED_TRANSPLANT),
        ("second allogeneic transplant", codes.SECOND_TRANSPLANT),
    ):
        yield from _of_set(meaning, listed)


def _of_set(meaning: str, listed: CodeSet) -> Iterator[tuple[str, ...]]:
    of_system: dict[str, list[str]] = {}
    for code in listed.codes:
        name = "" if code.system == codes.ICD_10_PCS else f" ({code.display})"
        of_system.setdefault(code.system, []).append(f"{code.code}{name}")
    for prefixes in listed.prefixes:
        of_system.setdefault(prefixes.system, []).extend(f"{p}…" for p in prefixes.prefixes)
    for system, texts in of_system.items():
        yield meaning, _SYSTEMS[system], ", ".join(texts)


def _issues() -> Iterator[tuple[str, ...]]:
    for code, (severity, text) in ISSUES.items():
        yield f"`{code}`", severity.value, text


if __name__ == "__main__":
    PAGE.write_text(page())
