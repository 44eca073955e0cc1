"""A registry's fit is the fit of any cohort, only block by block."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from model.errors import FitError
from tests.cohorts import cohort_of, rows
from tests.training.test_cox import Data, defined_log_likelihood, tied_data
from training import fit as fitting
from training import registry_cox
from training.cox import RiskSets, Ties, fit_newton
from training.fit import Options, fit_model
from training.penalty import choose_penalty
from training.registry_cox import REGISTRY_PATIENTS, RegistryRiskSets, risk_sets_of

BETA = np.array([0.3, -0.2, 0.5, 0.1])


@pytest.fixture(params=[5, 64, 2048], ids="blocks of {}".format)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(registry_cox, "_BLOCK", request.param)
    return int(request.param)


def untied(seed: int) -> Data:
    design, months, death = tied_data(seed)
    return design, months + np.random.default_rng(seed).uniform(0, 0.5, len(months)), death


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    "data", [tied_data(1), tied_data(2), untied(3)], ids=["ties", "ties", "no ties"]
)
@pytest.mark.parametrize("ties", Ties)
def test_value_score_and_information_are_the_same(ties: Ties, data: Data):
    whole, blocks = RiskSets(*data, ties), RegistryRiskSets(*data, ties)
    for beta in (np.zeros(4), BETA, 3 * BETA):
        a, b = whole.likelihood(beta), blocks.likelihood(beta)
        assert b.value == pytest.approx(a.value, rel=1e-13)
        np.testing.assert_allclose(b.score, a.score, atol=1e-11)
        np.testing.assert_allclose(b.information, a.information, rtol=1e-11, atol=1e-11)
        assert blocks.is_flat(b.information) == whole.is_flat(a.information)


@pytest.mark.usefixtures("block")
@settings(max_examples=40, deadline=None)
@given(
    table=st.lists(
        st.tuples(st.integers(1, 6), st.booleans(), st.integers(-2, 2)), min_size=3, max_size=25
    ).filter(lambda table: any(died for _, died, _ in table)),
    ties=st.sampled_from(Ties),
    beta=st.floats(-2, 2),
)
def test_any_small_cohort_has_the_likelihood_of_the_definition(
    table: list[tuple[int, bool, int]], ties: Ties, beta: float
):
    months, death, x = (np.array(column) for column in zip(*table, strict=True))
    data = (x[:, None].astype(float), months.astype(float), death)
    at = RegistryRiskSets(*data, ties).likelihood(np.array([beta]))
    expected = defined_log_likelihood(data, np.array([beta]), ties)
    assert at.value == pytest.approx(expected, rel=1e-10, abs=1e-10)
    whole = RiskSets(*data, ties).likelihood(np.array([beta]))
    np.testing.assert_allclose(at.information, whole.information, atol=1e-10)
    np.testing.assert_allclose(at.score, whole.score, atol=1e-10)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("penalty", [0.0, 12.0])
def test_a_registry_has_the_coefficients_of_scikit_survival(ties: Ties, penalty: float):
    x, months, death = tied_data(11, REGISTRY_PATIENTS + 500)
    alpha = penalty * np.array([0.0, 1, 1, 1])
    theirs = CoxPHSurvivalAnalysis(alpha=alpha, ties=ties.value, n_iter=200, tol=1e-13)
    theirs.fit(x, Surv.from_arrays(death, months))
    ours = fit_newton(RegistryRiskSets(x, months, death, ties), alpha)
    np.testing.assert_allclose(ours.coefficients, theirs.coef_, rtol=1e-9, atol=1e-11)


def test_the_form_changes_at_the_named_size():
    x, months, death = tied_data(5, REGISTRY_PATIENTS)
    assert type(risk_sets_of(x, months, death)) is RegistryRiskSets
    assert type(risk_sets_of(x[1:], months[1:], death[1:])) is RiskSets


@pytest.mark.parametrize("penalty", [None, 8.0, 0.0])
def test_the_model_is_the_same_on_both_sides_of_the_size(penalty: float | None, monkeypatch):
    cohort = cohort_of(rows(120))
    if penalty is None:
        cohort = cohort.with_covariates(("ecog", "age_years", "disease"))
    search = partial(choose_penalty, number=6, repeats=1)
    monkeypatch.setattr(fitting, "choose_penalty", search)
    small = fit_model(cohort, Options(penalty=penalty, registry_patients=121)).model.cox
    monkeypatch.setattr(fitting, "_scikit_survival", None)
    large = fit_model(cohort, Options(penalty=penalty, registry_patients=120)).model.cox
    for name in ("coefficients", "covariance", "hazard", "hazard_variance", "hazard_mean"):
        np.testing.assert_allclose(
            getattr(large, name), getattr(small, name), rtol=1e-9, atol=1e-12, err_msg=name
        )


@pytest.mark.parametrize("registry_patients", [1, 1000])
def test_separation_is_named_on_both_sides_of_the_size(registry_patients: int):
    table = rows(100)
    for row in table:
        row["disease"] = "ALL" if float(row["os_months"]) < 9 and row["death"] else "AML"
    with pytest.raises(FitError) as refused:
        fit_model(cohort_of(table), Options(penalty=0.0, registry_patients=registry_patients))
    assert refused.value.code in ("separation", "not_converged")


def test_nobody_dying_is_named():
    with pytest.raises(FitError, match="no death was observed"):
        RegistryRiskSets(np.ones((3, 1)), np.arange(1.0, 4), np.zeros(3, dtype=bool))


@pytest.mark.parametrize("form", [RiskSets, RegistryRiskSets])
def test_a_covariate_in_the_order_of_the_deaths_separates(
    form: type[RiskSets | RegistryRiskSets],
):
    design, months, death = untied(4)
    with pytest.raises(FitError) as refused:
        fit_newton(form(np.column_stack([design, -months]), months, death))
    assert refused.value.code == "separation"
