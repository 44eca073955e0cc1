"""Every fit of golden/cox.json, from the CSV file to the patient's interval, against R."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from model.patient import Patient
from model.survival import SurvivalCurve
from tests.cohorts import DECLARATION
from tests.golden.real_cohorts import COHORTS, write_csv
from training.cohort import Cohort, read_cohort
from training.cox import Ties
from training.fit import FittedModel, Options, fit_model

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "cox.json").read_text(encoding="utf-8")
)
FITS: list[dict[str, Any]] = GOLDEN["fits"]


def _name(fit: dict[str, Any]) -> str:
    return f"{fit['cohort']}-{fit['ties']}-{'ridge' if any(fit['penalty']) else 'unpenalised'}"


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cohort]:
    folder = tmp_path_factory.mktemp("real")
    found = {}
    for name, rows in COHORTS.items():
        write_csv(rows(), folder / f"{name}.csv")
        (folder / f"{name}.cohort.json").write_text(json.dumps(DECLARATION), encoding="utf-8")
        found[name] = read_cohort(folder / f"{name}.csv")
    return found


@pytest.fixture(scope="module")
def fit_of(cohorts: dict[str, Cohort]) -> Any:
    @cache
    def fit(index: int) -> FittedModel:
        golden = FITS[index]
        options = Options(ties=Ties(golden["ties"]), penalty=max(golden["penalty"]))
        return fit_model(cohorts[golden["cohort"]], options)

    return fit


@pytest.fixture(params=range(len(FITS)), ids=[_name(fit) for fit in FITS])
def both(request: pytest.FixtureRequest, fit_of: Any) -> tuple[dict[str, Any], FittedModel]:
    return FITS[request.param], fit_of(request.param)


def agree(ours: Any, rs: Any) -> None:
    np.testing.assert_allclose(ours, np.array(rs, dtype=float), rtol=1e-8, atol=0)


def test_the_golden_fits_hold_what_they_must():
    names = {_name(fit) for fit in FITS}
    assert {"lung-efron-ridge", "lung_in_whole_months-breslow-unpenalised"} <= names
    assert len(names) == len(FITS) == 10


def test_the_cohort_is_read_as_r_reads_it(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    cox = fitted.model.cox
    assert list(cox.design.names) == golden["covariates"]
    assert cox.ties == golden["ties"]
    assert cox.penalty.tolist() == golden["penalty"]
    assert int(cox.observed.at_risk[0]) == GOLDEN["cohorts"][golden["cohort"]]["rows"]


def test_coefficients_and_covariance_are_those_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    cox = fitted.model.cox
    agree(cox.coefficients_per_unit, golden["coefficients"])
    agree(cox.covariance_per_unit, golden["variance"])
    agree(np.sqrt(np.diag(cox.covariance_per_unit)), golden["standard_errors"])


def test_hazard_ratios_and_p_values_are_those_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    beta = fitted.model.cox.coefficients_per_unit
    se = np.sqrt(np.diag(fitted.model.cox.covariance_per_unit))
    agree(np.exp(beta), golden["hazard_ratios"])
    agree(np.exp(beta + norm.ppf(0.025) * se), golden["hazard_ratios_lower"])
    agree(np.exp(beta + norm.ppf(0.975) * se), golden["hazard_ratios_upper"])
    agree(2 * norm.sf(np.abs(beta / se)), golden["p_values"])


def test_the_log_likelihood_is_that_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    agree(fitted.log_likelihood, golden["log_likelihood"])


def test_the_baseline_is_that_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    cox = fitted.model.cox
    agree(cox.months, golden["baseline"]["months"])
    of_all_zero = np.exp(-(cox.design.mean / cox.design.sd) @ cox.coefficients)
    agree(cox.hazard * of_all_zero, golden["baseline"]["cumulative_hazard"])


def test_the_penalised_scale_is_that_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    cox = fitted.model.cox
    assert ("scaled" in golden) == any(golden["penalty"])
    if "scaled" not in golden:
        return
    scaled = golden["scaled"]
    agree(cox.design.mean, scaled["means"])
    agree(cox.design.sd, scaled["standard_deviations"])
    agree(cox.coefficients, scaled["coefficients"])
    agree(np.sqrt(np.diag(cox.covariance)), scaled["standard_errors"])
    agree(cox.covariance, scaled["variance"])


def test_a_patients_survival_and_limits_are_those_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    cohort = GOLDEN["cohorts"][golden["cohort"]]
    assert cohort["months"][-1] == fitted.model.cox.last_months
    for i, values in enumerate(cohort["patients"]):
        covariates = fitted.model.cox.expect(Patient.model_validate(values))
        curve = SurvivalCurve.of(fitted.model.cox, covariates, 0.95)
        for j, months in enumerate(cohort["months"]):
            at = curve.at(months)
            agree(at.estimate, golden["survival"][i][j])
            assert (at.lower is None) == (golden["lower"][i][j] is None) == (j == 0)
            if at.lower is not None and at.upper is not None:
                agree(at.lower, golden["lower"][i][j])
                agree(at.upper, golden["upper"][i][j])


def test_the_standard_error_of_the_hazard_is_that_of_r(both: tuple[dict[str, Any], FittedModel]):
    golden, fitted = both
    cohort = GOLDEN["cohorts"][golden["cohort"]]
    for i, values in enumerate(cohort["patients"]):
        covariates = fitted.model.cox.expect(Patient.model_validate(values))
        curve = SurvivalCurve.of(fitted.model.cox, covariates, 0.95)
        steps = np.searchsorted(curve.months, cohort["months"][1:], side="right") - 1
        ours = (np.exp(curve.log_hazard) * np.sqrt(curve.variance))[steps]
        rs = golden["standard_error_of_cumulative_hazard"][i]
        assert rs[0] == 0
        agree(ours, rs[1:])
