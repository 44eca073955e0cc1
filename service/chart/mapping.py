"""A chart, read: the patient, where each value is from, what is off."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from model.patient import COVARIATES, Patient
from service.chart.applies import verdict
from service.chart.collect import Chart
from service.chart.conditions import disease
from service.chart.covariates import measured, performance
from service.chart.demographics import age_at, deceased, patient_entry
from service.chart.issues import issue
from service.chart.observations import Finding, observations
from service.chart.reading import Issue, Reading, Severity
from service.chart.transplants import transplants

_MOST_SEVERE_FIRST = (Severity.ERROR, Severity.WARNING, Severity.INFORMATION)


def read_chart(chart: Chart, *, now: datetime) -> Reading:
    """Read a patient out of a chart.

    Pure: the same chart and clock give the same reading, whatever the order of its
    resources. `now` has a time zone; what is later is not used.
    """
    found = observations(chart)
    leukaemia = disease(chart)
    done_and_ordered = transplants(chart, now)
    ecog = performance(found, now)
    findings: dict[str, Finding] = {
        "ecog": ecog.finding,
        "age_years": age_at(chart, done_and_ordered.planned_at or now),
        "disease": Finding(leukaemia.source, None, leukaemia.issues),
        **measured(found, now, done_and_ordered.first_allogeneic),
    }
    death = deceased(chart)
    if ecog.is_dead and not death:
        death = [issue("deceased", "ecog")]
    patient = patient_entry(chart)
    about_chart = [] if patient else [issue("no_patient")]
    issues = (
        *chart.issues,
        *about_chart,
        *death,
        *done_and_ordered.issues,
        *found.issues,
        *_of_findings(findings),
    )
    sources = [findings[name].chosen for name in COVARIATES]
    return Reading(
        # A Bundle to be stored names its patient by a urn:uuid alone.
        subject=(patient.reference or patient.full_url) if patient else None,
        patient=_patient(findings),
        verdict=verdict(leukaemia, done_and_ordered, is_dead=bool(death)),
        planned_at=done_and_ordered.planned_at,
        sources=tuple(source for source in sources if source),
        issues=tuple(sorted(dict.fromkeys(issues), key=_order)),
    )


def _patient(findings: Mapping[str, Finding]) -> Patient | None:
    """Return the patient; the values were checked against its ranges where they were read."""
    values = {name: finding.chosen.value for name, finding in findings.items() if finding.chosen}
    return Patient.model_validate(values) if "ecog" in values else None


def _of_findings(findings: Mapping[str, Finding]) -> Sequence[Issue]:
    """Return what is off about each covariate; an unknown one always has a reason."""
    issues: list[Issue] = []
    for name in COVARIATES:
        finding = findings[name]
        issues += finding.issues
        if finding.chosen is None:
            if name == "ecog":
                issues.append(issue("ecog_not_determined", "ecog"))
            if not finding.issues:
                issues.append(issue("no_value", name))
    return issues


_PLACE = {name: place for place, name in enumerate(("", *COVARIATES))}


def _order(found: Issue) -> tuple[int, int, str, str]:
    return (
        _MOST_SEVERE_FIRST.index(found.severity),
        _PLACE[found.covariate or ""],
        found.code,
        found.expression or "",
    )
