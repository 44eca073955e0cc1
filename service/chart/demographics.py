"""Age at the planned transplant, and whether the patient is alive."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from model.patient import COVARIATES
from service.chart.collect import Chart, Entry
from service.chart.elements import Moment, moment_of
from service.chart.issues import issue
from service.chart.observations import Finding
from service.chart.reading import Issue, Source

_DAYS_A_YEAR = 365.25
_MIDDLE_OF = {4: ("year", timedelta(days=182)), 7: ("month", timedelta(days=15))}


def patient_entry(chart: Chart) -> Entry | None:
    """Return the Patient; the same whatever the order where there are copies."""
    return min(chart.of_type("Patient"), key=lambda entry: entry.reference or "~", default=None)


def age_at(chart: Chart, when: datetime) -> Finding:
    """Return the age in years at a time.

    Of a partial birth date the middle is used. Copies of the Patient that differ in it
    are contradictory.
    """
    moments: dict[str, Moment] = {}
    issues: list[Issue] = []
    for entry in chart.of_type("Patient"):
        written = entry.resource.get("birthDate")
        moment = moment_of(written)
        if moment:
            moments[moment.text] = moment
        elif written is not None:
            expression = f"{entry.expression}.birthDate"
            issues = [issue("bad_birth_date", "age_years", expression)]
    if len(moments) > 1:
        return Finding(None, None, (*issues, issue("contradictory_values", "age_years")))
    patient = patient_entry(chart)
    if not moments or patient is None:
        return Finding(None, None, issues)
    return _age(next(iter(moments.values())), patient, when, issues)


def _age(born: Moment, patient: Entry, when: datetime, issues: Sequence[Issue]) -> Finding:
    expression = f"{patient.expression}.birthDate"
    day, note = born.day, None
    if born.precision in _MIDDLE_OF:
        part, half = _MIDDLE_OF[born.precision]
        day, note = day + half, f"middle of the {part} of birth"
        issues = (*issues, issue("partial_birth_date", "age_years", expression))
    years = round(_years(day, when.date()), 2)
    accepted = COVARIATES["age_years"].accepted
    assert accepted is not None
    if not accepted[0] <= years <= accepted[1]:
        return Finding(None, None, (*issues, issue("out_of_range", "age_years", expression)))
    return Finding(Source("age_years", years, patient.reference, None, note), born, issues)


def _years(born: date, when: date) -> float:
    return (when - born).days / _DAYS_A_YEAR


def deceased(chart: Chart) -> Sequence[Issue]:
    """Return the issue that the patient is dead; nothing if the chart does not say so."""
    for entry in chart.of_type("Patient"):
        # "true" is no boolean, but no reason for a prognosis either.
        if entry.resource.get("deceasedBoolean") in (True, "true"):
            return [issue("deceased", expression=f"{entry.expression}.deceased")]
        if entry.resource.get("deceasedDateTime"):
            return [issue("deceased", expression=f"{entry.expression}.deceased")]
    return []
