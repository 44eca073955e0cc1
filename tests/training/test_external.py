"""Validation on another cohort, and the recalibrated version that it offers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.utils import concordance_index

from model import artifact
from model.errors import ArtifactError, FitError
from model.manifest import NOT_VALIDATED_NOTICE
from model.patient import Patient
from model.prediction import predict
from tests.cohorts import cohort_of, rows
from tests.model import artifacts
from training.validation.external import covariates_unknown, recalibrate, validate_externally
from training.versions import write_next_version


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    real = artifacts.PROVENANCE.model_copy(
        update={"cohort": artifacts.COHORT.model_copy(update={"synthetic": False})}
    )
    return artifacts.save(tmp_path_factory.mktemp("models") / "test-os", real)


@pytest.fixture(scope="module")
def other():
    return cohort_of(rows(220, seed=77)).in_canonical_order()


def predictors(trained, cohort):
    cox = trained.model.cox
    return cox.design.standardise(cohort.numbers) @ cox.coefficients


def test_concordance_and_slope_equal_another_librarys(trained, other):
    validation = validate_externally(trained, other)
    predictor = predictors(trained, other)
    expected = concordance_index(other.months, -predictor, other.death)
    assert validation.concordance.estimate == pytest.approx(expected, abs=1e-12)
    table = pd.DataFrame({"lp": predictor, "months": other.months, "death": other.death})
    slope = CoxPHFitter().fit(table, "months", "death")
    assert validation.calibration_slope.estimate == pytest.approx(slope.params_["lp"], rel=1e-5)
    lower, upper = slope.confidence_intervals_.loc["lp"]
    assert validation.calibration_slope.lower == pytest.approx(lower, rel=1e-4)
    assert validation.calibration_slope.upper == pytest.approx(upper, rel=1e-4)
    assert validation.concordance.lower < expected < validation.concordance.upper


def test_observed_over_expected_is_of_the_mean_prediction(trained, other):
    (at_twelve,) = [
        of.ratio
        for of in validate_externally(trained, other).observed_expected
        if of.horizon_months == 12
    ]
    predicted = np.exp(
        -np.outer(
            np.exp(predictors(trained, other)),
            trained.model.cox.hazard[
                np.searchsorted(trained.model.cox.months, 12.0, side="right") - 1
            ],
        )
    ).mean()
    observed = 1 - KaplanMeierFitter().fit(other.months, other.death).predict(12.0)
    assert at_twelve.estimate == pytest.approx(observed / (1 - predicted), rel=1e-9)
    assert at_twelve.lower < at_twelve.estimate < at_twelve.upper


def test_a_cohort_that_lacks_a_covariate_has_it_expected(trained, other):
    fewer = other.with_covariates(tuple(n for n in other.names if n != "ldh_u_l"))
    assert covariates_unknown(trained, fewer) == ("ldh_u_l",)
    validation = validate_externally(trained, fewer)
    assert (
        validation.concordance.estimate != validate_externally(trained, other).concordance.estimate
    )


def test_a_recalibrated_model_has_slope_one_and_expects_what_was_observed(trained, other):
    adjusted = recalibrate(trained, other)
    again = replace(trained, model=adjusted.model)
    validation = validate_externally(again, other)
    assert validation.calibration_slope.estimate == pytest.approx(1, abs=1e-9)
    cox = adjusted.model.cox
    at = np.searchsorted(cox.months, other.months, side="right")
    expected = np.append(0.0, cox.hazard)[at] @ np.exp(predictors(again, other))
    assert expected == pytest.approx(other.death.sum(), rel=1e-12)


def test_a_recalibrated_interval_holds_the_uncertainty_of_the_adjustment(trained, other):
    patient = Patient(ecog=3, age_years=60)
    before = predict(trained.model, patient).survival.horizons[1]
    # Adjusting to few patients must leave a wider interval than adjusting to many.
    few = cohort_of(rows(40, seed=5)).in_canonical_order()
    widths = []
    for cohort in (few, other):
        after = predict(recalibrate(trained, cohort).model, patient).survival.horizons[1]
        assert after.lower is not None
        assert after.upper is not None
        widths.append(np.log(-np.log(after.lower)) - np.log(-np.log(after.upper)))
    assert widths[0] > widths[1]
    assert before.probability is not None


def test_a_validation_is_recorded_in_the_next_version(trained, other, tmp_path):
    validation = validate_externally(trained, other)
    written = write_next_version(trained, other, validation, tmp_path / "next", recalibrated=False)
    loaded = artifact.load(tmp_path / "next")
    assert loaded.sha256 == written.sha256
    assert loaded.manifest.version == "1.0.1"
    assert loaded.manifest.validations == [validation]
    assert trained.manifest.notice == NOT_VALIDATED_NOTICE
    assert loaded.manifest.notice is None
    assert "Test cohort" in loaded.documents.report
    patient = Patient(ecog=2)
    assert predict(loaded.model, patient) == predict(trained.model, patient)


def test_a_recalibrated_version_says_so_and_is_not_validated(trained, other, tmp_path):
    validation = validate_externally(trained, other)
    write_next_version(trained, other, validation, tmp_path / "next", recalibrated=True)
    written = artifact.load(tmp_path / "next")
    assert "Version 1.0.0 was adjusted to Test cohort" in written.documents.card
    assert "not updated" not in written.documents.card
    manifest = written.manifest
    assert manifest.version == "1.1.0"
    assert manifest.recalibration is not None
    assert manifest.recalibration.from_version == "1.0.0"
    assert manifest.recalibration.slope == pytest.approx(validation.calibration_slope.estimate)
    assert manifest.notice == NOT_VALIDATED_NOTICE


def test_a_version_is_never_written_over(trained, other, tmp_path):
    validation = validate_externally(trained, other)
    with pytest.raises(ArtifactError, match="never written over"):
        write_next_version(trained, other, validation, tmp_path, recalibrated=False)


def test_the_training_cohort_is_no_validation(trained, tmp_path):
    cohort = cohort_of(rows()).in_canonical_order()
    validation = validate_externally(trained, cohort)
    own = validation.cohort.model_copy(update={"sha256": trained.manifest.cohort.sha256})
    with pytest.raises(ArtifactError, match="training cohort"):
        write_next_version(
            trained,
            cohort,
            validation.model_copy(update={"cohort": own}),
            tmp_path / "next",
            recalibrated=False,
        )


def test_a_cohort_in_which_worse_predictions_do_better_is_not_recalibrated_to(trained, other):
    backwards = replace(other, months=other.months.max() + 1 - other.months)
    with pytest.raises(FitError) as refused:
        recalibrate(trained, backwards)
    assert refused.value.code == "slope_not_positive"


def test_a_cohort_without_deaths_is_refused(trained, other):
    alive = replace(other, death=np.zeros(len(other.months), dtype=bool))
    with pytest.raises(FitError) as refused:
        validate_externally(trained, alive)
    assert refused.value.code == "no_deaths"
