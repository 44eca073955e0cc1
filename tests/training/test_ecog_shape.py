"""The form of the ECOG effect is examined, and the conclusion follows the data."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from training.bands import DEFAULT_BANDS, observe_bands, parse_bands
from training.cox import Ties
from training.diagnostics.ecog_shape import examine_ecog_shape


def cohort(log_hazard_by_grade, n=1500, seed=5):
    rng = np.random.default_rng(seed)
    ecog = rng.choice(5, n, p=[0.25, 0.35, 0.2, 0.15, 0.05]).astype(float)
    hazard = 0.05 * np.exp(np.asarray(log_hazard_by_grade)[ecog.astype(int)])
    months = rng.exponential(1 / hazard)
    death = months < 30
    return ecog, np.minimum(months, 30.0), death


def shape_of(data):
    ecog, months, death = data
    bands = observe_bands(parse_bands(DEFAULT_BANDS), ecog, months, death)
    return examine_ecog_shape(ecog, months, death, bands, Ties.EFRON)


def test_a_linear_effect_keeps_per_point():
    shape = shape_of(cohort([0, 0.5, 1.0, 1.5, 2.0]))
    assert shape.linearity_p is not None
    assert shape.linearity_p > 0.05
    assert shape.conclusion.startswith("Per point is served: no other form is supported")


def test_a_step_is_reported_as_speaking_against_per_point():
    shape = shape_of(cohort([0, 0, 1.5, 1.5, 1.5]))
    assert shape.linearity_p is not None
    assert shape.linearity_p < 0.001
    assert shape.conclusion.startswith("The data speak against one step per point")
    best = min(shape.forms, key=lambda form: form.aic)
    assert best.name in ("by risk band", "monotone")


def test_monotone_never_falls_where_a_grade_is_out_of_order():
    shape = shape_of(cohort([0, 0.8, 0.2, 1.0, 1.2]))
    forms = {form.name: form for form in shape.forms}
    assert (np.diff(forms["per grade"].hazard_ratios) < 0).any()
    assert (np.diff(forms["monotone"].hazard_ratios) >= 0).all()
    assert forms["monotone"].parameters == 3


def test_forms_equal_another_librarys_fits():
    ecog, months, death = cohort([0, 0.3, 0.6, 1.2, 1.4])
    forms = {form.name: form for form in shape_of((ecog, months, death)).forms}
    table = pd.DataFrame({"months": months, "death": death, "ecog": ecog})
    linear = CoxPHFitter().fit(table, "months", "death")
    assert forms["per point"].log_likelihood == pytest.approx(linear.log_likelihood_, abs=1e-4)
    for grade in range(1, 5):
        table[f"grade {grade}"] = (ecog == grade).astype(float)
    free = CoxPHFitter().fit(table.drop(columns="ecog"), "months", "death")
    assert forms["per grade"].log_likelihood == pytest.approx(free.log_likelihood_, abs=1e-4)
    ratio = forms["per grade"].hazard_ratios[3] / forms["per grade"].hazard_ratios[0]
    assert ratio == pytest.approx(float(np.exp(free.params_["grade 3"])), rel=1e-4)


def test_one_grade_a_band_leaves_nothing_to_tell_apart():
    ecog, months, death = cohort([0, 0, 1, 1, 1])
    two = np.where(ecog > 1, 2.0, 0.0)
    shape = shape_of((two, months, death))
    assert shape.linearity_p is None
    assert "too few grades" in shape.conclusion
