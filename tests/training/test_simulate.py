"""The shipped synthetic cohort: its bytes, its figures, and that its check can fail."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from model.patient import COVARIATES, Patient
from training.cohort import SHIPPED_COHORT, Cohort, shipped_cohort
from training.simulation import simulate as simulation
from training.simulation.annealing import NOT_SIGNIFICANT_Z
from training.simulation.follow_up import draw_follow_up
from training.simulation.simulate import (
    SHIPPED_SEED,
    Progress,
    SimulationError,
    csv_text,
    declaration_text,
    has_every_figure,
    simulate,
)
from training.study.figures import NAMES, PUBLISHED, StudyAnalysis, analyse, median_survival

BY_R = json.loads(
    (Path(__file__).parents[1] / "golden" / "cox_zph.json").read_text(encoding="utf-8")
)["study"]


@pytest.fixture(scope="module")
def analysis() -> StudyAnalysis:
    return analyse(shipped_cohort())


def column(name: str) -> Any:
    return shipped_cohort().numbers[:, NAMES.index(name)]


def altered(name: str, row: int, by: float) -> Cohort:
    cohort = shipped_cohort()
    numbers = cohort.numbers.copy()
    numbers[row, NAMES.index(name)] += by
    return replace(cohort, numbers=numbers)


@pytest.mark.slow
def test_the_committed_cohort_comes_out_of_its_seed_byte_for_byte() -> None:
    seen: list[Progress] = []
    cohort = simulate(SHIPPED_SEED, seen.append)
    assert csv_text(cohort).encode() == SHIPPED_COHORT.read_bytes()
    declared = SHIPPED_COHORT.with_suffix(".cohort.json").read_bytes()
    assert declaration_text(cohort).encode() == declared
    assert cohort.declaration.seed == SHIPPED_SEED
    fractions = [progress.fraction for progress in seen]
    assert len(seen) > 10
    assert fractions == sorted(fractions)


def test_the_committed_file_is_what_its_rows_are_written_as() -> None:
    assert csv_text(shipped_cohort()).encode() == SHIPPED_COHORT.read_bytes()
    assert shipped_cohort().declaration.synthetic


@pytest.mark.parametrize("figure", [field.name for field in fields(PUBLISHED)])
def test_every_published_figure_is_reproduced(figure: str, analysis: StudyAnalysis) -> None:
    assert getattr(analysis.figures, figure) == getattr(PUBLISHED, figure)


def test_every_figure_has_a_label_for_the_report() -> None:
    labels = [field.metadata["label"] for field in fields(PUBLISHED)]
    assert len(set(labels[:8])) == 8
    assert all(labels)


def test_the_published_numbers_are_those_of_the_abstract() -> None:
    # Written out a second time on purpose: an edit of the table must be noticed.
    assert (PUBLISHED.patients, PUBLISHED.aml, PUBLISHED.all) == (72, 46, 26)
    assert (PUBLISHED.complete_remission, PUBLISHED.deaths) == (34, 44)
    assert PUBLISHED.follow_up_median_months == 8
    assert PUBLISHED.follow_up_range_months == (1, 109)
    assert PUBLISHED.median_survival_months == 11
    assert PUBLISHED.median_survival_limits == (1.0, 22.9)
    assert PUBLISHED.ecog_hazard_ratio == 2.142
    assert PUBLISHED.ecog_limits == (1.061, 4.326)
    assert PUBLISHED.ecog_p == 0.034


def test_the_analysis_equals_that_of_r(analysis: StudyAnalysis) -> None:
    assert list(NAMES) == BY_R["covariates"]
    assert [e.p for e in analysis.univariate] == pytest.approx(BY_R["univariate_p"], rel=1e-6)
    fitted = [effect.log_hazard_ratio for effect in analysis.multivariable]
    assert fitted == pytest.approx(BY_R["coefficients"], rel=1e-8)
    assert [e.p for e in analysis.multivariable] == pytest.approx(BY_R["p"], rel=1e-8)
    ecog = analysis.multivariable[0]
    assert [ecog.hazard_ratio, *ecog.limits] == pytest.approx(BY_R["ecog"], rel=1e-9)
    assert list(analysis.eliminated) == BY_R["removed"]
    hazards_p = list(analysis.proportional_hazards_p.values())
    assert hazards_p == pytest.approx(BY_R["proportional_hazards_p"], rel=1e-6)
    assert analysis.median_survival.months == BY_R["median_months"]
    error = analysis.median_survival.standard_error
    assert error == pytest.approx(BY_R["median_standard_error"], rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_entered_wrongly_is_noticed(name: str) -> None:
    """Move the patient with the longest follow-up far off in one covariate."""
    row = int(shipped_cohort().months.argmax())
    value = column(name)[row]
    by = 1 - 2 * value if COVARIATES[name].is_binary else max(1.0, 0.5 * abs(value))
    assert not has_every_figure(altered(name, row, by))


def test_the_figures_that_a_change_spoils_are_named() -> None:
    cohort = shipped_cohort()
    death = cohort.death.copy()
    death[int(np.flatnonzero(~death)[0])] = True
    spoiled = analyse(replace(cohort, death=death)).figures.differences(PUBLISHED)
    assert "deaths" in spoiled
    assert "patients" not in spoiled
    assert PUBLISHED.differences(PUBLISHED) == ()


def test_a_shift_of_one_follow_up_spoils_the_median_or_its_interval() -> None:
    cohort = shipped_cohort()
    months = np.where(cohort.months == 11.0, 11.6, cohort.months)
    changed = median_survival(months, cohort.death)
    assert round(changed.upper, 1) != PUBLISHED.median_survival_limits[1]


def test_a_cohort_without_a_maximum_has_not_every_figure() -> None:
    cohort = shipped_cohort()
    numbers = cohort.numbers.copy()
    numbers[:, NAMES.index("disease")] = cohort.death
    assert not has_every_figure(replace(cohort, numbers=numbers))


def test_a_cohort_whose_median_is_not_reached_is_named() -> None:
    cohort = shipped_cohort()
    with pytest.raises(FitError, match="survival must pass"):
        median_survival(cohort.months, cohort.death & (cohort.months < 5))


def test_a_cohort_that_lacks_a_candidate_is_named() -> None:
    with pytest.raises(FitError, match="all twelve covariates"):
        analyse(shipped_cohort().with_covariates(NAMES[:11]))


def test_every_row_is_a_patient_that_the_service_accepts() -> None:
    for numbers in shipped_cohort().numbers:
        values = {
            n: COVARIATES[n].from_number(v) for n, v in zip(NAMES, numbers.tolist(), strict=True)
        }
        Patient.model_validate(values)


@pytest.mark.parametrize(
    ("name", "low", "high", "median_low", "median_high"),
    [
        ("age_years", 18, 66, 35, 50),
        ("bmi_kg_m2", 17, 38, 22, 27),
        ("donor_chimerism_percent", 0, 100, 60, 95),
        ("cd34_dose_10e6_per_kg", 2, 12, 4, 7),
        ("hemoglobin_g_dl", 6, 14, 8.5, 11),
        ("lymphocytes_10e9_l", 0.1, 4, 0.5, 1.3),
        ("ldh_u_l", 120, 1500, 200, 350),
        ("ferritin_ng_ml", 100, 8000, 800, 2000),
    ],
)
def test_marginals_are_those_of_transplant_candidates(
    name: str, low: float, high: float, median_low: float, median_high: float
) -> None:
    values = column(name)
    assert low <= values.min() < values.max() <= high
    assert median_low <= np.median(values) <= median_high
    assert len(np.unique(values)) > 20


def test_both_risk_bands_hold_enough_patients() -> None:
    grades, counts = np.unique(column("ecog"), return_counts=True)
    assert grades.tolist() == [0, 1, 2, 3]
    assert counts[2:].sum() >= 15
    assert counts[:2].sum() > counts[2:].sum()


def test_cyclophosphamide_and_conditioning_are_as_common_as_in_practice() -> None:
    assert 0.3 <= column("post_transplant_cyclophosphamide").mean() <= 0.45
    assert 0.3 <= column("conditioning").mean() <= 0.5


@pytest.mark.parametrize(
    ("one", "other", "sign"),
    [
        ("ecog", "age_years", 1),
        ("ecog", "hemoglobin_g_dl", -1),
        ("ecog", "ldh_u_l", 1),
        ("ldh_u_l", "ferritin_ng_ml", 1),
        ("age_years", "conditioning", -1),
        ("donor_chimerism_percent", "ldh_u_l", -1),
    ],
)
def test_correlations_have_the_sign_that_a_physician_expects(
    one: str, other: str, sign: int
) -> None:
    assert 0.1 < sign * np.corrcoef(column(one), column(other))[0, 1] < 0.7


def test_remission_goes_with_chimerism_and_with_survival() -> None:
    cohort = shipped_cohort()
    assert cohort.complete_remission is not None
    remission = cohort.complete_remission == 1
    chimerism = column("donor_chimerism_percent")
    assert chimerism[remission].mean() > chimerism[~remission].mean()
    assert cohort.death[remission].mean() < cohort.death[~remission].mean()


def test_two_year_survival_is_within_what_others_published() -> None:
    cohort = shipped_cohort()
    at_two_years = KaplanMeier.estimate(cohort.months, cohort.death).at(24, 0.95)
    assert at_two_years is not None
    assert at_two_years.estimate is not None
    assert 0.34 <= at_two_years.estimate <= 0.38


def test_times_are_distinct_tenths_of_a_month() -> None:
    months = shipped_cohort().months
    assert len(np.unique(months)) == len(months)
    assert np.array_equal(np.round(months * 10), np.round(months * 10, 9))


def test_no_other_candidate_is_near_significance(analysis: StudyAnalysis) -> None:
    for effect in analysis.multivariable[1:]:
        assert abs(effect.log_hazard_ratio / effect.standard_error) < NOT_SIGNIFICANT_Z + 1e-3


@pytest.mark.slow
def test_another_seed_draws_other_follow_up_with_the_same_figures() -> None:
    one, _ = draw_follow_up(np.random.default_rng(1))
    other, death = draw_follow_up(np.random.default_rng(2))
    assert not np.array_equal(one, other)
    estimate = median_survival(other / 10, death)
    assert (round(estimate.lower, 1), round(estimate.upper, 1)) == PUBLISHED.median_survival_limits


def test_where_every_seed_fails_the_seeds_tried_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def fails(seed: int, report_progress: object) -> None:
        tried.append(seed)

    monkeypatch.setattr(simulation, "_draw", fails)
    with pytest.raises(SimulationError, match="seeds 5 to 24"):
        simulate(5)
    assert tried == list(range(5, 25))
