"""Cohorts that no model can be fitted to: each named, none a traceback."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import FitError
from tests.cohorts import Row, cohort_of, csv_text, rows, write_cohort
from training.cohort import Cohort, read_cohort
from training.fit import FittedModel, Options, check_cohort, fit_model

UNPENALISED = Options(penalty=0.0)
RIDGE = Options(penalty=8.0)


def table(n: int = 80, *names: str) -> list[Row]:
    kept = ("ecog", *(names or ("age_years", "bmi_kg_m2", "ldh_u_l")), "os_months", "death")
    return [{name: row[name] for name in kept} for row in rows(n)]


def refusal(cohort: Cohort, options: Options = UNPENALISED) -> FitError:
    with pytest.raises(FitError) as refused:
        fit_model(cohort, options)
    assert "Traceback" not in str(refused.value)
    assert "\n" not in str(refused.value)
    return refused.value


def codes(found: FittedModel) -> list[str]:
    return [finding.code for finding in found.findings]


def dying(deaths: int) -> Cohort:
    return cohort_of([{**row, "death": int(i < deaths)} for i, row in enumerate(table())])


@pytest.mark.parametrize("options", [UNPENALISED, RIDGE, Options()])
def test_no_deaths_are_named(options: Options):
    error = refusal(dying(0), options)
    assert error.code == "no_deaths"
    assert str(error) == "no death was observed, so no hazard can be estimated"


@pytest.mark.parametrize("deaths", [1, 4])
def test_too_few_deaths_are_named(deaths: int):
    error = refusal(dying(deaths))
    assert error.code == "too_few_deaths"
    assert str(error) == f"{deaths} deaths were observed, at least 5 are needed"


def test_five_deaths_are_enough():
    assert int(check_cohort(dying(5)).death.sum()) == 5
    assert fit_model(dying(5), RIDGE).model.cox.months.size <= 5


def test_one_grade_of_ecog_is_named():
    error = refusal(cohort_of([{**row, "ecog": 2} for row in table()]))
    assert error.code == "one_ecog_grade"


def test_a_constant_column_is_left_out_with_a_finding():
    constant = [{**row, "bmi_kg_m2": 25.0, "disease": "AML"} for row in table()]
    for options in (UNPENALISED, RIDGE):
        found = fit_model(cohort_of(constant), options)
        assert found.model.cox.design.names == ("ecog", "age_years", "ldh_u_l")
        assert codes(found) == ["constant_column"]
        assert found.findings[0].message == (
            "bmi_kg_m2, disease: all patients have the same value; left out"
        )


def test_lymphocytes_that_are_all_zero_are_left_out():
    zero = [{**row, "lymphocytes_10e9_l": 0.0} for row in table()]
    assert codes(fit_model(cohort_of(zero), UNPENALISED)) == ["constant_column"]


def collinear() -> Cohort:
    # BMI is a line of age; LDH has nothing to do with either.
    return cohort_of([{**row, "bmi_kg_m2": 10 + 0.3 * float(row["age_years"])} for row in table()])


def test_collinear_columns_are_named():
    error = refusal(collinear())
    assert error.code == "collinear"
    assert str(error) == "these covariates determine one another: age_years, bmi_kg_m2"


def test_under_a_penalty_collinear_columns_are_a_finding():
    found = fit_model(collinear(), RIDGE)
    assert codes(found) == ["collinear"]
    assert "age_years, bmi_kg_m2; only the penalty tells" in found.findings[0].message
    assert np.isfinite(found.model.cox.covariance).all()
    coefficients = found.model.cox.coefficients
    assert coefficients[1] == pytest.approx(coefficients[2], rel=1e-6)


def separated() -> Cohort:
    # Everybody treated dies, before anybody else does, and nobody else dies.
    table_ = table(60)
    return cohort_of(
        [
            {
                **row,
                "post_transplant_cyclophosphamide": i < 20,
                "os_months": 1.0 + i / 10,
                "death": int(i < 20),
            }
            for i, row in enumerate(table_)
        ]
    )


def test_perfect_separation_is_named():
    error = refusal(separated())
    assert error.code in ("separation", "not_converged")
    if error.code == "separation":
        assert "post_transplant_cyclophosphamide" in str(error)


def test_a_penalty_bears_with_separation():
    found = fit_model(separated(), RIDGE)
    assert np.isfinite(found.model.cox.coefficients).all()


def test_separation_by_ecog_itself_is_named_even_under_a_penalty():
    # ECOG is never penalised, so nothing holds its coefficient.
    split = [
        {**row, "ecog": int(i < 20), "os_months": 1.0 + i / 10, "death": int(i < 20)}
        for i, row in enumerate(table(60))
    ]
    assert refusal(cohort_of(split), RIDGE).code in ("separation", "not_converged")


def test_missing_values_are_imputed_and_counted(tmp_path: Path):
    gappy: list[dict[str, Any]] = [dict(row) for row in table()]
    for i in range(7):
        gappy[i]["ldh_u_l"] = None
    gappy[3]["age_years"] = None
    imputation = fit_model(read_cohort(write_cohort(tmp_path, csv_text(gappy))), RIDGE).imputation
    assert imputation is not None
    counts = {each.covariate: each.missing for each in imputation.covariates}
    assert counts == {"age_years": 1, "ldh_u_l": 7}
    assert imputation.incomplete_patients == 7
    assert imputation.imputations == 20
    assert imputation.relative_variance_increase["ldh_u_l"] > 0


def test_a_column_that_cannot_be_imputed_is_named(tmp_path: Path):
    gappy: list[dict[str, Any]] = [dict(row) for row in table()]
    for row in gappy[3:]:
        row["ldh_u_l"] = None
    error = refusal(read_cohort(write_cohort(tmp_path, csv_text(gappy))))
    assert error.code == "imputation_impossible"
    assert "ldh_u_l" in str(error)


def test_findings_of_the_file_are_kept(tmp_path: Path):
    more: list[dict[str, Any]] = [{**row, "centre": 1, "ferritin_ng_ml": None} for row in table()]
    found = fit_model(read_cohort(write_cohort(tmp_path, csv_text(more))), RIDGE)
    assert codes(found) == ["empty_column", "ignored_columns"]


@pytest.mark.parametrize("bands", ["", "a:0-4,b:2-3", "all"])
def test_bands_that_cannot_be_read_are_named(bands: str):
    assert refusal(cohort_of(table()), Options(penalty=8.0, bands=bands)).code == "bands"


@pytest.mark.parametrize("n", [5, 8, 12])
def test_more_covariates_than_the_patients_can_carry_are_refused_or_penalised(n: int):
    small = cohort_of([{**row, "death": 1, "ecog": i % 3} for i, row in enumerate(rows(n))])
    assert refusal(small).code in ("collinear", "separation", "not_converged")
    found = fit_model(small, RIDGE)
    assert np.isfinite(found.model.cox.covariance).all()
