"""What not knowing a covariate does to a patient's curve, each formula against another road."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.integrate import quad
from scipy.stats import norm

from model.cox import ExpectedCovariates
from model.patient import COVARIATES, Patient
from model.survival import SurvivalCurve
from tests.cohorts import cohort_of, fitted, rows
from tests.model.patients import patients
from training.cox import RiskSets

COX = fitted().model.cox
quick = settings(max_examples=60, deadline=None)

SOME_UNKNOWN = [
    Patient(ecog=1),
    Patient(ecog=4, age_years=70, disease="ALL", ferritin_ng_ml=9000),
    Patient(ecog=0, hemoglobin_g_dl=8.0, lymphocytes_10e9_l=0.0, conditioning="myeloablative"),
    Patient(ecog=2, **{k: v for k, v in rows(1)[0].items() if k in ("age_years", "bmi_kg_m2")}),
]
some_unknown = pytest.mark.parametrize("patient", SOME_UNKNOWN)


def position(name: str) -> int:
    return COX.design.names.index(name)


@some_unknown
def test_continuous_unknowns_have_the_conditional_normal_distribution(patient: Patient):
    # Through the precision matrix P: mean -P_uu^-1 P_us x_s, covariance P_uu^-1.
    known = COX.design.standardise(patient.numbers(COX.design.names))
    expected = ExpectedCovariates.given(COX, known)
    precision = np.linalg.inv(COX.covariate_covariance)
    u, s = np.flatnonzero(np.isnan(known)), np.flatnonzero(~np.isnan(known))
    covariance = np.linalg.inv(precision[np.ix_(u, u)])
    mean = -covariance @ precision[np.ix_(u, s)] @ known[s]
    assert expected.unknown.tolist() == u.tolist()
    continuous = [row for row, c in enumerate(u) if not COVARIATES[COX.design.names[c]].is_binary]
    np.testing.assert_allclose(expected.mean[u][continuous], mean[continuous], rtol=1e-9)
    np.testing.assert_allclose(
        expected.covariance[np.ix_(continuous, continuous)],
        covariance[np.ix_(continuous, continuous)],
        rtol=1e-9,
    )
    np.testing.assert_array_equal(expected.mean[s], known[s])


@quick
@given(patients())
def test_an_unknown_binary_has_the_variance_of_its_probability(patient: Patient):
    expected = COX.expect(patient)
    for row, column in enumerate(expected.unknown.tolist()):
        name = COX.design.names[column]
        if COVARIATES[name].is_binary:
            p = COX.design.unstandardise(column, float(expected.mean[column]))
            variance = expected.covariance[row, row] * COX.design.sd[column] ** 2
            assert -1e-12 <= p <= 1 + 1e-12
            assert variance == pytest.approx(p * (1 - p), abs=1e-12)


@quick
@given(patients())
def test_the_covariance_of_the_unknown_is_one(patient: Patient):
    covariance = COX.expect(patient).covariance
    if len(covariance):
        np.testing.assert_allclose(covariance, covariance.T, atol=1e-14)
        assert np.linalg.eigvalsh(covariance)[0] > -1e-12
        diagonal = np.diag(COX.covariate_covariance)[COX.expect(patient).unknown]
        continuous = [
            row
            for row, column in enumerate(COX.expect(patient).unknown)
            if not COVARIATES[COX.design.names[column]].is_binary
        ]
        assert (np.diag(covariance)[continuous] <= diagonal[continuous] + 1e-12).all()


@pytest.mark.parametrize(("sign", "probability"), [(1, 1.0), (-1, 0.0)])
def test_a_probability_beyond_its_ends_is_clipped_and_certain(sign: int, probability: float):
    disease, age = position("disease"), position("age_years")
    correlated = COX.covariate_covariance.copy()
    correlated[disease, age] = correlated[age, disease] = 0.5
    model = replace(COX, covariate_covariance=correlated)
    known = COX.design.standardise(Patient(ecog=1).numbers(COX.design.names))
    known[age] = 20.0 * sign
    expected = ExpectedCovariates.given(model, known)
    row = expected.unknown.tolist().index(disease)
    shown = COX.design.unstandardise(disease, float(expected.mean[disease]))
    assert shown == pytest.approx(probability, abs=1e-12)
    assert not expected.covariance[row].any()
    curve = SurvivalCurve.of(model, expected, 0.95)
    assert np.isfinite(curve.variance).all()


@some_unknown
def test_the_variance_is_that_of_drawn_values_and_coefficients(patient: Patient):
    # log L(t) = log L0(t; beta) + x'beta with x_m ~ N(xhat, C) and beta ~ N(betahat, V)
    # drawn, log L0 linear in beta with its slope taken numerically from the data, and
    # the hazard's own noise drawn with variance VH / L0^2.
    data = cohort_of(rows()).in_canonical_order()
    risk_sets = RiskSets(COX.design.standardise(data.numbers), data.months, data.death)
    curve = SurvivalCurve.of(COX, COX.expect(patient), 0.95)
    expected, p, n = curve.covariates, len(COX.coefficients), 200_000
    rng = np.random.default_rng(11)
    beta = rng.multivariate_normal(COX.coefficients, COX.covariance, n)
    x = np.tile(expected.mean, (n, 1))
    x[:, expected.unknown] = rng.multivariate_normal(
        expected.mean[expected.unknown], expected.covariance, n, tol=1e-6
    )
    steps = 1e-5 * np.eye(p)
    up, down = (
        [np.log(risk_sets.baseline(COX.coefficients + sign * e).hazard) for e in steps]
        for sign in (1, -1)
    )
    slope = (np.array(up) - np.array(down)) / 2e-5
    for k in (0, 20, len(curve.months) - 1):
        noise = rng.normal(size=n) * np.sqrt(COX.hazard_variance[k]) / COX.hazard[k]
        drawn = (beta - COX.coefficients) @ slope[:, k] + np.einsum("ij,ij->i", x, beta) + noise
        # The standard error of a variance, from the fourth moment.
        centred = (drawn - drawn.mean()) ** 2
        error = centred.std() / np.sqrt(n)
        assert curve.variance[k] == pytest.approx(centred.mean(), abs=4 * error)
        assert 4 * error < 0.02 * curve.variance[k]
        assert curve.extra_variance > 20 * error


@some_unknown
def test_what_not_knowing_adds_is_the_variance_over_the_unknown_values(patient: Patient):
    # E over x of Var(x'beta | x) - xhat'V xhat + Var over x of x'betahat.
    expected = COX.expect(patient)
    unknown, n = expected.unknown, 200_000
    rng = np.random.default_rng(12)
    x = rng.multivariate_normal(np.zeros(len(unknown)), expected.covariance, n, tol=1e-6)
    v = COX.covariance[np.ix_(unknown, unknown)]
    per_draw = np.einsum("ij,jk,ik->i", x, v, x) + (x @ COX.coefficients[unknown]) ** 2
    error = per_draw.std() / np.sqrt(n)
    assert expected.extra_variance(COX) == pytest.approx(per_draw.mean(), abs=4 * error)


@some_unknown
def test_the_point_is_the_probability_averaged_over_the_unknown_values(patient: Patient):
    curve = SurvivalCurve.of(COX, COX.expect(patient), 0.95)
    unknown = curve.covariates.unknown
    b = COX.coefficients[unknown]
    sd = float(np.sqrt(b @ curve.covariates.covariance @ b))
    assert sd > 0.05
    for k in range(0, len(curve.months), 20):
        hazard = float(np.exp(curve.log_hazard[k]))
        edges = np.linspace(-12, 12, 25)
        mean, slope = (
            sum(quad(f, *ends, args=(hazard, sd), epsabs=1e-14)[0] for ends in pairwise(edges))
            for f in (_survival, _slope)
        )
        assert curve.survival[k] == pytest.approx(mean, abs=1e-9)
        assert curve.slope[k] == pytest.approx(slope, abs=1e-9)


def _survival(z: float, hazard: float, sd: float) -> float:
    return float(np.exp(-hazard * np.exp(sd * z)) * norm.pdf(z))


def _slope(z: float, hazard: float, sd: float) -> float:
    own = hazard * np.exp(sd * z)
    return float(own * np.exp(-own) * norm.pdf(z))


@pytest.mark.parametrize(
    ("sd", "tolerance"), [(0.1, 1e-12), (0.5, 1e-12), (1.0, 1e-9), (1.5, 1e-7)]
)
def test_the_average_stays_exact_where_the_unknown_matters_more(sd: float, tolerance: float):
    ferritin = position("ferritin_ng_ml")
    coefficients = np.zeros(len(COX.coefficients))
    coefficients[ferritin] = sd
    model = replace(COX, coefficients=coefficients)
    known = np.zeros(len(coefficients))
    known[ferritin] = np.nan
    expected = ExpectedCovariates.given(model, known)
    spread = sd * float(np.sqrt(expected.covariance[0, 0]))
    curve = SurvivalCurve.of(model, expected, 0.95)
    for k in range(0, len(curve.months), 20):
        hazard = float(np.exp(curve.log_hazard[k]))
        edges = np.linspace(-12, 12, 25)
        mean = sum(
            quad(_survival, *ends, args=(hazard, spread), epsabs=1e-14)[0]
            for ends in pairwise(edges)
        )
        assert curve.survival[k] == pytest.approx(mean, abs=tolerance)


@quick
@given(patients())
def test_knowing_one_more_value_never_widens_the_interval(patient: Patient):
    expected = COX.expect(patient)
    falls = expected.variance_of_each(COX)
    assert falls.shape == expected.unknown.shape
    assert (falls >= 0).all()
    assert (falls <= expected.extra_variance(COX) + 1e-15).all()


def test_the_variance_falls_by_as_much_as_one_more_value_takes_from_it():
    # The others are continuous: a binary's variance is that of its probability.
    patient = Patient(ecog=1, disease="AML", conditioning="myeloablative")
    patient = patient.model_copy(update={"post_transplant_cyclophosphamide": True})
    expected = COX.expect(patient)
    row = expected.unknown.tolist().index(position("ldh_u_l"))
    more = COX.expect(patient.model_copy(update={"ldh_u_l": 300.0}))
    fall = expected.variance_of_each(COX)[row]
    assert expected.extra_variance(COX) - fall == pytest.approx(more.extra_variance(COX), rel=1e-9)


def test_ecog_is_never_expected():
    for patient in SOME_UNKNOWN:
        assert 0 not in COX.expect(patient).unknown
    assert COX.design.names[0] == "ecog"
