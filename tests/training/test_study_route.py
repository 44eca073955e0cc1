"""The study's route on the shipped cohort, on others, and on cohorts with gaps."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test

from tests.cohorts import cohort_of, rows
from training.cohort import shipped_cohort
from training.fit import Options, fit_model
from training.study.figures import PUBLISHED, Effect
from training.study.route import follow_route, pool_effect

FIXED = Options(penalty=20.0)


@pytest.fixture(scope="module")
def shipped():
    cohort = shipped_cohort().in_canonical_order()
    return cohort, follow_route(cohort, fit_model(cohort, FIXED))


def test_every_published_figure_is_reproduced(shipped):
    _, route = shipped
    figures = route.figures
    assert len(figures) == len(vars(PUBLISHED))
    assert [f.label for f in figures if f.published != f.reproduced] == []
    ratio = next(f for f in figures if f.label == "ECOG, per point: hazard ratio")
    assert (ratio.published, ratio.reproduced) == ("2.142", "2.142")
    assert ratio.served not in (None, "2.142")


def test_another_cohort_has_no_published_figures():
    cohort = cohort_of(rows(90))
    assert follow_route(cohort, fit_model(cohort, FIXED)).figures == []


def test_backward_elimination_removes_the_largest_p_until_all_are_below_a_twentieth(shipped):
    _, route = shipped
    steps = route.elimination
    for step, following in pairwise(steps):
        weakest = max(step.effects, key=lambda effect: effect.p_value)
        assert step.removed == weakest.covariate
        assert weakest.p_value >= 0.05
        assert {e.covariate for e in following.effects} == {
            e.covariate for e in step.effects if e.covariate != step.removed
        }
    assert steps[-1].removed is None
    assert [e.covariate for e in steps[-1].effects] == ["ecog"]


def test_medians_and_log_rank_equal_another_librarys(shipped):
    cohort, route = shipped
    survival = KaplanMeierFitter().fit(cohort.months, cohort.death)
    assert route.median_survival_log_log.estimate == survival.median_survival_time_
    reverse = KaplanMeierFitter().fit(cohort.months, ~cohort.death)
    assert route.median_follow_up.estimate == reverse.median_survival_time_
    high = cohort.numbers[:, 0] >= 2
    test = logrank_test(
        cohort.months[high], cohort.months[~high], cohort.death[high], cohort.death[~high]
    )
    assert route.log_rank_p == pytest.approx(test.p_value, rel=1e-6)


def test_table_one_counts_what_the_cohort_holds(shipped):
    cohort, route = shipped
    assert route.table_one_bands == ["standard", "high"]
    lines = {line.label: line for line in route.table_one}
    assert lines["n"].overall == "72"
    assert [int(n) for n in lines["n"].by_band] == [
        int((cohort.numbers[:, 0] < 2).sum()),
        int((cohort.numbers[:, 0] >= 2).sum()),
    ]
    assert lines["Acute leukaemia, n (%) AML"].overall.startswith("46 (")
    assert lines["Complete remission, n (%) yes"].overall.startswith("34 (")
    median = float(np.median(cohort.numbers[:, cohort.names.index("age_years")]))
    (age,) = [line for label, line in lines.items() if label.startswith("Age")]
    assert age.overall.startswith(f"{median:.1f} [")


def test_effects_are_pooled_by_rubins_rules():
    # W = (0.04 + 0.09 + 0.05) / 3 = 0.06, B = var(0.4, 0.7, 0.4) = 0.03,
    # T = 0.06 + (1 + 1/3) 0.03 = 0.10.
    fits = [Effect("x", 0.4, 0.2), Effect("x", 0.7, 0.3), Effect("x", 0.4, math.sqrt(0.05))]
    pooled = pool_effect(fits)
    assert pooled.log_hazard_ratio == pytest.approx(0.5)
    assert pooled.standard_error == pytest.approx(math.sqrt(0.10))


def test_gaps_show_in_table_one_and_no_patient_is_dropped():
    cohort = cohort_of(rows(120)).in_canonical_order()
    numbers = cohort.numbers.copy()
    numbers[:9, cohort.names.index("ldh_u_l")] = np.nan
    gappy = replace(cohort, numbers=numbers)
    route = follow_route(gappy, fit_model(gappy, FIXED))
    (ldh,) = [line for line in route.table_one if line.label.startswith("Lactate")]
    assert ldh.missing == 9
    assert {e.covariate for e in route.multivariable} == set(cohort.names)
    complete = {e.covariate: e for e in follow_route(cohort, fit_model(cohort, FIXED)).univariate}
    pooled = {e.covariate: e for e in route.univariate}
    same = pooled["age_years"].hazard_ratio
    assert same == pytest.approx(complete["age_years"].hazard_ratio, rel=1e-12)
    moved = pooled["ldh_u_l"].hazard_ratio
    assert moved != pytest.approx(complete["ldh_u_l"].hazard_ratio, rel=1e-6)


def test_univariate_effects_equal_another_librarys(shipped):
    cohort, followed = shipped
    route = {e.covariate: e for e in followed.univariate}
    age = cohort.numbers[:, cohort.names.index("age_years")]
    table = pd.DataFrame({"age": age, "months": cohort.months, "death": cohort.death})
    other = CoxPHFitter().fit(table, "months", "death").summary.loc["age"]
    assert route["age_years"].hazard_ratio == pytest.approx(other["exp(coef)"], rel=1e-5)
    assert route["age_years"].p_value == pytest.approx(other["p"], rel=1e-3)
