"""What can be off about a chart: stable codes, how much each matters, and its words.

No text holds a value of the chart.
"""

from collections.abc import Mapping

from service.chart.reading import Issue, Severity

_ERROR, _WARNING, _REMARK = Severity.ERROR, Severity.WARNING, Severity.INFORMATION

ISSUES: Mapping[str, tuple[Severity, str]] = {
    # The chart as a whole
    "not_a_resource": (_ERROR, "This is not a FHIR resource: it has no resourceType."),
    "batch_bundle": (_ERROR, "A batch is no chart: each of its entries is read by itself."),
    "several_subjects": (_ERROR, "The chart is about more than one patient."),
    "malformed": (_WARNING, "This is not of the type that FHIR R4 gives it, and is not read."),
    "circular": (_WARNING, "This contains itself, and is not read."),
    "too_deep": (_WARNING, "This is nested too deeply, and is not read."),
    "not_about_a_patient": (_REMARK, "This is not about the patient, and is not read."),
    "no_patient": (_WARNING, "The chart has no Patient: age and death are not known."),
    # Values
    "ecog_not_determined": (_ERROR, "No usable ECOG status, and none from Karnofsky."),
    "no_value": (_REMARK, "The chart has no value."),
    "contradictory_values": (_WARNING, "Values of the same time differ: none is used."),
    "stale_value": (_WARNING, "The value is older than its limit, and is used."),
    "undated_value": (_WARNING, "The value has no date, and is used for want of a dated one."),
    "preliminary_value": (_WARNING, "The value is preliminary, and is used."),
    "future_value": (_WARNING, "A value dated in the future is not used."),
    "withdrawn_value": (_REMARK, "A value that was cancelled or entered in error is not used."),
    "status_not_usable": (_WARNING, "A value whose status is missing or not final is not used."),
    "value_absent": (_REMARK, "An Observation says that its value is absent."),
    "comparator": (_WARNING, "A bound (< or >) is not a number, and is not used."),
    "not_a_number": (_WARNING, "A value that is not a number is not used."),
    "not_a_grade": (_WARNING, "A value that is not a grade of the scale is not used."),
    "unknown_answer": (_WARNING, "A coded value that is not in the table is not used."),
    "contradictory_answer": (_WARNING, "A coded value that says two things is not used."),
    "missing_unit": (_WARNING, "A value without a unit is not used."),
    "unknown_unit": (_WARNING, "A value whose unit cannot be converted is not used."),
    "too_many_unusable": (
        _WARNING,
        "So many values have units that cannot be converted that no older one is looked for.",
    ),
    "out_of_range": (_WARNING, "A value outside the accepted range is not used."),
    "contradictory_code": (_WARNING, "An Observation coded as two covariates is not used."),
    "about_another": (_WARNING, "An Observation with a focus other than the patient is not used."),
    "of_first_transplant": (_REMARK, "A value of the first transplant is not used."),
    "no_white_cell_count": (
        _WARNING,
        "A percentage without a white-cell count of the same time is not used.",
    ),
    "not_this_quantity": (_REMARK, "An Observation of a related quantity is not used."),
    "from_karnofsky": (_WARNING, "ECOG is absent and was derived from Karnofsky."),
    # Disease, birth, death
    "contradictory_disease": (_WARNING, "Both AML and ALL are recorded: disease is unknown."),
    "other_acute_leukaemia": (_WARNING, "An acute leukaemia that is neither AML nor ALL."),
    "refuted_disease": (_REMARK, "A leukaemia was refuted or entered in error."),
    "unconfirmed_disease": (_WARNING, "The leukaemia is recorded as not confirmed."),
    "differential_disease": (_REMARK, "A leukaemia that is one of several possible is not used."),
    "inactive_disease": (_WARNING, "The leukaemia is recorded as inactive, and is used."),
    "resolved_disease": (_WARNING, "A leukaemia that has resolved is not used."),
    "partial_birth_date": (_REMARK, "The birth date is partial: the middle of it is used."),
    "bad_birth_date": (_WARNING, "The birth date is not a date."),
    "deceased": (_ERROR, "The patient is recorded as deceased."),
    # Transplants
    "second_transplant_done": (_WARNING, "A second allogeneic transplant seems to be done."),
    "transplant_type_unknown": (
        _WARNING,
        "An earlier transplant is recorded, but not whether it was allogeneic.",
    ),
    "planned_date_past": (_WARNING, "The date of the ordered transplant has passed."),
    "planned_date_unclear": (_WARNING, "The date of the ordered transplant is not a day."),
    "several_planned_dates": (_WARNING, "Orders name several days: the first is used."),
}
"""Of each code its severity and its text."""


def issue(code: str, covariate: str | None = None, expression: str | None = None) -> Issue:
    """Return the issue with this code."""
    severity, text = ISSUES[code]
    return Issue(severity, code, covariate, expression, text)
