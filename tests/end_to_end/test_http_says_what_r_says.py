"""A cohort file goes in at one end; R's numbers come out over HTTP at the other."""

import json
import math
from pathlib import Path
from typing import Any

import httpx
import pytest

from model import artifact
from model.kaplan_meier import normal_quantile
from model.manifest import NOT_VALIDATED_NOTICE
from tests.end_to_end.conftest import FITS, GOLDEN, Fit
from tests.golden.real_cohorts import INSTITUTIONS

pytestmark = pytest.mark.slow

BY_FIT = pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)


def horizons_of(fit: Fit, real: httpx.Client, **query: Any) -> list[list[Any]]:
    """Return what is answered for each patient at each time of the golden file."""
    cohort = GOLDEN["cohorts"][fit.golden["cohort"]]
    answers = [
        real.post(
            "/v1/predictions",
            json=patient,
            params={
                "model": f"hsct2-os@{fit.version}",
                "horizon_months": cohort["months"],
                **query,
            },
        ).json()
        for patient in cohort["patients"]
    ]
    assert len(answers) == 4
    for answer in answers:
        assert answer["model"]["version"] == fit.version
        assert answer["imputed"] == []
        assert [h["months"] for h in answer["survival"]["horizons"]] == cohort["months"]
    return [answer["survival"]["horizons"] for answer in answers]


def close(number: float) -> Any:
    return pytest.approx(number, rel=1e-8, abs=0)


@BY_FIT
def test_survival_and_its_limits_are_those_of_r(fit: Fit, real: httpx.Client) -> None:
    compared = 0
    for patient, horizons in enumerate(horizons_of(fit, real)):
        for time, horizon in enumerate(horizons):
            assert horizon["probability"] == close(fit.golden["survival"][patient][time])
            for limit in ("lower", "upper"):
                if time == 0:  # before the first death
                    assert (horizon["probability"], horizon[limit]) == (1, None)
                else:
                    assert horizon[limit] == close(fit.golden[limit][patient][time])
                    compared += 1
    assert compared == 4 * 4 * 2


@BY_FIT
def test_the_standard_error_of_the_cumulative_hazard_is_that_of_r(
    fit: Fit, real: httpx.Client
) -> None:
    # The limits are S^exp(±z·SE/Λ), at any level: 50 % ones, which stay clear of 0 and 1.
    z = normal_quantile(0.5)
    expected = fit.golden["standard_error_of_cumulative_hazard"]
    for patient, horizons in enumerate(horizons_of(fit, real, confidence_level=0.5)):
        for time, horizon in list(enumerate(horizons))[1:]:
            hazard = -math.log(horizon["probability"])
            for limit, sign in (("lower", 1), ("upper", -1)):
                ratio = math.log(-math.log(horizon[limit]) / hazard)
                assert sign * hazard * ratio / z == close(expected[patient][time])


@BY_FIT
def test_the_hazard_ratio_of_ecog_is_that_of_r(fit: Fit, real: httpx.Client) -> None:
    assert fit.golden["covariates"][0] == "ecog"
    detail = real.get(f"/v1/models/hsct2-os@{fit.version}").json()
    served = detail["ecog_effects"][-1]
    assert "served" in served["source"]
    for name, key in (
        ("hazard_ratio", "hazard_ratios"),
        ("lower", "hazard_ratios_lower"),
        ("upper", "hazard_ratios_upper"),
    ):
        assert served[name] == close(fit.golden[key][0])
    assert detail["ridge_penalty"] == max(fit.golden["penalty"])


@BY_FIT
def test_the_artifact_holds_the_coefficients_and_the_baseline_of_r(
    fit: Fit, real_models: Path
) -> None:
    cox = artifact.load(real_models / fit.name).model.cox
    assert cox.ties == fit.golden["ties"]
    assert list(cox.design.names) == fit.golden["covariates"]
    assert cox.coefficients_per_unit.tolist() == close(fit.golden["coefficients"])
    errors = [math.sqrt(v) for v in cox.covariance_per_unit.diagonal()]
    assert errors == close(fit.golden["standard_errors"])
    assert cox.months.tolist() == fit.golden["baseline"]["months"]


@BY_FIT
def test_a_real_cohort_is_not_called_synthetic_but_not_validated(
    fit: Fit, real: httpx.Client, real_models: Path
) -> None:
    cohort = fit.golden["cohort"]
    manifest = json.loads((real_models / fit.name / artifact.MANIFEST).read_bytes())
    assert manifest["cohort"]["synthetic"] is False
    detail = real.get(f"/v1/models/hsct2-os@{fit.version}").json()
    assert detail["synthetic"] is False
    assert detail["notice"] == NOT_VALIDATED_NOTICE
    assert detail["notice"].startswith("Not validated")
    assert detail["cohort"]["institution"] == INSTITUTIONS[cohort]
    assert detail["cohort"]["patients"] == GOLDEN["cohorts"][cohort]["rows"]
    assert detail["cohort"]["deaths"] == GOLDEN["cohorts"][cohort]["deaths"]
    assert "published" not in " ".join(e["source"] for e in detail["ecog_effects"])
    answer = real.post(
        "/v1/predictions", json={"ecog": 1}, params={"model": f"hsct2-os@{fit.version}"}
    ).json()
    assert answer["model"]["notice"] == NOT_VALIDATED_NOTICE
    assert NOT_VALIDATED_NOTICE in real.get(f"/v1/models/hsct2-os@{fit.version}/card").text


def test_the_fits_cover_both_ways_with_ties_a_penalty_and_three_data_sets() -> None:
    names = {fit.name for fit in FITS}
    assert {
        "lung-efron-0",
        "lung-breslow-0",
        "lung_in_whole_months-efron-0",
        "lung_in_whole_months-breslow-0",
        "veteran-efron-0",
        "veteran-breslow-0",
        "lung-efron-5",
        "lung_in_whole_months-breslow-5",
    } == names
    assert len(names) == len(FITS)
