"""A prediction that is not a number is a failure, never null."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.errors import NotFiniteError
from model.patient import Patient
from model.prediction import PrognosticModel, predict
from tests.cohorts import fitted

MODEL = fitted().model
PATIENT = Patient(ecog=4, ldh_u_l=2000.0)


def with_cox(**changes: Any) -> PrognosticModel:
    return replace(MODEL, cox=replace(MODEL.cox, **changes))


@pytest.mark.parametrize("with_curve", [True, False])
def test_a_curve_that_is_not_finite_is_refused(with_curve: bool) -> None:
    broken = MODEL.cox.hazard_variance.copy()
    broken[3] = np.nan
    with pytest.raises(NotFiniteError):
        predict(with_cox(hazard_variance=broken), PATIENT, with_curve=with_curve)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_contribution_that_overflows_is_refused() -> None:
    coefficients = MODEL.cox.coefficients.copy()
    coefficients[MODEL.cox.design.names.index("ldh_u_l")] = 1e5
    with pytest.raises(NotFiniteError):
        predict(with_cox(coefficients=coefficients), PATIENT)


def test_a_contribution_without_bound_is_refused_though_its_ratio_is_zero() -> None:
    column = MODEL.cox.design.names.index("ldh_u_l")
    reference = MODEL.cox.design.reference.copy()
    reference[column] = np.inf if MODEL.cox.coefficients[column] > 0 else 0.0
    with np.errstate(divide="ignore"), pytest.raises(NotFiniteError):
        predict(with_cox(design=replace(MODEL.cox.design, reference=reference)), PATIENT)


def test_what_is_expected_of_an_unknown_covariate_is_finite() -> None:
    broken = MODEL.cox.design.mean.copy()
    broken[MODEL.cox.design.names.index("age_years")] = np.nan
    with pytest.raises(NotFiniteError):
        predict(with_cox(design=replace(MODEL.cox.design, mean=broken)), PATIENT)
