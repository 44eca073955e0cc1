"""The Cox partial likelihood: on paper, against its definition, against scikit-survival."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from model.errors import FitError
from tests.golden import hand_worked
from training import cox
from training.cox import PartialLikelihood, RiskSets, Ties, fit_newton, newton_step

Data = tuple[Any, Any, Any]

BY_HAND = [(Ties.BRESLOW, hand_worked.breslow), (Ties.EFRON, hand_worked.efron)]


def on_paper(ties: Ties) -> RiskSets:
    known = [row for row in zip(*_THERNEAU, strict=True) if row[1] is not None]
    time, status, x = (np.array(column, dtype=float) for column in zip(*known, strict=True))
    return RiskSets(x[:, None], time, status == 1, ties)


_THERNEAU = (hand_worked.TIME, hand_worked.STATUS, hand_worked.X)


def tied_data(seed: int, n: int = 120, p: int = 4) -> Data:
    """Return covariates, follow-up in whole months (many ties) and deaths."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4)
    hazard = np.exp(x @ np.linspace(-0.5, 0.6, p))
    death_months, censoring = rng.exponential(8 / hazard), rng.uniform(2, 25, n)
    return x, np.ceil(np.minimum(death_months, censoring)), death_months <= censoring


def defined_log_likelihood(data: Data, beta: Any, ties: Ties) -> float:
    """Return the partial log-likelihood by its definition, death by death."""
    x, months, death = data
    weight = np.exp(x @ beta)
    total = 0.0
    for time in np.unique(months[death]):
        dying = (months == time) & death
        everyone, own, d = weight[months >= time].sum(), weight[dying].sum(), int(dying.sum())
        for count in range(d):
            share = count / d if ties is Ties.EFRON else 0.0
            total -= np.log(everyone - share * own)
        total += (x[dying] @ beta).sum()
    return float(total)


def numeric_gradient(function: Callable[[Any], Any], at: Any, h: float = 1e-5) -> Any:
    steps = h * np.eye(len(at))
    return np.array([(function(at + e) - function(at - e)) / (2 * h) for e in steps])


@pytest.mark.parametrize(("ties", "derived"), BY_HAND)
def test_likelihood_is_as_worked_by_hand(ties: Ties, derived: Callable[[], hand_worked.HandWorked]):
    risk_sets, answer = on_paper(ties), derived()
    exactly: dict[str, Any] = {"rel": 1e-12, "abs": 0}
    at_zero = risk_sets.likelihood(np.zeros(1))
    assert at_zero.score[0] == pytest.approx(answer.score_at_zero, **exactly)
    assert at_zero.information[0, 0] == pytest.approx(answer.information_at_zero, **exactly)
    assert at_zero.value == pytest.approx(answer.log_likelihood_at_zero, **exactly)
    fit = fit_newton(risk_sets)
    assert fit.coefficients[0] == pytest.approx(answer.coefficient, **exactly)
    assert fit.information[0, 0] == pytest.approx(answer.information, **exactly)
    assert fit.log_likelihood == pytest.approx(answer.log_likelihood, **exactly)


@pytest.mark.parametrize(("ties", "derived"), BY_HAND)
def test_hazard_and_variance_are_as_worked_by_hand(
    ties: Ties, derived: Callable[[], hand_worked.HandWorked]
):
    risk_sets, answer = on_paper(ties), derived()
    fit = fit_newton(risk_sets)
    base = risk_sets.baseline(fit.coefficients)
    assert base.months.tolist() == list(hand_worked.DEATH_TIMES)
    np.testing.assert_allclose(base.hazard, answer.cumulative_hazard, rtol=1e-12)
    for x, expected in (
        (0, answer.variance_of_survival_at_0),
        (1, answer.variance_of_survival_at_1),
    ):
        weight = np.exp(fit.coefficients[0] * x)
        q = x * base.hazard - base.mean[:, 0]
        variance = weight**2 * (base.variance + q**2 / fit.information[0, 0])
        survival = np.exp(-weight * base.hazard)
        np.testing.assert_allclose(survival**2 * variance, expected, rtol=1e-12)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("seed", range(3))
def test_value_score_and_information_are_those_of_the_definition(ties: Ties, seed: int):
    data = tied_data(seed)
    beta = np.array([0.3, -0.2, 0.5, 0.1])
    at = RiskSets(*data, ties).likelihood(beta)
    assert at.value == pytest.approx(defined_log_likelihood(data, beta, ties), rel=1e-12)
    score = numeric_gradient(lambda b: defined_log_likelihood(data, b, ties), beta)
    np.testing.assert_allclose(at.score, score, rtol=1e-6, atol=1e-6)
    curvature = numeric_gradient(lambda b: RiskSets(*data, ties).likelihood(b).score, beta)
    np.testing.assert_allclose(at.information, -curvature, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("within_a_month", [0.0, 0.5], ids=["ties", "no ties"])
def test_risk_sets_written_out_have_the_sums_of_all_others(
    within_a_month: float, ties: Ties, monkeypatch: pytest.MonkeyPatch
):
    x, months, death = tied_data(2)
    months = months + np.random.default_rng(2).uniform(0, within_a_month, len(months))
    found = []
    for written_out in (len(months) * death.sum(), len(months) * death.sum() - 1):
        monkeypatch.setattr(cox, "_WRITTEN_OUT", written_out)
        risk_sets = RiskSets(x, months, death, ties)
        beta = np.array([0.3, -0.2, 0.5, 0.1])
        at, base = risk_sets.likelihood(beta), risk_sets.baseline(beta)
        found.append([at.value, at.score, at.information, *vars(base).values()])
    for small, large in zip(*found, strict=True):
        np.testing.assert_allclose(small, large, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("ties", Ties)
def test_the_baseline_falls_with_the_coefficients_as_its_mean_term_says(ties: Ties):
    risk_sets = RiskSets(*tied_data(1), ties)
    beta = fit_newton(risk_sets).coefficients
    slope = numeric_gradient(lambda b: risk_sets.baseline(b).hazard, beta)
    np.testing.assert_allclose(risk_sets.baseline(beta).mean, -slope.T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("penalty", [(0, 0, 0, 0), (0, 3, 3, 3), (1, 0.5, 20, 400)])
@pytest.mark.parametrize("seed", range(2))
def test_newton_finds_the_coefficients_of_scikit_survival(
    ties: Ties, penalty: tuple[float, ...], seed: int
):
    x, months, death = tied_data(seed)
    alpha = np.array(penalty, dtype=float)
    theirs = CoxPHSurvivalAnalysis(alpha=alpha, ties=ties.value, n_iter=200, tol=1e-13)
    theirs.fit(x, Surv.from_arrays(death, months))
    ours = fit_newton(RiskSets(x, months, death, ties), alpha)
    np.testing.assert_allclose(ours.coefficients, theirs.coef_, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("ties", Ties)
def test_one_newton_step_from_close_by_reaches_the_penalised_maximum(ties: Ties):
    risk_sets = RiskSets(*tied_data(4), ties)
    alpha = np.array([0.0, 2.0, 2.0, 2.0])
    step = newton_step(risk_sets, fit_newton(risk_sets, alpha).coefficients + 1e-6, alpha)
    at = risk_sets.likelihood(step)
    np.testing.assert_allclose(at.score, alpha * step, atol=1e-9)


def test_a_start_elsewhere_ends_in_the_same_place():
    risk_sets = RiskSets(*tied_data(5))
    cold = fit_newton(risk_sets)
    warm = fit_newton(risk_sets, start=np.array([2.0, -2.0, 1.0, 0.0]))
    np.testing.assert_allclose(warm.coefficients, cold.coefficients, rtol=1e-9)
    assert warm.iterations > 1


def test_a_start_that_overshoots_still_arrives():
    risk_sets = RiskSets(*tied_data(6))
    far = fit_newton(risk_sets, start=np.full(4, 1.5))
    np.testing.assert_allclose(far.coefficients, fit_newton(risk_sets).coefficients, rtol=1e-8)


def test_a_far_away_origin_of_the_covariates_changes_no_likelihood():
    x, months, death = tied_data(7)
    near, far = (RiskSets(x + shift, months, death).likelihood(np.ones(4)) for shift in (0, 500))
    assert far.value == pytest.approx(near.value, rel=1e-9)
    np.testing.assert_allclose(far.information, near.information, rtol=1e-6)


def test_nobody_dying_is_named():
    with pytest.raises(FitError, match="no death was observed") as refused:
        RiskSets(np.ones((3, 1)), np.arange(1.0, 4), np.zeros(3, dtype=bool))
    assert refused.value.code == "no_deaths"


def test_a_repeated_column_is_named():
    x, months, death = tied_data(8)
    with pytest.raises(FitError) as refused:
        fit_newton(RiskSets(np.column_stack([x, np.zeros(len(x))]), months, death))
    assert refused.value.code == "singular"


def test_perfect_separation_is_named():
    months = np.arange(1.0, 21)
    x = (months <= 10).astype(float)[:, None]
    with pytest.raises(FitError) as refused:
        fit_newton(RiskSets(x, months, months <= 10))
    assert refused.value.code in ("not_converged", "singular")


@pytest.mark.parametrize("seed", range(4))
def test_a_covariate_in_the_order_of_the_deaths_separates(seed: int):
    x, months, death = tied_data(seed)
    with pytest.raises(FitError) as refused:
        fit_newton(RiskSets(np.column_stack([x, -months / 10]), months, death))
    assert refused.value.code == "separation"


def test_a_likelihood_that_no_step_raises_has_not_converged():
    class Falling:
        covariates = 1

        def likelihood(self, coefficients: Any) -> PartialLikelihood:
            value = -1e12 * float(np.abs(coefficients).sum())
            return PartialLikelihood(value, np.ones(1), np.ones((1, 1)))

        def is_flat(self, hessian: Any) -> bool:
            return bool(np.isnan(hessian).any())

    with pytest.raises(FitError) as refused:
        fit_newton(Falling(), tolerance=1e-6)
    assert refused.value.code == "not_converged"


def test_what_is_not_a_number_is_flat():
    risk_sets = RiskSets(*tied_data(3))
    information = risk_sets.likelihood(np.zeros(4)).information
    assert not risk_sets.is_flat(information)
    information[1, 2] = information[2, 1] = np.nan
    assert risk_sets.is_flat(information)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 6), st.booleans(), st.integers(-2, 2)), min_size=3, max_size=25
    ).filter(lambda rows: any(died for _, died, _ in rows)),
    ties=st.sampled_from(Ties),
    beta=st.floats(-2, 2),
)
def test_any_small_cohort_has_the_likelihood_of_the_definition(
    rows: list[tuple[int, bool, int]], ties: Ties, beta: float
):
    months, death, x = (np.array(column) for column in zip(*rows, strict=True))
    data = (x[:, None].astype(float), months.astype(float), death)
    at = RiskSets(*data, ties).likelihood(np.array([beta]))
    expected = defined_log_likelihood(data, np.array([beta]), ties)
    assert at.value == pytest.approx(expected, rel=1e-10, abs=1e-10)
    assert at.information[0, 0] >= -1e-9


class Overshot:
    """A likelihood that only rises where next to nothing is left of a step."""

    covariates = 1

    def __init__(self) -> None:
        self._best = 0.0

    def likelihood(self, coefficients: cox.Floats) -> PartialLikelihood:
        reached = float(coefficients[0])
        rises = reached - self._best <= 2.0**-28
        self._best = reached if rises else self._best
        return PartialLikelihood(0.0 if rises else -1.0, np.ones(1), np.eye(1))

    def is_flat(self, _: cox.Floats) -> bool:
        return False


def test_a_step_that_is_small_for_being_halved_is_no_maximum():
    with pytest.raises(FitError) as refused:
        fit_newton(Overshot())
    assert refused.value.code == "not_converged"
