"""Figures: the same bytes each time, readable without being seen, and no guest in the page."""

import re
from functools import cache
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from model.answer import Curve
from model.patient import Patient
from model.prediction import predict
from tests.training.analyses import coverage, reported
from training.report.plots import (
    CoverageDot,
    ForestRow,
    Group,
    Label,
    NamedCurve,
    Ratio,
    calibration_plot,
    coverage_plot,
    decision_plot,
    ecog_shape_plot,
    forest_plot,
    kaplan_meier_plot,
    penalty_plot,
    predicted_plot,
    risk_table_months,
    schoenfeld_plot,
)
from training.report.plots.assumptions import smooth

pytestmark = pytest.mark.slow  # real plots are drawn

SVG = "{http://www.w3.org/2000/svg}"
LABEL = Label("a-key", "A <title> & more", 'What "is" seen')
HOSTILE = '</text><script>alert("$x^2$")</script>'


def _kaplan_meier(label: Label = LABEL) -> str:
    bands = reported().model.risk_bands.bands
    groups = [Group(band.name, band.observed) for band in bands if band.observed]
    return kaplan_meier_plot(label, groups, reported().model.cox.last_months)


def _predicted() -> str:
    curve = predict(reported().model, Patient(ecog=1)).survival.curve
    assert isinstance(curve, Curve)
    return predicted_plot(LABEL, [NamedCurve("ECOG 1", curve)], [6, 12, 24])


def _forest() -> str:
    rows = [
        ForestRow("ECOG", Ratio(1.9, 1.2, 3.1), Ratio(2.1, 1.1, 400.0)),
        ForestRow("Age", Ratio(1.0, 0.001, 1.1), None),
    ]
    return forest_plot(LABEL, rows)


def _penalty() -> str:
    path = reported().analysis.penalty_path
    assert path is not None
    return penalty_plot(LABEL, path, path.covariates)


def _ecog_shape() -> str:
    shape = reported().analysis.ecog_shape
    assert shape is not None
    return ecog_shape_plot(LABEL, shape.forms)


def _schoenfeld() -> str:
    assumptions = reported().analysis.assumptions
    assert assumptions is not None
    residuals = assumptions.schoenfeld
    return schoenfeld_plot(LABEL, residuals, [of.covariate for of in residuals])


def _calibration() -> str:
    validation = reported().analysis.validation
    assert validation is not None
    return calibration_plot(LABEL, validation.calibration)


def _decision() -> str:
    validation = reported().analysis.validation
    assert validation is not None
    assert validation.decision is not None
    return decision_plot(LABEL, validation.decision)


def _coverage() -> str:
    dots = [
        CoverageDot(cell.truth, cell.candidate, cell.coverage, cell.monte_carlo_error)
        for cell in coverage().cells
    ]
    return coverage_plot(LABEL, dots)


FIGURES = {
    "kaplan_meier": _kaplan_meier,
    "predicted": _predicted,
    "forest": _forest,
    "penalty": _penalty,
    "ecog_shape": _ecog_shape,
    "schoenfeld": _schoenfeld,
    "calibration": _calibration,
    "decision": _decision,
    "coverage": _coverage,
}


@cache
def drawn(name: str) -> str:
    return FIGURES[name]()


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_tells_in_words_what_it_shows(figure: str):
    svg = ElementTree.fromstring(drawn(figure))
    first, second = svg[0], svg[1]
    assert (first.tag, first.text) == (f"{SVG}title", LABEL.title)
    assert (second.tag, second.text) == (f"{SVG}desc", LABEL.description)
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == f"{first.get('id')} {second.get('id')}"


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_brings_no_style_and_no_link_from_outside(figure: str):
    svg = drawn(figure)
    assert "<style" not in svg
    assert "style=" not in svg
    assert "<script" not in svg
    assert re.findall(r"""(?:href|src)=["'](?!#)""", svg) == []
    assert {*re.findall(r"https?://[^\"' ]+", svg)} == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("figure", FIGURES)
def test_what_a_figure_refers_to_is_in_it_once_under_its_own_name(figure: str):
    svg = drawn(figure)
    identities = re.findall(r'\bid="([^"]+)"', svg)
    referred = {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)}
    assert len(identities) == len({*identities})
    assert all(identity.startswith("a-key-") for identity in identities)
    assert referred <= {*identities}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_drawn_again_with_the_same_bytes(figure: str):
    before = drawn(figure)
    with matplotlib.rc_context({"font.size": 31, "axes.grid": True, "svg.hashsalt": None}):
        assert FIGURES[figure]() == before


def test_drawing_leaves_no_trace_in_the_settings_of_the_process():
    before = dict(matplotlib.rcParams)
    _kaplan_meier()
    assert dict(matplotlib.rcParams) == before


def test_a_name_is_text_whatever_it_looks_like():
    observed = reported().model.cox.observed
    svg = kaplan_meier_plot(LABEL, [Group(HOSTILE, observed), Group("b", observed)], 30)
    assert HOSTILE in [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_numbers_at_risk_stand_below_the_curves():
    texts = [element.text for element in ElementTree.fromstring(_kaplan_meier()).iter(f"{SVG}text")]
    bands = reported().model.risk_bands.bands
    assert "Number at risk" in texts
    assert all(str(band.patients) in texts for band in bands)
    assert all(
        str(band.observed.at_risk_at(12.0)) in texts for band in bands if band.observed is not None
    )


def test_the_end_of_the_predictions_is_marked_only_where_follow_up_goes_on():
    observed = reported().model.cox.observed
    end = float(observed.months[-1])
    assert "fewer than 5 at risk" in kaplan_meier_plot(LABEL, [Group("a", observed)], end / 2)
    assert "fewer than 5 at risk" not in kaplan_meier_plot(LABEL, [Group("a", observed)], end)


@pytest.mark.parametrize(
    ("last", "months"),
    [
        (5.0, [0, 1, 2, 3, 4, 5]),
        (30.0, [0, 6, 12, 18, 24, 30]),
        (109.0, [0, 12, 24, 36, 48, 60, 72, 84, 96, 108]),
        (1500.0, [0, 240, 480, 720, 960, 1200, 1440]),
    ],
)
def test_numbers_at_risk_are_shown_at_a_readable_number_of_whole_months(
    last: float, months: list[float]
):
    assert risk_table_months(last) == months


def test_a_straight_line_is_its_own_smooth():
    places = np.linspace(0, 1, 25)
    at = np.array([0.0, 0.31, 1.0])
    assert smooth(places, 3 - 2 * places, at) == pytest.approx(3 - 2 * at, abs=1e-12)
