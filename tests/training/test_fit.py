"""What the fit of a sound cohort promises, beyond R's figures."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from model import artifact
from model.analysis import Analysis
from model.cox import ExpectedCovariates
from model.design import Design
from model.patient import COVARIATES, Transform
from model.survival import SurvivalCurve
from tests.cohorts import cohort_of, csv_text, fitted, read_rows, rows, write_cohort
from tests.model import artifacts
from training.cohort import SHIPPED_COHORT, read_cohort
from training.cox import RiskSets, Ties
from training.fit import Options, fit_model

NAMES = fitted().model.cox.design.names


@pytest.mark.parametrize("options", [Options(penalty=8.0), Options(penalty=0.0, ties=Ties.BRESLOW)])
def test_the_order_of_the_rows_changes_no_byte(tmp_path: Path, options: Options):
    table = rows()
    contents = []
    for number in range(3):
        path = write_cohort(tmp_path, csv_text(table), name=f"order{number}")
        model = fit_model(read_cohort(path), options).model
        documents = artifacts.documents()
        artifact.save(tmp_path / "model", artifacts.PROVENANCE, model, Analysis(), documents)
        files = sorted((tmp_path / "model").iterdir())
        contents.append([(file.name, file.read_bytes()) for file in files])
        random.Random(number).shuffle(table)
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.slow
def test_the_order_of_the_rows_does_not_change_the_chosen_penalty():
    table = rows(40)
    few = [{k: r[k] for k in ("ecog", "ldh_u_l", "os_months", "death")} for r in table]
    one, other = (fit_model(cohort_of(order), Options()) for order in (few, few[::-1]))
    assert one.path is not None
    assert other.path is not None
    assert one.path.chosen == other.path.chosen
    np.testing.assert_array_equal(one.path.scores, other.path.scores)
    np.testing.assert_array_equal(one.model.cox.coefficients, other.model.cox.coefficients)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "disease"])
@pytest.mark.parametrize("factor", [1000.0, 1 / 7])
def test_the_unit_of_a_column_changes_no_prediction(name: str, factor: float):
    cohort = cohort_of(rows())
    column = NAMES.index(name)
    scaled = cohort.numbers.copy()
    scaled[:, column] *= factor
    original = fitted().model.cox
    if name == "ecog":  # its grades count the bands; only its column in the model is scaled
        design = Design.of_cohort(NAMES, scaled, 1)
        np.testing.assert_allclose(
            design.standardise(scaled), original.design.standardise(cohort.numbers), atol=1e-12
        )
        return
    other = fit_model(replace(cohort, numbers=scaled), Options(penalty=8.0)).model.cox
    if COVARIATES[name].transform is Transform.IDENTITY:
        assert other.design.sd[column] == pytest.approx(factor * original.design.sd[column])
    else:
        moved = original.design.mean[column] + np.log(factor)
        assert other.design.mean[column] == pytest.approx(moved)
    for row, hidden in ((3, []), (11, [2, 3, 9]), (40, list(range(1, 12)))):
        curves = []
        for model, numbers in ((original, cohort.numbers), (other, scaled)):
            known = model.design.standardise(numbers[row])
            known[hidden] = np.nan
            expected = ExpectedCovariates.given(model, known)
            curves.append(SurvivalCurve.of(model, expected, 0.95))
        if column in hidden and COVARIATES[name].is_binary:
            continue  # an unknown binary is 0 or 1 by definition: scaled it is no longer one
        np.testing.assert_allclose(curves[1].survival, curves[0].survival, rtol=1e-8)
        np.testing.assert_allclose(curves[1].lower, curves[0].lower, rtol=1e-6, atol=1e-300)
        np.testing.assert_allclose(curves[1].upper, curves[0].upper, rtol=1e-6)


def test_the_covariates_are_distributed_as_ledoit_and_wolf_shrink_them():
    cox = fitted().model.cox
    standardised = cox.design.standardise(cohort_of(rows()).in_canonical_order().numbers)
    expected, shrinkage = ledoit_wolf(standardised, assume_centered=True)
    assert 0 < shrinkage < 1
    np.testing.assert_allclose(cox.covariate_covariance, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("penalty", [0.0, 2.0, 8.0])
@pytest.mark.parametrize("ties", Ties)
def test_the_coefficients_are_where_the_penalised_score_vanishes(penalty: float, ties: Ties):
    cohort = cohort_of(rows())
    cox = fit_model(cohort, Options(penalty=penalty, ties=ties)).model.cox
    assert cox.penalty.tolist() == [0.0, *[penalty] * 11]
    at = RiskSets(
        cox.design.standardise(cohort.numbers), cohort.months, cohort.death, ties
    ).likelihood(cox.coefficients)
    np.testing.assert_allclose(at.score, cox.penalty * cox.coefficients, atol=1e-9)
    precision = at.information + np.diag(cox.penalty)
    np.testing.assert_allclose(cox.covariance @ precision, np.eye(12), atol=1e-10)


def test_a_penalty_shrinks_all_but_ecog():
    fits = [fit_model(cohort_of(rows()), Options(penalty=p)) for p in (0.0, 5.0, 50.0, 5000.0)]
    sizes = [float(np.abs(fit.model.cox.coefficients[1:]).sum()) for fit in fits]
    assert sizes == sorted(sizes, reverse=True)
    alone = fit_model(cohort_of(rows()).with_covariates(("ecog",)), Options())
    heavy = fit_model(cohort_of(rows()), Options(penalty=1e7)).model.cox
    assert heavy.coefficients[0] == pytest.approx(alone.model.cox.coefficients[0], rel=1e-4)


def test_ecog_alone_needs_no_penalty():
    alone = fit_model(cohort_of(rows()).with_covariates(("ecog",)), Options())
    assert alone.path is None
    assert alone.model.cox.penalty.tolist() == [0.0]
    assert alone.findings == ()


def test_a_protective_ecog_is_a_finding():
    turned = [{**row, "ecog": 4 - int(row["ecog"])} for row in rows()]
    found = fit_model(cohort_of(turned), Options(penalty=8.0))
    assert found.model.cox.coefficients[0] < 0
    assert [finding.code for finding in found.findings] == ["ecog_protective"]
    assert fitted().findings == ()


@pytest.mark.parametrize("dropped", [None, "ferritin_ng_ml"])
def test_the_shipped_rows_are_synthetic_whatever_is_declared(tmp_path: Path, dropped: str | None):
    table = [{k: v for k, v in row.items() if k != dropped} for row in read_rows(SHIPPED_COHORT)]
    random.Random(1).shuffle(table)
    declared = {"name": "Ours", "institution": "Us", "synthetic": False, "end_of_follow_up": None}
    cohort = read_cohort(write_cohort(tmp_path, csv_text(table), declared))
    assert cohort.declaration.synthetic
    assert [finding.code for finding in cohort.findings] == ["synthetic_rows"]
    table[0]["os_months"] = str(float(table[0]["os_months"]) + 0.1)
    changed = read_cohort(write_cohort(tmp_path, csv_text(table), declared))
    assert not changed.declaration.synthetic
    assert changed.findings == ()


def test_the_shipped_cohort_declares_itself_synthetic():
    declared = json.loads(SHIPPED_COHORT.with_suffix(".cohort.json").read_text(encoding="utf-8"))
    assert declared["synthetic"] is True
    assert len(read_cohort(SHIPPED_COHORT).months) == 72
