"""The analysis of a fitted model: complete, and what cannot be said is a finding."""

from dataclasses import replace

import numpy as np
import pytest

from model.patient import COVARIATES, Patient
from model.prediction import predict
from tests.cohorts import cohort_of, rows
from training.analysing import Resampling, analyse_model
from training.cox import RiskSets, Ties, fit_newton
from training.diagnostics.penalty_path import trace_penalty
from training.fit import Options, fit_model
from training.penalty import PenaltyPath
from training.validation.imputing_procedure import ExpectingPredictor

FIXED = Options(penalty=20.0)
NONE = Resampling(0, 1, lambda _: None)


def with_gaps(cohort, count=12, seed=4):
    numbers = cohort.numbers.copy()
    rng = np.random.default_rng(seed)
    for name in ("ldh_u_l", "disease"):
        numbers[rng.choice(len(numbers), count, replace=False), cohort.names.index(name)] = np.nan
    return replace(cohort, numbers=numbers)


def test_few_deaths_for_the_covariates_are_counted_with_what_is_done_instead():
    cohort = cohort_of(rows(60)).in_canonical_order()
    _, findings = analyse_model(cohort, fit_model(cohort, FIXED), FIXED, NONE)
    (finding,) = [f for f in findings if f.code == "few_deaths_per_covariate"]
    deaths = int(cohort.death.sum())
    assert finding.message.startswith(f"{deaths} deaths for 12 covariates ({deaths / 12:.1f} each)")
    assert finding.message.endswith("shrunk by the penalty")


def test_a_horizon_past_follow_up_is_a_finding():
    cohort = cohort_of(rows(160)).in_canonical_order()
    short = replace(
        cohort, months=np.minimum(cohort.months, 10.0), death=cohort.death & (cohort.months < 10)
    )
    analysis, findings = analyse_model(short, fit_model(short, FIXED), FIXED, NONE)
    (finding,) = [f for f in findings if f.code == "horizon_past_follow_up"]
    assert finding.message.endswith("nothing is said of 12, 24 months")
    assert analysis.validation is None


def test_a_model_without_a_maximum_leaves_assumptions_out_with_the_reason():
    # Seven patients a covariate and one that splits the deaths: the ridge fits, the rest not.
    cohort = cohort_of(rows(60)).in_canonical_order()
    numbers = cohort.numbers.copy()
    died_first = np.argsort(cohort.months)[: len(numbers) // 3]
    column = cohort.names.index("ldh_u_l")
    numbers[:, column] = 100.0
    numbers[died_first, column] = 900.0
    death = np.zeros(len(numbers), dtype=bool)
    death[died_first] = True
    split = replace(cohort, numbers=numbers, death=death)
    analysis, findings = analyse_model(split, fit_model(split, FIXED), FIXED, NONE)
    assert analysis.assumptions is None
    assert "assumptions_not_examined" in [f.code for f in findings]


def test_a_cohort_with_gaps_is_imputed_inside_each_resample():
    gappy = with_gaps(cohort_of(rows(90)).in_canonical_order())
    fit = fit_model(gappy, FIXED)
    seen: list[int] = []
    analysis, _ = analyse_model(gappy, fit, FIXED, Resampling(12, 1, seen.append))
    assert analysis.imputation == fit.imputation
    assert analysis.validation is not None
    assert (analysis.validation.resamples, sum(seen)) == (12, 12)
    measures = {(m.measure, m.horizon_months): m for m in analysis.validation.performance}
    concordance = measures["Harrell's C", None]
    assert 0.5 < concordance.apparent < 0.9
    assert concordance.corrected == pytest.approx(concordance.apparent - concordance.optimism)


def test_a_pooled_model_predicts_patients_with_gaps_as_the_service_does():
    gappy = with_gaps(cohort_of(rows(90)).in_canonical_order())
    fit = fit_model(gappy, FIXED)
    predictor = ExpectingPredictor(np.arange(len(gappy.names)), fit.model.cox)
    survival = predictor.survival(gappy.numbers[:25], np.array([6.0, 12.0]))
    for row, expected in zip(gappy.numbers, survival, strict=False):
        values = {
            name: None if np.isnan(number) else COVARIATES[name].from_number(float(number))
            for name, number in zip(gappy.names, row, strict=True)
        }
        served = predict(fit.model, Patient.model_validate(values)).survival.horizons[:2]
        assert [h.probability for h in served] == pytest.approx(expected.tolist(), abs=1e-7)


def test_the_penalty_path_holds_the_coefficients_at_each_strength():
    cohort = cohort_of(rows(90)).in_canonical_order()
    strengths = np.array([1.0, 30.0, 1000.0])
    path = PenaltyPath(strengths, np.array([-3.0, -1.0, -2.0]), 30.0)
    traced = trace_penalty(path, cohort, Ties.EFRON)
    assert (traced.chosen, traced.strengths) == (30.0, strengths.tolist())
    design = (cohort.numbers[:, [0]] - cohort.numbers[:, 0].mean()) / cohort.numbers[:, 0].std(
        ddof=1
    )
    alone = fit_newton(RiskSets(design, cohort.months, cohort.death)).coefficients[0]
    sizes = [np.abs(coefficients[1:]).sum() for coefficients in traced.coefficients]
    assert sizes[0] > sizes[1] > sizes[2]
    # Under the strongest penalty ECOG is all but alone.
    assert traced.coefficients[2][0] == pytest.approx(alone, rel=0.15)
