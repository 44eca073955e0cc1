"""Predictions for many patients at once are those of each patient's own curve."""

from dataclasses import replace

import numpy as np
import pytest

from model.cox import ExpectedCovariates
from model.survival import SurvivalCurve
from tests.cohorts import fitted
from training.coverage.batch_survival import expect_batch, predict_batch
from training.coverage.population import NAMES, draw_patients
from training.coverage.trial import Knowledge

COX = fitted().model.cox
HORIZONS = (6.0, 12.0, 24.0)


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("knowledge", Knowledge)
def test_a_batch_is_its_patients_one_by_one(knowledge, level):
    assert COX.design.names == NAMES
    assert COX.last_months >= max(HORIZONS)
    standardised = COX.design.standardise(draw_patients(np.random.default_rng(4), 25))
    batch = predict_batch(COX, expect_batch(COX, standardised, knowledge.unknown), HORIZONS)
    lower, upper = batch.limits(level)
    for row, values in enumerate(standardised):
        known = np.where(knowledge.unknown, np.nan, values)
        curve = SurvivalCurve.of(COX, ExpectedCovariates.given(COX, known), level)
        estimates = [curve.at(months) for months in HORIZONS]
        single = np.array([(e.estimate, e.lower, e.upper) for e in estimates], dtype=np.float64)
        np.testing.assert_allclose(batch.survival[row], single[:, 0], atol=1e-10)
        np.testing.assert_allclose(lower[row], single[:, 1], atol=1e-10)
        np.testing.assert_allclose(upper[row], single[:, 2], atol=1e-10)
        step = np.searchsorted(curve.months, HORIZONS, side="right") - 1
        np.testing.assert_allclose(
            (batch.spread + batch.extra[:, None])[row], curve.variance[step], rtol=1e-10
        )


def test_what_the_model_withholds_is_nan():
    ends_early = replace(COX, observed=replace(COX.observed, at_risk=COX.observed.at_risk / 10))
    assert ends_early.last_months < 24
    standardised = COX.design.standardise(draw_patients(np.random.default_rng(4), 3))
    patients = expect_batch(COX, standardised, Knowledge.ALL.unknown)
    before_first_death = float(COX.months[0]) / 2
    batch = predict_batch(ends_early, patients, (before_first_death, 3.0, 24.0))
    for values in (batch.survival, *batch.limits(0.95)):
        np.testing.assert_array_equal(np.isnan(values), [[True, False, True]] * 3)
