"""Risk bands: how they are written and what is observed in them."""

import warnings
from typing import Any

import numpy as np
import pytest
from sksurv.compare import compare_survival
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from model.errors import FitError
from model.kaplan_meier import KaplanMeier
from tests.cohorts import cohort_of, rows
from training.bands import DEFAULT_BANDS, observe_bands, parse_bands

COHORT = cohort_of(rows())
ECOG = COHORT.numbers[:, 0]
WORST = "good:0,fair:1-2,poor:3-4"

with warnings.catch_warnings():  # lifelines warns of its own imports
    warnings.simplefilter("ignore")
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test


def test_bands_are_read_as_they_are_written():
    assert parse_bands(DEFAULT_BANDS) == [("standard", 0, 1), ("high", 2, 4)]
    assert parse_bands(" good:0 , fair:1-2,poor:3-4 ") == [
        ("good", 0, 0),
        ("fair", 1, 2),
        ("poor", 3, 4),
    ]
    assert parse_bands("all:0-4") == [("all", 0, 4)]


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "a", "a:0", "a:0-3", "a:1-4", "a:0-5", "a:0-1,b:3-4", "a:0-2,b:2-4"),
        *("b:2-4,a:0-1", "a:0-1;b:2-4", "a:0-1,b:2-4,", "a:0-1,b:2-4,c", "a:1-0,b:2-4"),
        *("A:0-1,b:2-4", "a b:0-4", ":0-4", "a:0–4", "a:-1-4", "a:00-4", f"{'a' * 41}:0-4"),
    ],
)
def test_bands_that_do_not_cover_each_grade_once_are_refused(text: str):
    with pytest.raises(FitError) as refused:
        parse_bands(text)
    assert refused.value.code == "bands"
    assert str(refused.value) == (
        "bands must cover ECOG 0 to 4 once each, in order, like standard:0-1,high:2-4"
    )


def test_two_bands_of_one_name_are_refused():
    with pytest.raises(FitError, match="two bands have the same name") as refused:
        parse_bands("a:0-1,a:2-4")
    assert refused.value.code == "bands"


@pytest.mark.parametrize("text", [DEFAULT_BANDS, WORST])
def test_each_band_has_its_patients_deaths_and_curve(text: str):
    bands = observe_bands(parse_bands(text), ECOG, COHORT.months, COHORT.death)
    assert [(b.name, b.lowest, b.highest) for b in bands.bands] == parse_bands(text)
    for band in bands.bands:
        inside = [r for r in rows() if band.lowest <= int(r["ecog"]) <= band.highest]
        assert band.patients == len(inside)
        assert band.deaths == sum(int(r["death"]) for r in inside)
        months = [float(r["os_months"]) for r in inside]
        curve = KaplanMeierFitter().fit(months, [int(r["death"]) for r in inside])
        assert isinstance(band.observed, KaplanMeier)
        theirs = curve.survival_function_at_times(band.observed.months).to_numpy()
        np.testing.assert_allclose(band.observed.survival, theirs, rtol=1e-10)
    grades = [int(row["ecog"]) for row in rows()]
    assert bands.patients_by_grade == tuple(grades.count(g) for g in range(5))
    assert sum(bands.deaths_by_grade) == int(COHORT.death.sum())
    assert bands.bands[0].contrast is None


@pytest.mark.parametrize(("text", "index"), [(DEFAULT_BANDS, 1), (WORST, 1), (WORST, 2)])
def test_the_contrast_with_the_reference_band_is_that_of_other_programs(text: str, index: int):
    bands = observe_bands(parse_bands(text), ECOG, COHORT.months, COHORT.death)
    band, reference = bands.bands[index], bands.bands[0]
    assert band.contrast is not None
    inside = (band.lowest <= ECOG) & (band.highest >= ECOG)
    both = inside | ((reference.lowest <= ECOG) & (reference.highest >= ECOG))
    x, months, death = inside[both].astype(float), COHORT.months[both], COHORT.death[both]
    outcome = Surv.from_arrays(death, months)
    fit = CoxPHSurvivalAnalysis(ties="efron", tol=1e-13, n_iter=200).fit(x[:, None], outcome)
    assert band.contrast.hazard_ratio == pytest.approx(np.exp(fit.coef_[0]), rel=1e-9)
    assert band.contrast.p_value == pytest.approx(compare_survival(outcome, x)[1], rel=1e-12)
    test = logrank_test(months[x == 1], months[x == 0], death[x == 1], death[x == 0])
    assert band.contrast.p_value == pytest.approx(test.p_value, rel=1e-8)
    lower, upper = interval_of_lifelines(x, months, death)
    assert [band.contrast.lower, band.contrast.upper] == pytest.approx([lower, upper], rel=1e-5)


def interval_of_lifelines(x: Any, months: Any, death: Any) -> tuple[float, float]:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": x, "months": months, "death": death})
    options = {"precision": 1e-11}
    fit = CoxPHFitter().fit(table, "months", "death", fit_options=options)
    limits = np.exp(fit.confidence_intervals_.to_numpy()[0])
    return float(limits[0]), float(limits[1])


def test_the_reference_grade_is_the_commonest_of_the_reference_band():
    ecog = np.array([0.0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    months, death = np.arange(1.0, 11), np.ones(10, dtype=bool)
    for text, expected in ((DEFAULT_BANDS, 0), ("low:0-2,rest:3-4", 2), ("all:0-4", 2)):
        assert observe_bands(parse_bands(text), ecog, months, death).ecog_reference == expected
    tie = observe_bands(parse_bands(DEFAULT_BANDS), ecog[1:], months[1:], death[1:])
    assert tie.patients_by_grade[:2] == (2, 2)
    assert tie.ecog_reference == 0


def test_an_empty_band_has_no_curve_and_no_contrast():
    ecog, months = np.array([0.0, 0, 1, 1]), np.arange(1.0, 5)
    bands = observe_bands(parse_bands(DEFAULT_BANDS), ecog, months, np.ones(4, dtype=bool))
    assert bands.bands[1].patients == bands.bands[1].deaths == 0
    assert bands.bands[1].observed is None
    assert bands.bands[1].contrast is None


@pytest.mark.parametrize("dead_band", [0, 1])
def test_a_band_without_deaths_has_no_contrast(dead_band: int):
    ecog, months = np.array([0.0, 0, 1, 2, 3, 3]), np.arange(1.0, 7)
    death = (ecog >= 2) == (dead_band == 1)
    bands = observe_bands(parse_bands(DEFAULT_BANDS), ecog, months, death)
    assert bands.bands[1].contrast is None
    assert bands.bands[1].observed is not None


def test_bands_that_separate_have_no_contrast():
    # All of the high band die before anybody of the reference band is at risk of dying.
    ecog, months = np.array([2.0, 2, 3, 0, 0, 1]), np.arange(1.0, 7)
    bands = observe_bands(parse_bands(DEFAULT_BANDS), ecog, months, np.ones(6, dtype=bool))
    assert bands.bands[1].contrast is None
