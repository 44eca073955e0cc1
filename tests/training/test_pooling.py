"""Rubin's rules: on paper, for every patient's curve, and against R's mice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.datasets import load_lung

from model.cox import CoxModel, ExpectedCovariates
from model.design import Design
from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from model.survival import SurvivalCurve
from tests.cohorts import cohort_of, rows
from training.cohort import Cohort, Declaration
from training.cox import Baseline, RiskSets, fit_newton
from training.imputation.chained_equations import impute
from training.imputation.pooling import CompletedFit, PooledFit, pool

MICE = json.loads(
    (Path(__file__).parents[1] / "golden" / "imputation.json").read_text(encoding="utf-8"),
    parse_int=float,
)


def one_coefficient(coefficient: float, variance: float, hazard: Any = (0.1, 0.3)) -> CompletedFit:
    cumulative = np.array(hazard)
    baseline = Baseline(
        np.arange(1.0, len(cumulative) + 1),
        cumulative,
        np.arange(1.0, len(cumulative) + 1) * 0.01,
        0.2 * cumulative[:, None],
    )
    return CompletedFit(np.array([coefficient]), np.array([[variance]]), baseline)


def design_of(completed: list[Cohort]) -> Design:
    return Design.of_cohort(completed[0].names, np.vstack([c.numbers for c in completed]), 1)


def fits_of(completed: list[Cohort], design: Design, penalty: float) -> list[CompletedFit]:
    alpha = np.where(np.array(design.names) == "ecog", 0.0, penalty)
    fits = []
    for cohort in completed:
        risk_sets = RiskSets(design.standardise(cohort.numbers), cohort.months, cohort.death)
        fit = fit_newton(risk_sets, alpha)
        covariance = np.linalg.inv(fit.information + np.diag(alpha))
        fits.append(
            CompletedFit(fit.coefficients, covariance, risk_sets.baseline(fit.coefficients))
        )
    return fits


def model_of(fit: CompletedFit | PooledFit, design: Design, cohort: Cohort) -> CoxModel:
    return CoxModel(
        design=design,
        ties="efron",
        penalty=np.zeros(len(design.names)),
        coefficients=fit.coefficients,
        covariance=fit.covariance,
        months=fit.baseline.months,
        hazard=fit.baseline.hazard,
        hazard_variance=fit.baseline.variance,
        hazard_mean=fit.baseline.mean,
        covariate_covariance=np.eye(len(design.names)),
        observed=KaplanMeier.estimate(cohort.months, cohort.death),
    )


def curve(model: CoxModel, standardised: Any) -> SurvivalCurve:
    known = ExpectedCovariates(standardised, np.arange(0), np.empty((0, 0)))
    return SurvivalCurve.of(model, known, 0.95)


def completed_cohort(n: int, share: float, seed: int, imputations: int = 12) -> list[Cohort]:
    cohort = cohort_of(rows(n))
    numbers = cohort.numbers.copy()
    gaps = np.random.default_rng(seed).random(numbers.shape) < share
    gaps[:, cohort.names.index("ecog")] = False
    numbers[gaps] = np.nan
    incomplete = Cohort(**{**vars(cohort), "numbers": numbers}).in_canonical_order()
    return impute(incomplete, imputations=imputations, seed=seed)


def test_three_imputations_pool_as_on_paper():
    # W = (.5 + .6 + .7) / 3 = .6, B = ((-1)² + 0 + 1²) / 2 = 1, T = W + 4/3 B = 29/15,
    # r = (4/3) / .6 = 20/9, df = 2 (1 + 9/20)² = 4.205, r / (1 + r) = 20/29.
    pooled = pool([one_coefficient(1, 0.5), one_coefficient(2, 0.6), one_coefficient(3, 0.7)])
    assert pooled.coefficients[0] == pytest.approx(2, rel=1e-15)
    assert pooled.covariance[0, 0] == pytest.approx(29 / 15, rel=1e-14)
    assert pooled.relative_variance_increase[0] == pytest.approx(20 / 9, rel=1e-14)
    assert pooled.degrees_of_freedom[0] == pytest.approx(4.205, rel=1e-14)
    assert pooled.fraction_from_imputation[0] == pytest.approx(20 / 29, rel=1e-14)
    assert pooled.imputations == 3


def test_the_pooled_hazard_is_the_geometric_mean():
    pooled = pool([one_coefficient(1, 0.5, (0.1, 0.2)), one_coefficient(1, 0.5, (0.4, 0.8))])
    np.testing.assert_allclose(pooled.baseline.hazard, [0.2, 0.4], rtol=1e-14)


def test_imputations_that_agree_pool_to_what_they_say():
    fit = fits_of(completed_cohort(60, 0.1, 1, 2)[:1], design_of(completed_cohort(60, 0, 1)), 4.0)
    pooled = pool(fit * 5)
    np.testing.assert_allclose(pooled.coefficients, fit[0].coefficients, rtol=1e-13)
    np.testing.assert_allclose(pooled.covariance, fit[0].covariance, rtol=1e-13, atol=1e-16)
    for name in ("months", "hazard", "variance", "mean"):
        one, other = getattr(pooled.baseline, name), getattr(fit[0].baseline, name)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)
    assert pooled.relative_variance_increase.max() < 1e-25
    assert (pooled.degrees_of_freedom > 1e20).all()


@pytest.mark.parametrize(("n", "share", "penalty"), [(72, 0.1, 6), (72, 0.3, 20), (160, 0.4, 1)])
def test_the_variance_of_every_patient_is_rubins_of_that_patients_own_log_hazards(
    n: int, share: float, penalty: float
):
    completed = completed_cohort(n, share, seed=n)
    design, m = design_of(completed), len(completed)
    fits = fits_of(completed, design, penalty)
    pooled = model_of(pool(fits), design, completed[0])
    patients = [
        *design.standardise(completed[0].numbers)[:8],
        *np.random.default_rng(0).normal(0, 3, (8, len(design.names))),
    ]
    for patient in patients:
        each = [curve(model_of(fit, design, completed[0]), patient) for fit in fits]
        log_hazard = np.array([one.log_hazard for one in each])
        within = np.mean([one.variance for one in each], axis=0)
        rubin = within + (1 + 1 / m) * log_hazard.var(axis=0, ddof=1)
        together = curve(pooled, patient)
        np.testing.assert_allclose(together.variance, rubin, rtol=1e-9)
        np.testing.assert_allclose(together.log_hazard, log_hazard.mean(axis=0), atol=1e-11)


def test_the_restricted_mean_is_as_uncertain_as_by_rubins_rules_within_a_hundredth():
    completed = completed_cohort(72, 0.2, seed=4)
    design, m = design_of(completed), len(completed)
    fits = fits_of(completed, design, 8.0)
    pooled = model_of(pool(fits), design, completed[0])
    tau, compared = pooled.restricted_mean_limit_months, 0
    for patient in design.standardise(completed[0].numbers)[::8]:
        together = curve(pooled, patient)
        k = int(np.searchsorted(together.months, tau, side="left"))
        gradient = np.diff(np.append(together.months[:k], tau)) * together.slope[:k]
        within, estimate = [], []
        for fit in fits:
            base = fit.baseline
            q = (np.outer(base.hazard, patient) - base.mean)[:k]
            earlier = np.minimum.outer(np.arange(k), np.arange(k))
            joint = base.variance[:k][earlier] + q @ fit.covariance @ q.T
            per_hazard = gradient / base.hazard[:k]
            within.append(per_hazard @ joint @ per_hazard)
            estimate.append(
                gradient @ np.log(base.hazard[:k]) + gradient.sum() * patient @ fit.coefficients
            )
        rubin = np.mean(within) + (1 + 1 / m) * np.var(estimate, ddof=1)
        mean = together.restricted_mean_months()
        assert mean.estimate is not None
        assert mean.upper is not None
        assert mean.lower is not None
        if mean.upper < tau and mean.lower > 0:  # else the limits are cut
            compared += 1
            half_width = (mean.upper - mean.lower) / 2
            assert half_width == pytest.approx(1.959963984540054 * np.sqrt(rubin), rel=0.01)
    assert compared >= 5


def test_a_variance_of_the_hazard_that_would_fall_is_held_up():
    # The hazards disagree at the first death and agree from the second on.
    pooled = pool([one_coefficient(0, 1, (0.01, 0.5, 0.6)), one_coefficient(0, 1, (0.4, 0.5, 0.6))])
    assert (np.diff(pooled.baseline.variance) > 0).all()
    within = np.array([0.02, 0.03])  # at the later deaths, where nothing is between
    assert (pooled.baseline.variance[1:] >= within * (1 - 1e-12)).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-3, 3),
            st.floats(0.01, 4),
            st.lists(st.floats(1e-3, 2), min_size=4, max_size=4),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_whatever_is_pooled_rises_and_is_at_least_as_uncertain_as_its_parts(
    parts: list[tuple[float, float, list[float]]],
):
    fits = [one_coefficient(b, v, np.cumsum(steps)) for b, v, steps in parts]
    pooled = pool(fits)
    assert (np.diff(pooled.baseline.hazard) > 0).all()
    assert (np.diff(pooled.baseline.variance) > 0).all()
    within = np.mean([fit.baseline.variance / fit.baseline.hazard**2 for fit in fits], axis=0)
    relative = pooled.baseline.variance / pooled.baseline.hazard**2
    assert (relative >= within * (1 - 1e-9)).all()
    assert pooled.covariance[0, 0] >= np.mean([v for _, v, _ in parts]) * (1 - 1e-12)


def test_one_imputation_is_refused_as_it_cannot_tell_what_was_unknown():
    with pytest.raises(FitError, match="1 imputations are given, at least 2") as refused:
        pool([one_coefficient(1, 1)])
    assert refused.value.code == "too_few_imputations"


def test_fits_to_different_outcomes_are_refused():
    with pytest.raises(FitError) as refused:
        pool([one_coefficient(1, 1), one_coefficient(1, 1, (0.1, 0.2, 0.3))])
    assert refused.value.code == "outcomes_differ"


def lung_with_gaps() -> Cohort:
    """Return the lung cancer patients with the gaps that ``imputation.R`` makes."""
    table = load_lung()
    table = table[table["ph.ecog"].notna()]
    row, death = np.arange(len(table)), table["status"].to_numpy() == 1
    age, months = (table[name].to_numpy(dtype=float) for name in ("age", "time"))
    sex_gap = (age > 68) & (row % 3 != 0)
    age_gap = death & (months < 200) & (row % 2 == 0) & ~sex_gap
    return Cohort(
        declaration=Declaration(name="lung", institution="NCCTG", synthetic=False),
        names=(
            "ecog",
            "age_years",
            "post_transplant_cyclophosphamide",
            "donor_chimerism_percent",
            "ferritin_ng_ml",
        ),
        numbers=np.column_stack(
            [
                table["ph.ecog"],
                np.where(age_gap, np.nan, age),
                np.where(sex_gap, np.nan, table["sex"] - 1),
                table["pat.karno"],
                table["meal.cal"],
            ]
        ).astype(float),
        months=months,
        death=death,
        complete_remission=None,
        findings=(),
    )


def test_the_pooled_lung_cancer_model_is_that_of_mice_within_monte_carlo_error():
    cohort = lung_with_gaps().in_canonical_order()
    assert np.isnan(cohort.numbers).sum(axis=0).tolist() == MICE["gaps"]
    m = 100
    completed = impute(cohort, imputations=m, seed=1)
    design = design_of(completed)
    pooled = pool(fits_of(completed, design, 0.0))
    coefficients = pooled.coefficients / design.sd
    se = np.sqrt(np.diag(pooled.covariance)) / design.sd
    by_matching, by_normal = ({k: np.array(v) for k, v in MICE[k].items()} for k in ("pmm", "norm"))
    # Both sides are means over 100 imputations, each with variance B / 100.
    monte_carlo = np.sqrt(2 * by_matching["between"] / m)
    np.testing.assert_array_less(
        np.abs(coefficients - by_matching["coefficients"]), 4 * monte_carlo
    )
    np.testing.assert_allclose(se, by_matching["se"], rtol=0.04)
    # r varies by sqrt(2 / 99) a side, a seventh.
    np.testing.assert_allclose(
        pooled.relative_variance_increase,
        by_matching["relative_variance_increase"],
        rtol=0.6,
    )
    # Normal regression is another model; calories are not quite log-normal.
    difference = np.abs(coefficients - by_normal["coefficients"]) / by_normal["se"]
    assert difference.max() < 0.35
    np.testing.assert_allclose(se, by_normal["se"], rtol=0.06)
    # Complete cases are elsewhere: whoever died early in this cohort is missing from them.
    alone = np.array(MICE["complete_cases"]["coefficients"])
    assert (np.abs(alone - coefficients) / se)[[0, 4]].min() > 0.7
