"""Which acute leukaemia the Conditions record."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.chart.codes import (
    ALL,
    AML,
    CLINICAL_STATUS,
    OTHER_ACUTE_LEUKAEMIA,
    VERIFICATION_STATUS,
)
from service.chart.collect import Chart, Entry, first_moment
from service.chart.elements import codings
from service.chart.issues import issue
from service.chart.reading import Issue, Source

_REFUTED = ("refuted", "entered-in-error")
_UNCONFIRMED = ("unconfirmed", "provisional")
_ACTIVE = ("active", "recurrence", "relapse")
_ABATEMENT = ("abatementDateTime", "abatementPeriod", "abatementString", "abatementAge")


class Leukaemia(StrEnum):
    """An acute leukaemia."""

    AML = "AML"
    ALL = "ALL"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Disease:
    """The acute leukaemia of a chart.

    Attributes
    ----------
    is_acute_leukaemia : also where which one is not known
    source : of AML or ALL; None where neither or both are recorded
    """

    is_acute_leukaemia: bool
    source: Source | None
    issues: Sequence[Issue]


@dataclass(frozen=True, slots=True)
class _Diagnosis:
    entry: Entry
    kinds: frozenset[Leukaemia]
    remarks: Sequence[str]


def disease(chart: Chart) -> Disease:
    """Return the acute leukaemia that is recorded as most active.

    Active, recurrent or relapsed (or without a status) comes before remission, and that
    before inactive: a leukaemia in remission is still what the second transplant is for,
    but one that was cured before another came is not. A resolved one does not count.
    """
    by_activity: dict[int, list[_Diagnosis]] = {}
    issues: dict[str, Issue] = {}
    for entry in chart.of_type("Condition"):
        kinds = _kinds(entry)
        if not kinds:
            continue
        verification, activity = _verification(entry), _activity(entry)
        if refusal := _refusal(verification, activity):
            issues.setdefault(refusal, issue(refusal, "disease", entry.expression))
            continue
        remarks = ["unconfirmed_disease"] if verification in _UNCONFIRMED else []
        remarks += ["inactive_disease"] if activity == _INACTIVE else []
        by_activity.setdefault(activity, []).append(_Diagnosis(entry, kinds, remarks))
    if not by_activity:
        return Disease(False, None, tuple(issues.values()))
    return _named(by_activity[min(by_activity)], issues)


def _named(diagnoses: Sequence[_Diagnosis], issues: dict[str, Issue]) -> Disease:
    diagnoses = sorted(diagnoses, key=_rank)
    kinds = frozenset[Leukaemia]().union(*(found.kinds for found in diagnoses))
    named = kinds - {Leukaemia.OTHER}
    best = next((found for found in diagnoses if found.kinds & named), diagnoses[0])
    if len(named) > 1:
        code = "contradictory_disease"
        issues[code] = issue(code, "disease", best.entry.expression)
    if not named:
        code = "other_acute_leukaemia"
        issues[code] = issue(code, "disease", best.entry.expression)
    for remark in best.remarks:
        issues[remark] = issue(remark, "disease", best.entry.expression)
    source = None
    if len(named) == 1:
        moment = first_moment(best.entry.resource, "onsetDateTime", "recordedDate")
        effective = moment.text if moment else None
        source = Source("disease", next(iter(named)).value, best.entry.reference, effective, None)
    return Disease(True, source, tuple(issues.values()))


def _rank(diagnosis: _Diagnosis) -> tuple[int, str]:
    return len(diagnosis.remarks), diagnosis.entry.reference or "~"


_INACTIVE, _RESOLVED = 2, 3


def _activity(entry: Entry) -> int:
    """Return how active a Condition is: 0 active, 1 in remission, 2 inactive, 3 resolved."""
    statuses = [
        code
        for system, code in codings(entry.resource.get("clinicalStatus"))
        if system == CLINICAL_STATUS
    ]
    if not statuses:
        return _INACTIVE if any(name in entry.resource for name in _ABATEMENT) else 0
    if any(status in _ACTIVE for status in statuses):
        return 0
    return {"remission": 1, "resolved": _RESOLVED}.get(statuses[0], _INACTIVE)


def _verification(entry: Entry) -> str:
    for system, code in codings(entry.resource.get("verificationStatus")):
        if system == VERIFICATION_STATUS:
            return code
    return "confirmed"


def _refusal(verification: str, activity: int) -> str | None:
    if verification in _REFUTED:
        return "refuted_disease"
    if verification == "differential":
        return "differential_disease"
    return "resolved_disease" if activity == _RESOLVED else None


def _kinds(entry: Entry) -> frozenset[Leukaemia]:
    return frozenset(
        kind
        for coding in codings(entry.resource.get("code"))
        for kind, codes in _CODES.items()
        if codes.has(coding)
    )


_CODES = {Leukaemia.AML: AML, Leukaemia.ALL: ALL, Leukaemia.OTHER: OTHER_ACUTE_LEUKAEMIA}
