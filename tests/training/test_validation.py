"""Bootstrap validation: against R's rms, and what must hold whatever the cohort."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.analysis import InternalValidation, Performance
from model.errors import FitError
from tests.cohorts import cohort_of, rows
from tests.golden.real_cohorts import COHORTS
from training.cohort import Cohort
from training.fit import Options, fit_model
from training.penalty import choose_penalty
from training.validation.bench import CALIBRATION_SLOPE
from training.validation.decision import THRESHOLDS
from training.validation.internal import (
    validate_internally,
    validate_procedure,
)
from training.validation.performance import (
    AUC,
    BRIER,
    HARRELL_C,
    IPA,
    OBSERVED_EXPECTED,
    UNO_C,
    Indices,
)
from training.validation.procedure import CoxPredictor, CoxProcedure
from training.validation.refit import OneByOne

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "validation.json").read_text(encoding="utf-8")
)
PLAIN = Options(penalty=0.0)


def unwatched(done: int) -> None:
    """Take no notice of progress."""


def validated(
    cohort: Cohort, options: Options = PLAIN, resamples: int = 60, seed: int = 3, jobs: int = 1
) -> InternalValidation:
    return validate_internally(
        cohort,
        options,
        resamples=resamples,
        seed=seed,
        jobs=jobs,
        on_progress=unwatched,
    )


def measure(validation: InternalValidation, name: str, horizon: float | None = None) -> Performance:
    found = [
        p
        for p in validation.performance
        if p.measure == name and horizon in (None, p.horizon_months)
    ]
    return found[0]


def noise(n: int = 80, p_seed: int = 5) -> Cohort:
    """Return patients whose survival has nothing to do with any covariate."""
    table = rows(n, p_seed)
    rng = np.random.default_rng(p_seed)
    for row, months, died in zip(table, rng.exponential(14, n), rng.random(n), strict=True):
        row.update(os_months=float(np.round(months, 3)) + 0.1, death=int(died < 0.7))
    return cohort_of(table)


@pytest.mark.slow
@pytest.mark.parametrize("golden", GOLDEN["validate"], ids=lambda g: g["name"])
def test_optimism_is_that_of_rms_within_monte_carlo_error(golden: dict[str, Any]):
    ours = validated(cohort_of(COHORTS[golden["name"]]()), resamples=1000, jobs=2)
    assert ours.failed == 0
    c = measure(ours, HARRELL_C)
    apparent, _, _, optimism, corrected = golden["dxy"]
    assert 2 * c.apparent - 1 == pytest.approx(apparent, abs=1e-9)
    # The optimism of one resample varies by less than 0.1 (Dxy) and 0.3 (slope); two means of
    # 1,000 differ by less than four of their standard errors.
    within = 4 * np.sqrt(2 / 1000)
    assert 2 * c.optimism == pytest.approx(optimism, abs=0.1 * within)
    assert 2 * c.corrected - 1 == pytest.approx(corrected, abs=0.1 * within)
    slope = measure(ours, CALIBRATION_SLOPE)
    assert slope.apparent == pytest.approx(1.0, abs=1e-9)
    assert slope.corrected == pytest.approx(golden["slope"][4], abs=0.3 * within)


def test_the_same_seed_gives_the_same_answer_with_one_job_and_with_two():
    cohort = cohort_of(rows(72))
    one, two = (validated(cohort, resamples=210, jobs=jobs) for jobs in (1, 2))
    assert one == two
    assert validated(cohort, resamples=20, seed=4) != validated(cohort, resamples=20)


def test_the_order_of_the_file_changes_nothing():
    cohort = cohort_of(rows(72))
    backwards = cohort.take(np.arange(72)[::-1])
    assert validated(backwards, resamples=20) == validated(cohort, resamples=20)


def test_pure_noise_is_found_out():
    cohorts = [validated(noise(p_seed=seed), resamples=60) for seed in range(6)]

    def mean(name: str, part: str) -> float:
        return float(np.mean([getattr(measure(found, name), part) for found in cohorts]))

    for name in (HARRELL_C, UNO_C, AUC, IPA, CALIBRATION_SLOPE):
        assert mean(name, "optimism") > 0, name
    assert mean(BRIER, "optimism") < 0
    assert mean(HARRELL_C, "apparent") > 0.58
    assert mean(HARRELL_C, "corrected") == pytest.approx(0.5, abs=0.06)
    assert mean(CALIBRATION_SLOPE, "corrected") < 0.4
    assert mean(IPA, "corrected") < 0


def test_corrected_is_apparent_less_optimism_and_each_measure_has_its_horizons():
    found = validated(cohort_of(rows(120)), resamples=40)
    for p in found.performance:
        assert p.corrected == pytest.approx(p.apparent - p.optimism, abs=1e-12)
        assert p.lower < p.upper
    for name in (AUC, BRIER, IPA, OBSERVED_EXPECTED):
        horizons = [p.horizon_months for p in found.performance if p.measure == name]
        assert horizons == [6.0, 12.0, 24.0]


def test_the_apparent_model_is_the_one_that_is_served():
    cohort = cohort_of(rows(72)).in_canonical_order()
    options = Options(penalty=4.0)
    served = fit_model(cohort, options).model.cox
    ours = CoxProcedure(penalty=4.0)(cohort, np.arange(72), 0)
    np.testing.assert_allclose(ours.coefficients, served.coefficients, rtol=1e-9)
    np.testing.assert_allclose(ours.hazard, served.hazard, rtol=1e-9)


def test_calibration_has_groups_a_curve_and_a_band_for_each_horizon():
    found = validated(cohort_of(rows(120)), resamples=60)
    assert [curve.horizon_months for curve in found.calibration] == [6.0, 12.0, 24.0]
    for curve in found.calibration:
        assert sum(group.patients for group in curve.groups) == 120
        assert curve.smooth_predicted == sorted(curve.smooth_predicted)
        lower, upper = np.array(curve.smooth_lower), np.array(curve.smooth_upper)
        assert (lower <= upper).all()
        inside = (lower <= curve.smooth_observed) & (curve.smooth_observed <= upper)
        assert inside.mean() > 0.8


def test_the_decision_curve_is_corrected_downwards():
    decision = validated(noise(), resamples=100).decision
    assert decision is not None
    assert decision.horizon_months == 12.0
    assert decision.thresholds == THRESHOLDS.tolist()
    middle = slice(12, 24)
    assert np.mean(decision.model_corrected[middle]) < np.mean(decision.model[middle])
    assert decision.everybody[0] > 0 > decision.everybody[-1]


def test_a_cohort_with_short_follow_up_has_fewer_horizons_and_no_decision():
    table = rows(100)
    for row in table:
        if float(row["os_months"]) > 8:
            row.update(os_months=8.0, death=0)
    found = validated(cohort_of(table), resamples=30)
    assert [curve.horizon_months for curve in found.calibration] == [6.0]
    assert found.decision is None
    assert measure(found, UNO_C).horizon_months == 8.0


def test_ecog_alone_is_validated_without_a_penalty():
    cohort = cohort_of(rows(120)).with_covariates(("ecog",))
    found = validated(cohort, Options(), resamples=40)
    assert found.failed == 0
    assert abs(measure(found, HARRELL_C).optimism) < 0.03


@pytest.mark.slow
def test_the_penalty_is_searched_anew_in_each_resample():
    cohort = cohort_of(rows(72))
    searched = validated(cohort, Options(), resamples=40, jobs=2)
    plain = validated(cohort, resamples=40)
    assert searched.failed == 0
    assert measure(searched, HARRELL_C).optimism < measure(plain, HARRELL_C).optimism
    assert measure(searched, CALIBRATION_SLOPE).corrected > 0.7


def test_copies_of_a_patient_in_one_fold_support_a_stronger_penalty():
    rng = np.random.default_rng(8)
    x = np.repeat(rng.normal(size=(40, 6)), 3, axis=0)
    months, death = np.repeat(rng.exponential(10, 40), 3), np.repeat(rng.random(40) < 0.7, 3)
    patients, penalised = np.repeat(np.arange(40), 3), np.ones(6, dtype=bool)
    data = (x, months, death, penalised)
    alone, apart, together = (
        choose_penalty(*data, seed=1, number=10, repeats=3, groups=groups)
        for groups in (None, np.arange(120), patients)
    )
    assert alone.chosen == apart.chosen
    assert alone.scores.tolist() == apart.scores.tolist()
    assert together.chosen > alone.chosen


def separated() -> Cohort:
    """Return patients of whom one alone keeps a covariate from separating early deaths."""
    table = rows(60)
    in_order = sorted(table, key=lambda row: float(row["os_months"]))
    for place, row in enumerate(in_order):
        row.update(os_months=place + 1.0, death=int(place < 30))
        row["post_transplant_cyclophosphamide"] = place < 10 or place == 59
    return cohort_of(in_order).with_covariates(("ecog", "post_transplant_cyclophosphamide"))


def test_resamples_that_cannot_be_fitted_are_counted():
    found = validated(separated(), resamples=100)
    # A given patient is missing from a resample with the probability 1/e.
    assert 20 < found.failures["separation"] + found.failures.get("not_converged", 0) < 55
    assert found.failed == sum(found.failures.values())
    assert found.resamples == 100


def test_progress_adds_up_to_the_resamples():
    done: list[int] = []
    validate_internally(
        cohort_of(rows(72)), PLAIN, resamples=220, seed=1, jobs=1, on_progress=done.append
    )
    assert sum(done) == 220
    assert len(done) > 1


def refuse(cohort: Cohort, patients: Indices, seed: int) -> CoxPredictor:
    raise FitError("by_design", "never fits")


def stay(cohort: Cohort, patients: Indices, seed: int) -> CoxPredictor:
    return CoxProcedure(penalty=0.0)(cohort_of(rows(72)), np.arange(72), 0)


def test_where_no_resample_can_be_fitted_there_is_no_validation():
    cohort = cohort_of(rows(72))
    model = stay(cohort, np.arange(72), 0)
    with pytest.raises(FitError, match="by_design") as refused:
        validate_procedure(
            cohort, OneByOne(refuse), model, resamples=5, seed=1, jobs=1, on_progress=unwatched
        )
    assert refused.value.code == "validation_failed"


def test_a_procedure_that_looks_at_no_data_has_no_optimism():
    cohort = cohort_of(rows(72))
    model = stay(cohort, np.arange(72), 0)
    found = validate_procedure(
        cohort, OneByOne(stay), model, resamples=150, seed=1, jobs=1, on_progress=unwatched
    )
    for name in (HARRELL_C, AUC, BRIER):
        p = measure(found, name)
        assert abs(p.optimism) < 0.02, name
        assert p.lower < p.corrected < p.upper


def test_each_resample_knows_the_original_patients_of_its_rows():
    cohort = cohort_of(rows(72))
    ordered = cohort.in_canonical_order()
    seen: list[Indices] = []

    def watch(drawn: Cohort, patients: Indices, seed: int) -> CoxPredictor:
        assert len(patients) == 72
        assert len(np.unique(patients)) < 60
        same = np.array([np.unique(drawn.months[patients == one]).size for one in set(patients)])
        assert (same == 1).all()
        seen.append(patients)
        return CoxProcedure(penalty=0.0)(drawn, patients, seed)

    model = CoxProcedure(penalty=0.0)(ordered, np.arange(72), 0)
    validate_procedure(
        cohort, OneByOne(watch), model, resamples=10, seed=1, jobs=1, on_progress=unwatched
    )
    assert len({tuple(patients) for patients in seen}) == 10
