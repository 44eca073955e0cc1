"""Residuals equal those of R's ``residuals.coxph``."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.golden.real_cohorts import lung_in_whole_months
from training.cox import RiskSets, Ties, fit_newton
from training.diagnostics.residuals import Residuals, residuals

GOLDEN = json.loads((Path(__file__).parent.parent / "golden/residuals.json").read_text())


def residuals_of_lung(ties: Ties) -> Residuals:
    rows = lung_in_whole_months()
    design = np.array(
        [[r["ecog"], r["age_years"], np.log(float(r["ferritin_ng_ml"]))] for r in rows], dtype=float
    )
    months = np.array([r["os_months"] for r in rows], dtype=float)
    death = np.array([bool(r["death"]) for r in rows])
    sd = design.std(axis=0)
    fit = fit_newton(RiskSets((design - design.mean(axis=0)) / sd, months, death, ties))
    covariance = np.asarray(np.linalg.inv(fit.information) / np.outer(sd, sd))
    return residuals(design, months, death, fit.coefficients / sd, covariance, ties)


@pytest.mark.parametrize("golden", GOLDEN["fits"], ids=lambda fit: fit["ties"])
def test_residuals_equal_those_of_r(golden):
    left = residuals_of_lung(Ties(golden["ties"]))
    np.testing.assert_allclose(left.martingale[::7], golden["martingale"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(left.dfbeta[::7], golden["dfbeta"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(left.death_months, golden["death_months"], rtol=0)
    np.testing.assert_allclose(
        left.scaled_schoenfeld[::7], golden["scaled_schoenfeld"], rtol=1e-9, atol=1e-11
    )
    sums = [
        np.abs(left.martingale).sum(),
        *np.abs(left.dfbeta).sum(axis=0),
        *np.abs(left.scaled_schoenfeld).sum(axis=0),
    ]
    np.testing.assert_allclose(sums, golden["absolute_sums"], rtol=1e-9)


def test_martingale_residuals_sum_to_zero():
    assert abs(residuals_of_lung(Ties.EFRON).martingale.sum()) < 1e-10


def test_dfbeta_is_close_to_leaving_the_row_out():
    rng = np.random.default_rng(3)
    design, months = rng.normal(size=(300, 2)), rng.exponential(size=300)
    death = rng.random(300) < 0.7
    fit = fit_newton(RiskSets(design, months, death))
    left = residuals(
        design, months, death, fit.coefficients, np.asarray(np.linalg.inv(fit.information))
    )
    most = int(np.abs(left.dfbeta[:, 0]).argmax())
    others = np.arange(300) != most
    without = fit_newton(RiskSets(design[others], months[others], death[others]))
    moved = fit.coefficients - without.coefficients
    np.testing.assert_allclose(left.dfbeta[most], moved, rtol=0.1, atol=2e-3)
