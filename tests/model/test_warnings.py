"""Each warning of a prediction: given in a case made for it, and not otherwise."""

from dataclasses import replace

import pytest

from model.answer import PatientPrediction
from model.patient import Patient
from model.prediction import PrognosticModel, predict
from model.risk import RiskBands
from tests.cohorts import rows

ORDINARY = Patient(ecog=1, age_years=50.0, ferritin_ng_ml=1000.0)
LATE, EARLY = 50.0, 12.0


def codes(answer: PatientPrediction) -> list[str]:
    return [warning.code for warning in answer.warnings]


def test_an_ordinary_patient_at_an_early_horizon_gets_no_warning(model: PrognosticModel):
    assert codes(predict(model, ORDINARY, horizons_months=[6.0, EARLY, 24.0])) == []


def test_few_at_risk_is_said_below_fifteen(model: PrognosticModel):
    followed = sorted((float(row["os_months"]) for row in rows()), reverse=True)
    fifteenth, fourteenth = followed[14], followed[13]
    assert fourteenth > fifteenth
    assert codes(predict(model, ORDINARY, horizons_months=[fifteenth])) == []
    (warning,) = predict(model, ORDINARY, horizons_months=[fourteenth]).warnings
    assert (warning.code, warning.field) == ("few_at_risk", "horizon_months")
    assert warning.message == f"at {fourteenth:g} months fewer than 15 patients were still followed"


def test_few_at_risk_in_the_patients_own_band_is_said_below_five(model: PrognosticModel):
    high = sorted((float(r["os_months"]) for r in rows() if int(r["ecog"]) >= 2), reverse=True)
    fifth, fourth = high[4], high[3]
    assert fourth > fifth
    patient = ORDINARY.model_copy(update={"ecog": 2})
    assert "few_at_risk_in_band" not in codes(predict(model, patient, horizons_months=[fifth]))
    answer = predict(model, patient, horizons_months=[fourth])
    (warning,) = [w for w in answer.warnings if w.code == "few_at_risk_in_band"]
    assert "patients of category high were still followed" in warning.message
    # The other band has enough at that time.
    assert "few_at_risk_in_band" not in codes(predict(model, ORDINARY, horizons_months=[fourth]))


def test_a_withheld_horizon_is_said_and_nothing_else_of_it(model: PrognosticModel):
    (warning,) = predict(model, ORDINARY, horizons_months=[500.0]).warnings
    assert (warning.code, warning.field) == ("horizon_withheld", "horizon_months")
    assert warning.message.startswith("at 500 months: fewer than 5 patients were followed beyond")


@pytest.mark.parametrize("name", ["age_years", "ferritin_ng_ml", "donor_chimerism_percent"])
@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_a_value_outside_the_training_range_is_said(model: PrognosticModel, name: str, end: str):
    column = model.cox.design.names.index(name)
    edge = float(getattr(model.cox.design, end)[column])
    beyond = edge * (1.01 if end == "maximum" else 0.99)
    inside, outside = (
        predict(model, Patient(ecog=1).model_copy(update={name: value}), horizons_months=[EARLY])
        for value in (edge, beyond)
    )
    assert codes(inside) == []
    warning = next(w for w in outside.warnings if w.code == "outside_training_range")
    assert warning.field == name
    low, high = model.cox.design.minimum[column], model.cox.design.maximum[column]
    assert warning.message.endswith(f"range of {low:g} to {high:g}")
    assert outside.survival.horizons[0].probability is not None


def test_an_unknown_value_is_not_outside_the_range(model: PrognosticModel):
    assert codes(predict(model, Patient(ecog=1), horizons_months=[EARLY])) == []


def test_a_grade_with_few_patients_is_extrapolated(model: PrognosticModel):
    patients = [sum(int(row["ecog"]) == grade for row in rows()) for grade in range(5)]
    assert [count < 5 for count in patients] == [False, False, False, False, True]
    for grade in range(5):
        answer = predict(model, Patient(ecog=grade), horizons_months=[EARLY])
        assert answer.risk.extrapolated == (grade == 4)
        assert ("ecog_extrapolated" in codes(answer)) == (grade == 4)


@pytest.mark.parametrize(
    ("patients", "deaths", "extrapolated"),
    [(5, 3, False), (4, 4, True), (5, 2, True), (0, 0, True), (40, 2, True), (40, 30, False)],
)
def test_a_grade_needs_five_patients_and_three_deaths(
    model: PrognosticModel, patients: int, deaths: int, extrapolated: bool
):
    counted = replace(
        model.risk_bands,
        patients_by_grade=(9, 9, 9, patients, 9),
        deaths_by_grade=(9, 9, 9, deaths, 9),
    )
    changed = replace(model, risk_bands=counted)
    assert isinstance(counted, RiskBands)
    assert predict(changed, Patient(ecog=3)).risk.extrapolated == extrapolated
    assert not predict(changed, Patient(ecog=2)).risk.extrapolated


# ECOG is good and all else bad, or the other way round.
ILL_BUT_FIT = Patient(
    ecog=0, age_years=74.0, ferritin_ng_ml=9000.0, ldh_u_l=600.0, hemoglobin_g_dl=7.0
)
WELL_BUT_UNFIT = Patient(
    ecog=3, age_years=18.0, ferritin_ng_ml=50.0, ldh_u_l=100.0, hemoglobin_g_dl=14.0
)


@pytest.mark.parametrize(
    ("patient", "own", "other"),
    [(ILL_BUT_FIT, "standard", "high"), (WELL_BUT_UNFIT, "high", "standard")],
)
def test_a_curve_that_fits_the_other_category_is_said(
    model: PrognosticModel, patient: Patient, own: str, other: str
):
    answer = predict(model, patient, horizons_months=[EARLY])
    (warning,) = [w for w in answer.warnings if w.code == "category_and_curve_differ"]
    assert answer.risk.category == own
    assert f"observed in category {other}, not in {own}" in warning.message
    probability = answer.survival.horizons[0].probability
    grade = {"standard": 1, "high": 2}
    bounds = {
        name: predict(model, Patient(ecog=g), horizons_months=[EARLY]).risk.observed.horizons[0]
        for name, g in grade.items()
    }
    inside = {
        name: (b.lower or 0.0) <= (probability or 0.0) <= (b.upper or 0.0)
        for name, b in bounds.items()
    }
    assert inside == {own: False, other: True}


def test_a_curve_within_its_own_category_is_not_said_to_differ(model: PrognosticModel):
    for ecog in range(4):
        answer = predict(model, Patient(ecog=ecog), horizons_months=[EARLY])
        observed = answer.risk.observed.horizons[0]
        probability = answer.survival.horizons[0].probability
        assert probability is not None
        assert observed.lower is not None
        assert observed.upper is not None
        if observed.lower <= probability <= observed.upper:
            assert "category_and_curve_differ" not in codes(answer)
    assert "category_and_curve_differ" not in codes(
        predict(model, ORDINARY, horizons_months=[EARLY, LATE])
    )
