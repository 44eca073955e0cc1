"""Completed cohorts: what they keep, what they draw, and what is refused by name."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import FitError
from model.patient import COVARIATES
from tests.cohorts import cohort_of, rows
from training.cohort import Cohort
from training.cox import RiskSets, fit_newton
from training.imputation.chained_equations import enough_imputations, impute
from training.imputation.pooling import CompletedFit, pool


def with_gaps(cohort: Cohort, missing: Any) -> Cohort:
    """Return the cohort without the values where shape (n, p) is true, in canonical order."""
    gaps = np.where(missing, np.nan, cohort.numbers)
    return replace(cohort, numbers=gaps).in_canonical_order()


def gaps_at_random(n: int = 90, share: float = 0.15, seed: int = 3) -> Cohort:
    cohort = cohort_of(rows(n))
    missing = np.random.default_rng(seed).random(cohort.numbers.shape) < share
    missing[:, cohort.names.index("ecog")] = False
    return with_gaps(cohort, missing)


def small_cohort(**columns: Any) -> Cohort:
    """Return patients with these columns, whom nothing kills sooner than others."""
    n = len(next(iter(columns.values())))
    rng = np.random.default_rng(5)
    names = tuple(name for name in COVARIATES if name in columns)
    numbers = np.column_stack([np.asarray(columns[name], dtype=float) for name in names])
    return replace(
        cohort_of(rows(5)),
        names=names,
        numbers=numbers,
        months=rng.exponential(12, n) + 0.1,
        death=rng.random(n) < 0.6,
    ).in_canonical_order()


def column(cohort: Cohort, name: str) -> Any:
    return cohort.numbers[:, cohort.names.index(name)]


def known_only(values: Any) -> Any:
    return values[~np.isnan(values)]


def test_known_values_stay_and_every_gap_is_filled():
    cohort = gaps_at_random()
    known = ~np.isnan(cohort.numbers)
    for completed in impute(cohort, imputations=4, seed=1):
        assert np.isfinite(completed.numbers).all()
        assert (completed.numbers[known] == cohort.numbers[known]).all()
        assert completed.names == cohort.names
        assert (completed.months == cohort.months).all()
        assert (completed.death == cohort.death).all()


def test_a_completed_value_is_one_that_was_measured_in_another_patient():
    cohort = gaps_at_random()
    for completed in impute(cohort, imputations=4, seed=1):
        for name in cohort.names:
            assert np.isin(column(completed, name), known_only(column(cohort, name))).all()


def test_imputations_differ_where_a_value_was_unknown():
    cohort = gaps_at_random()
    first, second = impute(cohort, imputations=2, seed=1)
    differ = (first.numbers != second.numbers).any(axis=0)
    assert differ[np.isnan(cohort.numbers).any(axis=0)].all()


def test_the_same_seed_gives_the_same_and_another_seed_another_completion():
    cohort = gaps_at_random()
    once, again, other = (impute(cohort, imputations=2, seed=s)[1].numbers for s in (1, 1, 2))
    assert (once == again).all()
    assert (once != other).any()


def test_the_order_of_the_rows_changes_nothing():
    cohort = gaps_at_random()
    shuffle = np.random.default_rng(0).permutation(len(cohort.months))
    shuffled = replace(
        cohort,
        numbers=cohort.numbers[shuffle],
        months=cohort.months[shuffle],
        death=cohort.death[shuffle],
    ).in_canonical_order()
    for one, other in zip(
        impute(cohort, imputations=2, seed=1),
        impute(shuffled, imputations=2, seed=1),
        strict=True,
    ):
        assert (one.numbers == other.numbers).all()


def test_the_global_random_state_is_neither_used_nor_changed():
    cohort = gaps_at_random()
    np.random.seed(7)  # noqa: NPY002 - the state that must be left alone
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    impute(cohort, imputations=2, seed=1)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]  # noqa: NPY002


def test_a_complete_cohort_is_returned_as_it_is():
    cohort = cohort_of(rows(30))
    completed = impute(cohort, imputations=3, seed=1)
    assert [each.digest() for each in completed] == [cohort.digest()] * 3


@pytest.mark.parametrize(
    ("patients", "incomplete", "imputations"), [(72, 0, 20), (72, 8, 20), (72, 30, 42), (3, 3, 100)]
)
def test_imputations_are_at_least_20_and_the_percentage_of_incomplete_patients(
    patients: int, incomplete: int, imputations: int
):
    cohort = cohort_of(rows(patients))
    missing = np.zeros(cohort.numbers.shape, dtype=bool)
    missing[:incomplete, 1:3] = True
    assert enough_imputations(with_gaps(cohort, missing)) == imputations


def test_a_column_unknown_in_a_whole_ecog_grade_is_completed_from_the_others():
    cohort = cohort_of(rows(120))
    missing = np.zeros(cohort.numbers.shape, dtype=bool)
    missing[:, cohort.names.index("ldh_u_l")] = column(cohort, "ecog") == 2
    for completed in impute(with_gaps(cohort, missing), imputations=3, seed=1):
        assert len(np.unique(column(completed, "ldh_u_l")[column(completed, "ecog") == 2])) > 3


def test_a_covariate_that_repeats_another_is_completed_by_it():
    rng = np.random.default_rng(2)
    ldh = np.exp(rng.normal(5.5, 0.5, 100))
    gaps = rng.random(100) < 0.3
    repeated = np.where(gaps, np.nan, ldh)
    cohort = small_cohort(ecog=rng.integers(0, 4, 100), ldh_u_l=ldh, ferritin_ng_ml=repeated)
    unknown = np.isnan(column(cohort, "ferritin_ng_ml"))
    for completed in impute(cohort, imputations=5, seed=1):
        drawn, true = (
            np.log(column(completed, name)[unknown]) for name in ("ferritin_ng_ml", "ldh_u_l")
        )
        assert np.corrcoef(drawn, true)[0, 1] > 0.98


def test_three_collinear_columns_with_gaps_in_each_are_completed():
    rng = np.random.default_rng(3)
    age, bmi = rng.normal(50, 10, 90), rng.normal(25, 3, 90)
    table = np.column_stack([age, bmi, (age + bmi) / 8])
    table[rng.random(table.shape) < 0.15] = np.nan
    cohort = small_cohort(
        ecog=rng.integers(0, 4, 90),
        age_years=table[:, 0],
        bmi_kg_m2=table[:, 1],
        hemoglobin_g_dl=table[:, 2],
    )
    for completed in impute(cohort, imputations=5, seed=1):
        implied = (column(completed, "age_years") + column(completed, "bmi_kg_m2")) / 8
        assert np.corrcoef(implied, column(completed, "hemoglobin_g_dl"))[0, 1] > 0.9


def test_a_binary_that_a_number_separates_is_completed_on_the_right_side():
    rng = np.random.default_rng(4)
    age = rng.uniform(20, 70, 100)
    disease = np.where(rng.random(100) < 0.3, np.nan, (age > 45).astype(float))
    cohort = small_cohort(ecog=rng.integers(0, 4, 100), age_years=age, disease=disease)
    unknown = np.isnan(column(cohort, "disease"))
    far = unknown & (np.abs(column(cohort, "age_years") - 45) > 12)
    drawn = np.array([column(c, "disease") for c in impute(cohort, imputations=20, seed=1)])
    assert set(np.unique(drawn)) == {0.0, 1.0}
    older = column(cohort, "age_years")[far] > 45
    assert (drawn[:, far] == older).mean() > 0.97


def test_more_covariates_than_known_values_are_no_obstacle():
    cohort = cohort_of(rows(20))
    missing = np.random.default_rng(6).random(cohort.numbers.shape) < 0.25
    missing[:, 0] = False
    cohort = with_gaps(cohort, missing)
    assert np.isnan(cohort.numbers).any(axis=1).sum() >= 18
    for completed in impute(cohort, imputations=5, seed=1):
        assert np.isfinite(completed.numbers).all()


def test_lymphocytes_of_zero_are_a_value_like_any_other():
    rng = np.random.default_rng(7)
    lymphocytes = np.where(rng.random(60) < 0.4, 0.0, rng.exponential(1, 60))
    lymphocytes[:12] = np.nan
    all_zero = small_cohort(
        ecog=rng.integers(0, 4, 60),
        age_years=np.where(rng.random(60) < 0.2, np.nan, rng.normal(50, 9, 60)),
        lymphocytes_10e9_l=np.zeros(60),
    )
    some_zero = small_cohort(ecog=rng.integers(0, 4, 60), lymphocytes_10e9_l=lymphocytes)
    assert np.isfinite(impute(all_zero, imputations=2, seed=1)[1].numbers).all()
    drawn = column(impute(some_zero, imputations=2, seed=1)[1], "lymphocytes_10e9_l")
    assert np.isfinite(drawn).all()


FORTY = np.arange(40)
ECOG = FORTY % 4
AGE = 31.25 + FORTY


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"ecog": ECOG, "age_years": np.where(FORTY < 39, np.nan, 77.25)},
            "age_years is unknown in 39 of 40 patients; at most 60 % can be imputed",
        ),
        (
            {"ecog": ECOG[:15], "age_years": np.where(FORTY < 6, np.nan, AGE)[:15]},
            "age_years is known in 9 patients; at least 10 are needed",
        ),
        (
            {"ecog": ECOG, "age_years": np.where(FORTY < 8, np.nan, 77.25)},
            "age_years is the same in all 32 patients in whom it is known",
        ),
        (
            {"ecog": ECOG, "age_years": AGE, "disease": np.where(FORTY < 8, np.nan, 1.0)},
            "disease is the same in all 32 patients in whom it is known",
        ),
        (
            {"ecog": np.ones(40), "age_years": np.where(FORTY < 8, np.nan, AGE)},
            "age_years has no other covariate to be predicted from",
        ),
        (
            {"ecog": np.where(FORTY < 8, np.nan, ECOG), "age_years": AGE},
            "ecog is unknown in 8 of 40 patients and is never imputed",
        ),
    ],
)
def test_what_cannot_be_imputed_is_named_without_a_value(columns: dict[str, Any], message: str):
    with pytest.raises(FitError, match=f"^{re.escape(message)}$") as refused:
        impute(small_cohort(**columns), imputations=5, seed=1)
    assert refused.value.code == "imputation_impossible"


def test_all_columns_that_cannot_be_imputed_are_named_together():
    cohort = small_cohort(
        ecog=ECOG,
        age_years=np.where(FORTY < 30, np.nan, AGE),
        disease=np.where(FORTY < 8, np.nan, 1.0),
        ldh_u_l=np.where(FORTY < 8, np.nan, AGE),
    )
    with pytest.raises(FitError, match=r"age_years is unknown in 30 of 40 .*; disease is the same"):
        impute(cohort, imputations=5, seed=1)


def test_nobody_dying_is_named():
    cohort = gaps_at_random()
    with pytest.raises(FitError) as refused:
        impute(replace(cohort, death=np.zeros_like(cohort.death)), imputations=2, seed=1)
    assert refused.value.code == "no_deaths"


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(6, 60),
    share=st.lists(st.floats(0, 0.8), min_size=11, max_size=11),
    nobody_dies=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_pattern_of_gaps_is_completed_or_refused_by_name(
    n: int, share: list[float], nobody_dies: bool, seed: int
):
    complete = cohort_of(rows(n, seed % 1000))
    missing = np.random.default_rng(seed).random((n, 11)) < share
    cohort = with_gaps(complete, np.column_stack([np.zeros(n, dtype=bool), missing]))
    if nobody_dies:
        cohort = replace(cohort, death=np.zeros(n, dtype=bool))
    try:
        completed = impute(cohort, imputations=2, seed=seed)
    except FitError as refused:
        assert refused.code in ("imputation_impossible", "no_deaths")  # noqa: PT017
        return
    known = ~np.isnan(cohort.numbers)
    for each in completed:
        assert np.isfinite(each.numbers).all()
        assert (each.numbers[known] == cohort.numbers[known]).all()
        for name in each.names:
            low, high = COVARIATES[name].accepted or (0.0, 1.0)
            assert ((column(each, name) >= low) & (column(each, name) <= high)).all()
            if COVARIATES[name].is_binary:
                assert np.isin(column(each, name), (0.0, 1.0)).all()


def test_a_regression_on_what_predicts_a_number_is_as_uncertain_as_among_the_known():
    # Where only the outcome of a regression has gaps, they carry no information: Rubin's
    # variance is that of least squares on the known. With fixed parameters the ratios are
    # .7 to .85, with the slopes alone fixed .85 for the intercept.
    n, unknown, m = 300, 120, 400
    ratios = []
    for seed in (8, 9, 10):
        rng = np.random.default_rng(seed)
        age = rng.uniform(20, 70, n)
        hemoglobin = 10 + 0.06 * (age - 45) + rng.normal(0, 0.6, n)
        hemoglobin[:unknown] = np.nan
        cohort = small_cohort(ecog=rng.integers(0, 4, n), age_years=age, hemoglobin_g_dl=hemoglobin)
        x = np.column_stack([np.ones(n), column(cohort, "age_years") - 45])
        values = column(cohort, "hemoglobin_g_dl")
        known = ~np.isnan(values)
        alone, variance_alone = least_squares(x[known], values[known])
        fits = [
            least_squares(x, column(each, "hemoglobin_g_dl"))
            for each in impute(cohort, imputations=m, seed=1)
        ]
        estimates, variances = (np.array(part) for part in zip(*fits, strict=True))
        total = variances.mean(axis=0) + (1 + 1 / m) * estimates.var(axis=0, ddof=1)
        assert (np.abs(estimates.mean(axis=0) - alone) < np.sqrt(variance_alone)).all()
        ratios.append(total / variance_alone)
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1, atol=0.07)


def least_squares(x: Any, y: Any) -> tuple[Any, Any]:
    estimate, residual = np.linalg.lstsq(x, y, rcond=None)[:2]
    variance = residual[0] / (len(y) - x.shape[1])
    return estimate, variance * np.diag(np.linalg.inv(x.T @ x))


def test_the_frequency_of_a_binary_is_as_uncertain_as_among_the_known():
    n, unknown, m = 400, 160, 400
    rng = np.random.default_rng(8)
    values = np.where(rng.random(n) < 0.3, 1.0, 0.0)
    values[:unknown] = np.nan
    cohort = small_cohort(ecog=rng.integers(0, 4, n), disease=values)
    draws = np.array([column(c, "disease") for c in impute(cohort, imputations=m, seed=1)])
    frequency = draws.mean(axis=1)
    total = draws.var(axis=1, ddof=1).mean() / n + (1 + 1 / m) * frequency.var(ddof=1)
    known = known_only(values)
    assert total == pytest.approx(known.var(ddof=1) / len(known), rel=0.1)
    assert frequency.mean() == pytest.approx(known.mean(), abs=0.2 * np.sqrt(total))


def test_two_columns_with_gaps_learn_from_each_other_and_not_from_where_the_chains_start():
    rng = np.random.default_rng(12)
    table = np.exp(rng.multivariate_normal([5, 7], [[1, 0.95], [0.95, 1]], 150))
    table[rng.random(table.shape) < 0.45] = np.nan
    cohort = small_cohort(
        ecog=rng.integers(0, 4, 150), ldh_u_l=table[:, 0], ferritin_ng_ml=table[:, 1]
    )
    ldh, ferritin = (np.isnan(column(cohort, name)) for name in ("ldh_u_l", "ferritin_ng_ml"))
    for one_unknown in (ldh & ~ferritin, ferritin & ~ldh, ldh & ferritin):
        correlations = [
            np.corrcoef(np.log(each.numbers[one_unknown, 1:].T))[0, 1]
            for each in impute(cohort, imputations=10, seed=1)
        ]
        assert np.mean(correlations) > 0.8  # .86 with 30 sweeps, .3 to .5 with one


ECOG_EFFECT, FERRITIN_EFFECT, DISEASE_EFFECT = TRUTH = (0.5, 0.7, 0.6)


def missing_at_random(rng: np.random.Generator, n: int = 200) -> Cohort:
    """Return patients whose laboratory value and diagnosis are mostly unknown if they died
    early in a poor state: whether a value is known depends only on what is."""
    ecog = rng.choice(4, n, p=[0.3, 0.4, 0.2, 0.1])
    log_ferritin = 0.4 * ecog + rng.normal(size=n)
    disease = rng.random(n) < 0.25 + 0.2 * (log_ferritin > 0.4)
    predictor = np.column_stack([ecog, log_ferritin, disease]) @ TRUTH
    death_months = rng.exponential(20 / np.exp(predictor - 1))
    censoring = rng.uniform(5, 40, n)
    months, death = np.minimum(death_months, censoring), death_months <= censoring
    likely = death & (months < 8) & (ecog >= 1)
    numbers = np.column_stack([ecog, disease, np.exp(log_ferritin)]).astype(float)
    numbers[:, 1:][rng.random((n, 2)) < np.where(likely, 0.6, 0.08)[:, None]] = np.nan
    return replace(
        cohort_of(rows(5)),
        names=("ecog", "disease", "ferritin_ng_ml"),
        numbers=numbers,
        months=months,
        death=death,
    ).in_canonical_order()


def fitted(cohort: Cohort) -> CompletedFit:
    design = cohort.numbers.copy()
    design[:, 2] = np.log(design[:, 2])
    risk_sets = RiskSets(design, cohort.months, cohort.death)
    fit = fit_newton(risk_sets)
    covariance = np.asarray(np.linalg.inv(fit.information), dtype=np.float64)
    return CompletedFit(fit.coefficients, covariance, risk_sets.baseline(fit.coefficients))


def complete_cases(cohort: Cohort) -> Cohort:
    kept = ~np.isnan(cohort.numbers).any(axis=1)
    return replace(
        cohort, numbers=cohort.numbers[kept], months=cohort.months[kept], death=cohort.death[kept]
    )


@pytest.mark.slow
def test_pooled_intervals_cover_where_those_of_complete_cases_do_not():
    rng = np.random.default_rng(11)
    truth = np.array([ECOG_EFFECT, DISEASE_EFFECT, FERRITIN_EFFECT])
    repeats = 150
    pooled_error, complete_error, complete_z, pooled_z = (np.empty((repeats, 3)) for _ in range(4))
    for repeat in range(repeats):
        cohort = missing_at_random(rng)
        pooled = pool([fitted(c) for c in impute(cohort, imputations=6, seed=repeat)])
        alone = fitted(complete_cases(cohort))
        pooled_error[repeat] = pooled.coefficients - truth
        complete_error[repeat] = alone.coefficients - truth
        pooled_z[repeat] = pooled_error[repeat] / np.sqrt(np.diag(pooled.covariance))
        complete_z[repeat] = complete_error[repeat] / np.sqrt(np.diag(alone.covariance))
    pooled_coverage = (np.abs(pooled_z) < 1.96).mean(axis=0)
    complete_coverage = (np.abs(complete_z) < 1.96).mean(axis=0)
    # Of 150 repeats the Monte-Carlo standard error of a coverage of 95 % is 1.8 points.
    assert (pooled_coverage > 0.95 - 3 * 0.018).all()
    assert complete_coverage[0] < 0.87
    assert np.abs(pooled_error.mean(axis=0)).max() < 0.06
    assert abs(complete_error.mean(axis=0)[0]) > 0.12
