"""The Kaplan-Meier estimate against R's survfit."""

import json
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.kaplan_meier import Estimate, KaplanMeier, normal_quantile

GOLDEN = Path(__file__).parents[1] / "golden" / "kaplan_meier.json"
CURVES: list[dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8"))

follow_up = st.lists(
    st.tuples(st.integers(1, 30).map(lambda tenths: tenths / 10), st.booleans()),
    min_size=1,
    max_size=40,
)


def close(expected: float | None) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-12, abs=0)


@pytest.fixture(params=CURVES, ids=lambda curve: curve["name"])
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_survival_and_its_limits_are_those_of_r(golden: dict[str, Any]):
    observed = KaplanMeier.estimate(golden["time"], golden["death"])
    columns = (golden[key] for key in ("at", "survival", "lower", "upper"))
    for months, survival, lower, upper in zip(*columns, strict=True):
        estimate = observed.at(months, golden["confidence_level"])
        assert estimate == Estimate(close(survival), close(lower), close(upper)), months


def test_as_many_are_at_risk_as_in_r(golden: dict[str, Any]):
    observed = KaplanMeier.estimate(golden["time"], golden["death"])
    assert [observed.at_risk_at(months) for months in golden["at"]] == golden["at_risk"]


def test_the_median_and_its_limits_are_those_of_r(golden: dict[str, Any]):
    observed = KaplanMeier.estimate(golden["time"], golden["death"])
    median = observed.median_months(golden["confidence_level"])
    assert median == Estimate(*map(close, golden["median"]))


def test_an_exact_half_is_met_by_the_middle_of_its_interval_even_if_rounding_hides_it():
    # (11/12)(10/11)...(6/7) is 1/2 on paper and 0.4999999999999999 in binary.
    observed = KaplanMeier.estimate([1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15], [1] * 12)
    assert 0.5 not in observed.survival
    assert observed.median_months(0.95).estimate == (6 + 10) / 2


def test_survival_and_interval_of_five_patients_worked_by_hand():
    # Deaths at 2 of 5 and at 4 of 3: S = 4/5, then 4/5 * 2/3 = 8/15.
    observed = KaplanMeier.estimate([2, 3, 4, 5, 6], [1, 0, 1, 0, 0])
    greenwood = 1 / (5 * 4) + 1 / (3 * 2)
    spread = 1.959963984540054 * sqrt(greenwood) / -log(8 / 15)
    at = observed.at(4.5, 0.95)
    assert at is not None
    assert at.estimate == pytest.approx(8 / 15, rel=1e-14)
    assert at.lower == pytest.approx((8 / 15) ** exp(spread), rel=1e-12)
    assert at.upper == pytest.approx((8 / 15) ** exp(-spread), rel=1e-12)


def test_nothing_is_estimated_beyond_the_last_observed_time():
    observed = KaplanMeier.estimate([1, 2, 3], [1, 0, 1])
    assert observed.at(3, 0.95) == Estimate(0.0, None, None)
    assert observed.at(3.0001, 0.95) is None
    assert observed.at_risk_at(3) == 1
    assert observed.at_risk_at(3.0001) == 0


@pytest.mark.parametrize(
    ("level", "quantile"), [(0.5, 0.674489750196082), (0.95, 1.959963984540054), (0.999, 3.2905267)]
)
def test_the_quantile_is_that_of_the_normal_distribution(level: float, quantile: float):
    assert normal_quantile(level) == pytest.approx(quantile, rel=1e-7)


@settings(max_examples=150, deadline=None)
@given(follow_up)
def test_observed_survival_falls_from_1_within_its_limits(patients: list[tuple[float, bool]]):
    months, death = zip(*patients, strict=True)
    observed = KaplanMeier.estimate(months, death)
    assert (np.diff(observed.survival, prepend=1.0) <= 1e-15).all()
    assert (np.diff(observed.at_risk) < 0).all()
    assert observed.at_risk[0] == len(patients)
    for time in observed.months.tolist():
        at = observed.at(time, 0.95)
        assert at is not None
        if at.estimate is not None and 1e-12 < at.estimate < 1 - 1e-12:
            assert at.lower is not None
            assert at.upper is not None
            assert 0 <= at.lower <= at.estimate <= at.upper <= 1
        else:
            assert at.lower is at.upper is None


@settings(max_examples=100, deadline=None)
@given(follow_up, st.randoms(use_true_random=False))
def test_the_order_of_the_patients_changes_nothing(patients: list[tuple[float, bool]], random: Any):
    shuffled = random.sample(patients, len(patients))
    curves = [KaplanMeier.estimate(*zip(*order, strict=True)) for order in (patients, shuffled)]
    for name, values in vars(curves[0]).items():
        np.testing.assert_array_equal(values, getattr(curves[1], name))


@settings(max_examples=100, deadline=None)
@given(follow_up)
def test_without_censoring_survival_is_the_share_still_alive(patients: list[tuple[float, bool]]):
    months = np.array([time for time, _ in patients])
    observed = KaplanMeier.estimate(months, np.ones(len(months)))
    alive = [(months > time).mean() for time in observed.months]
    np.testing.assert_allclose(observed.survival, alive, atol=1e-13)
