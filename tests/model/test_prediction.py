"""The answer for one patient: what it holds and what it withholds."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from model.kaplan_meier import KaplanMeier
from model.patient import COVARIATES, Patient
from model.prediction import PrognosticModel, ecog_hazard_ratio, predict
from model.survival import SurvivalCurve
from tests.cohorts import fitted, rows
from tests.model.patients import patients

MODEL = fitted().model
COX = MODEL.cox
KNOWN = Patient.model_validate(
    {name: value for name, value in rows(1)[0].items() if name in COVARIATES}
)
quick = settings(max_examples=40, deadline=None)


def test_a_horizon_past_the_last_time_is_withheld_with_its_reason(model: PrognosticModel):
    last = model.cox.last_months
    past = float(np.nextafter(last, 100))
    answer = predict(model, KNOWN, horizons_months=[last, past])
    at_last, withheld = answer.survival.horizons
    assert at_last.probability is not None
    assert at_last.reason is None
    assert at_last.at_risk >= 5
    assert (withheld.probability, withheld.lower, withheld.upper) == (None, None, None)
    assert withheld.reason == f"fewer than 5 patients were followed beyond {last:g} months"
    assert withheld.at_risk < 5
    assert [w.code for w in answer.warnings if w.field == "horizon_months"].count(
        "horizon_withheld"
    ) == 1
    observed = answer.risk.observed.horizons[1]
    assert (observed.probability, observed.lower, observed.upper) == (None, None, None)


def test_a_horizon_before_the_first_death_is_1_without_an_interval(model: PrognosticModel):
    first = float(model.cox.months[0])
    (horizon,) = predict(model, KNOWN, horizons_months=[first / 2]).survival.horizons
    assert (horizon.probability, horizon.lower, horizon.upper) == (1.0, None, None)


@quick
@given(patients())
def test_horizons_curve_and_median_tell_the_same_story(patient: Patient):
    times = [3.0, 6.0, 12.0, 24.0, 48.0]
    survival = predict(MODEL, patient, horizons_months=times).survival
    curve = survival.curve
    assert curve is not None
    assert (curve.months[0], curve.probability[0], curve.lower[0]) == (0.0, 1.0, None)
    assert curve.months[-1] == survival.last_months
    assert all(a < b for a, b in pairwise(curve.months))
    assert all(a >= b for a, b in pairwise(curve.probability))
    for horizon in survival.horizons:
        step = max(i for i, months in enumerate(curve.months) if months <= horizon.months)
        assert horizon.probability == curve.probability[step]
        assert (horizon.lower, horizon.upper) == (curve.lower[step], curve.upper[step])
    median = survival.median_months
    if median.estimate is None:
        assert curve.probability[-1] > 0.5
        assert median.reason == f"not reached by {survival.last_months:g} months"
    else:
        assert median.reason is None
        assert curve.probability[curve.months.index(median.estimate)] <= 0.5


def test_without_a_curve_the_rest_is_the_same(model: PrognosticModel):
    whole, short = (predict(model, KNOWN, with_curve=wanted) for wanted in (True, False))
    assert whole.survival.curve is not None
    assert short.survival.curve is None
    assert short.model_dump() | {"survival": None} == whole.model_dump() | {"survival": None}
    assert short.survival.horizons == whole.survival.horizons


def test_a_median_limit_can_be_null_alone(model: PrognosticModel):
    median = predict(model, Patient(ecog=0)).survival.median_months
    assert median.estimate is not None
    assert median.lower is not None
    assert median.upper is None
    assert median.reason is None


def test_the_horizons_have_the_numbers_at_risk_of_the_cohort(model: PrognosticModel):
    months = [float(row["os_months"]) for row in rows()]
    answer = predict(model, KNOWN, horizons_months=[6.0, 12.0])
    assert [h.at_risk for h in answer.survival.horizons] == [
        sum(m >= horizon for m in months) for horizon in (6.0, 12.0)
    ]


@pytest.mark.parametrize("ecog", range(5))
def test_the_category_is_the_band_of_ecog_and_shows_what_was_observed(
    ecog: int, model: PrognosticModel
):
    risk = predict(model, KNOWN.model_copy(update={"ecog": ecog})).risk
    low, high = (0, 1) if ecog <= 1 else (2, 4)
    inside = [row for row in rows() if low <= int(row["ecog"]) <= high]
    assert risk.category == ("standard" if ecog <= 1 else "high")
    assert (risk.band.lowest_ecog, risk.band.highest_ecog) == (low, high)
    assert risk.observed.patients == len(inside)
    assert risk.observed.deaths == sum(int(row["death"]) for row in inside)
    observed = KaplanMeier.estimate(
        [float(row["os_months"]) for row in inside], [int(row["death"]) for row in inside]
    )
    for horizon in risk.observed.horizons:
        at = observed.at(horizon.months, 0.95)
        assert at is not None
        assert (horizon.probability, horizon.lower, horizon.upper) == (
            at.estimate,
            at.lower,
            at.upper,
        )
    assert (risk.observed.contrast is None) == (ecog <= 1)


@pytest.mark.parametrize("ecog", range(5))
def test_the_hazard_ratio_of_ecog_is_that_of_its_coefficient(ecog: int, model: PrognosticModel):
    beta = float(model.cox.coefficients_per_unit[0])
    se = float(np.sqrt(model.cox.covariance_per_unit[0, 0]))
    # The commonest grade of the reference band, 0-1.
    assert model.risk_bands.ecog_reference == 1
    ratio = ecog_hazard_ratio(model, ecog, 0.95)
    limits = sorted(np.exp((beta + z * 1.959963984540054 * se) * (ecog - 1)) for z in (-1, 1))
    assert ratio.reference_ecog == 1
    assert ratio.estimate == pytest.approx(np.exp(beta * (ecog - 1)), rel=1e-12)
    assert [ratio.lower, ratio.upper] == pytest.approx(limits, rel=1e-9)


@quick
@given(patients(unknown=False))
def test_contributions_add_up_to_the_distance_from_the_reference_patient(patient: Patient):
    answer = predict(MODEL, patient, with_curve=False)
    reference = Patient.model_validate({c.covariate: c.reference for c in answer.contributions})
    hazards = [
        SurvivalCurve.of(MODEL.cox, MODEL.cox.expect(p), 0.95).log_hazard
        for p in (patient, reference)
    ]
    total = sum(c.log_hazard_ratio for c in answer.contributions)
    np.testing.assert_allclose(hazards[0] - hazards[1], total, atol=1e-9)
    for contribution in answer.contributions:
        assert contribution.hazard_ratio == pytest.approx(np.exp(contribution.log_hazard_ratio))
        assert contribution.value == getattr(patient, contribution.covariate)
        assert type(contribution.value) is type(getattr(patient, contribution.covariate))


def test_a_known_covariate_is_not_imputed(model: PrognosticModel):
    assert predict(model, KNOWN).imputed == []
    answer = predict(model, Patient(ecog=2, age_years=40.0, disease="AML"))
    known = {"ecog", "age_years", "disease"}
    assert {i.covariate for i in answer.imputed} == {*COVARIATES} - known
    assert [c.value is None for c in answer.contributions] == [n not in known for n in COVARIATES]


@quick
@given(patients())
def test_each_unknown_names_its_share_of_the_variance(patient: Patient):
    answer = predict(MODEL, patient, with_curve=False)
    for imputed in answer.imputed:
        assert 0 <= imputed.variance_share < 1
        if COVARIATES[imputed.covariate].is_binary:
            assert imputed.meaning.startswith("probability of ")
            assert -1e-12 <= imputed.expected <= 1 + 1e-12
        else:
            assert imputed.meaning == f"conditional median, {COVARIATES[imputed.covariate].unit}"


def test_the_share_is_by_how_much_the_variance_falls_when_the_value_is_known():
    # All else that is unknown is continuous, so that its distribution given the value is
    # the same whatever the value: here the expected one.
    patient = KNOWN.model_copy(update={"ldh_u_l": None, "ferritin_ng_ml": None, "bmi_kg_m2": None})
    answer = predict(MODEL, patient)
    for imputed in answer.imputed:
        told = patient.model_copy(update={imputed.covariate: imputed.expected})
        before, after = (SurvivalCurve.of(COX, COX.expect(p), 0.95) for p in (patient, told))
        last = int(np.searchsorted(before.months, 24.0, side="right")) - 1
        fall = (before.variance[last] - after.variance[last]) / before.variance[last]
        assert imputed.variance_share == pytest.approx(fall, rel=1e-6)
        assert fall > 0


@quick
@given(patients())
def test_an_answer_can_be_written_as_json_and_read_back(patient: Patient):
    answer = predict(MODEL, patient)
    assert type(answer).model_validate_json(answer.model_dump_json()) == answer
