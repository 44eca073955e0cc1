"""The score test of proportional hazards equals R's ``cox.zph``.

``tests/golden/cox_zph.json`` holds what ``tests/golden/cox_zph.R`` printed for the
cohorts of `tests.golden.real_cohorts`: one without tied deaths worth the name, one
with up to 15 deaths at a time, one with five covariates.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.design import Design
from model.patient import COVARIATES
from tests.cohorts import cohort_of
from tests.golden.real_cohorts import COHORTS
from training.cohort import Cohort
from training.cox import RiskSets, Ties, fit_newton
from training.diagnostics.proportional_hazards import TimeScale, proportional_hazards_test

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "cox_zph.json").read_text(encoding="utf-8")
)["tests"]


@cache
def real_cohort(name: str) -> Cohort:
    return cohort_of(COHORTS[name]())


def standardised(cohort: Cohort) -> Any:
    design = Design.of_cohort(cohort.names, cohort.numbers, ecog_reference=0)
    return design.standardise(cohort.numbers)


@pytest.mark.parametrize(
    "by_r", GOLDEN, ids=lambda by_r: f"{by_r['cohort']}-{by_r['ties']}-{by_r['time_scale']}"
)
def test_each_term_and_all_together_equal_r(by_r: Any) -> None:
    cohort, ties = real_cohort(by_r["cohort"]), Ties(by_r["ties"])
    assert list(cohort.names) == by_r["covariates"]
    x = standardised(cohort)
    fit = fit_newton(RiskSets(x, cohort.months, cohort.death, ties))
    tested = proportional_hazards_test(
        x,
        cohort.months,
        cohort.death,
        fit.coefficients,
        ties=ties,
        time_scale=TimeScale(by_r["time_scale"]),
    )
    chi_square = [*tested.chi_square, tested.global_chi_square]
    assert chi_square == pytest.approx(by_r["chi_square"], rel=1e-6, abs=0)
    assert [*tested.p, tested.global_p] == pytest.approx(by_r["p"], rel=1e-6, abs=0)


def test_golden_values_cover_every_tie_method_and_time_scale() -> None:
    covered = {(by_r["cohort"], by_r["ties"], by_r["time_scale"]) for by_r in GOLDEN}
    assert covered == {
        (name, ties, scale) for name in COHORTS for ties in Ties for scale in TimeScale
    }


def test_a_row_order_changes_nothing() -> None:
    cohort = real_cohort("lung_in_whole_months")
    x = standardised(cohort)
    beta = fit_newton(RiskSets(x, cohort.months, cohort.death)).coefficients
    order = np.random.default_rng(5).permutation(len(x))
    one = proportional_hazards_test(x, cohort.months, cohort.death, beta)
    other = proportional_hazards_test(x[order], cohort.months[order], cohort.death[order], beta)
    assert other.chi_square == pytest.approx(one.chi_square, rel=1e-10)
    assert other.global_p == pytest.approx(one.global_p, rel=1e-10)


def test_an_effect_that_fades_is_found() -> None:
    rng = np.random.default_rng(11)
    x = rng.integers(0, 2, (400, 1)).astype(float)
    early = rng.exponential(1 / np.exp(2 * x[:, 0]))
    months = np.where(early < 0.3, early, 0.3 + rng.exponential(1.0, 400))
    death = np.ones(400, dtype=bool)
    beta = fit_newton(RiskSets(x, months, death)).coefficients
    assert proportional_hazards_test(x, months, death, beta).p[0] < 1e-4


def test_the_covariates_of_the_golden_values_are_ours() -> None:
    assert {name for by_r in GOLDEN for name in by_r["covariates"]} <= set(COVARIATES)
