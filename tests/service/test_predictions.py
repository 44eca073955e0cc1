"""Every part of the answer to ``POST /v1/predictions``."""

import hashlib
import json
import math
import tomllib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from model.artifact import Artifact
from model.manifest import SYNTHETIC_NOTICE
from model.patient import COVARIATES, Patient
from model.prediction import predict
from tests.server import FULL_PATIENT, ROOT

PARTLY_KNOWN = {"ecog": 1, "age_years": 58, "disease": "AML", "hemoglobin_g_dl": 8.7}
OWN_TO_HTTP = {
    "prediction_id",
    "created_at",
    "service_version",
    "subject_reference",
    "audited",
    "model",
}


def predicted(client: httpx.Client, patient: dict[str, Any], **query: Any) -> Any:
    response = client.post("/v1/predictions", json=patient, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def test_an_answer_says_who_made_it_when_and_from_what(
    client: httpx.Client, shipped: Artifact, shipped_folder: Path
) -> None:
    before = datetime.now(UTC)
    answer = predicted(client, {**PARTLY_KNOWN, "subject_reference": "study/0042"})
    assert UUID(answer["prediction_id"]).version == 7
    created = datetime.fromisoformat(answer["created_at"])
    assert before <= created <= before + timedelta(seconds=30)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert answer["service_version"] == project["version"]
    assert answer["subject_reference"] == "study/0042"
    manifest = (shipped_folder / "hsct2-os" / "manifest.json").read_bytes()
    assert answer["model"] == {
        "id": "hsct2-os",
        "version": shipped.manifest.version,
        "sha256": hashlib.sha256(manifest).hexdigest(),
        "synthetic": True,
        "notice": SYNTHETIC_NOTICE,
    }


def test_two_answers_differ_in_id_and_time_only(client: httpx.Client) -> None:
    one, other = predicted(client, PARTLY_KNOWN), predicted(client, PARTLY_KNOWN)
    assert {key for key in one if one[key] != other[key]} == {"prediction_id", "created_at"}
    assert one["prediction_id"] < other["prediction_id"]


@pytest.mark.parametrize("patient", [{"ecog": 4}, PARTLY_KNOWN, FULL_PATIENT])
@pytest.mark.parametrize(
    "query",
    [{}, {"horizon_months": [3.5, 18, 500], "confidence_level": 0.8}, {"curve": False}],
)
def test_the_answer_is_what_the_model_predicts_in_process(
    patient: dict[str, Any], query: dict[str, Any], client: httpx.Client, shipped: Artifact
) -> None:
    answer = predicted(client, patient, **query)
    asked: dict[str, Any] = {
        {"horizon_months": "horizons_months", "curve": "with_curve"}.get(name, name): value
        for name, value in query.items()
    }
    in_process = predict(shipped.model, Patient.model_validate(patient), **asked)
    over_http = {key: value for key, value in answer.items() if key not in OWN_TO_HTTP}
    assert over_http == json.loads(in_process.model_dump_json())


def test_the_category_is_the_band_of_the_ecog_grade(client: httpx.Client) -> None:
    bands = client.get("/v1/models/hsct2-os").json()["bands"]
    for ecog in range(5):
        risk = predicted(client, {"ecog": ecog})["risk"]
        band = next(b for b in bands if b["lowest_ecog"] <= ecog <= b["highest_ecog"])
        assert risk["ecog"] == ecog
        assert risk["category"] == band["category"]
        assert risk["band"] == {key: band[key] for key in ("lowest_ecog", "highest_ecog")}
        assert risk["observed"]["patients"] == band["patients"]
        assert risk["observed"]["deaths"] == band["deaths"]
        assert risk["observed"]["contrast"] == band["contrast"]
    assert [b["category"] for b in bands] == ["standard", "high"]
    assert bands[0]["contrast"] is None
    assert bands[1]["contrast"] is not None


def test_what_was_observed_in_the_band_comes_at_the_horizons_asked_for(
    client: httpx.Client,
) -> None:
    curve = client.get("/v1/models/hsct2-os").json()["bands"][0]["curve"]
    observed = predicted(client, {"ecog": 0}, horizon_months=[2, 9])["risk"]["observed"]
    assert [h["months"] for h in observed["horizons"]] == [2, 9]
    for horizon in observed["horizons"]:
        step = max(i for i, m in enumerate(curve["months"]) if m <= horizon["months"])
        for part in ("probability", "lower", "upper"):
            assert horizon[part] == curve[part][step]


def test_the_hazard_ratio_of_ecog_is_one_at_the_reference_and_a_power_elsewhere(
    client: httpx.Client,
) -> None:
    ratios = [predicted(client, {"ecog": ecog})["risk"]["hazard_ratio"] for ecog in range(5)]
    reference = ratios[0]["reference_ecog"]
    assert {ratio["reference_ecog"] for ratio in ratios} == {reference}
    per_point = ratios[reference + 1]["estimate"]
    assert per_point > 1
    for ecog, ratio in enumerate(ratios):
        assert ratio["estimate"] == pytest.approx(per_point ** (ecog - reference), rel=1e-12)
        assert ratio["lower"] <= ratio["estimate"] <= ratio["upper"]
        assert (ratio["lower"] < ratio["upper"]) == (ecog != reference)


def test_a_grade_that_the_cohort_hardly_had_is_marked_as_extrapolated(
    client: httpx.Client, shipped: Artifact
) -> None:
    bands = shipped.model.risk_bands
    marked = []
    for ecog in range(5):
        answer = predicted(client, {"ecog": ecog})
        warned = any(w["code"] == "ecog_extrapolated" for w in answer["warnings"])
        assert answer["risk"]["extrapolated"] == warned
        marked.append(warned)
    counts = zip(bands.patients_by_grade, bands.deaths_by_grade, strict=True)
    assert marked == [patients < 5 or deaths < 3 for patients, deaths in counts]
    assert set(marked) == {True, False}


def test_the_curve_is_parallel_lists_that_start_at_one_and_never_rise(
    client: httpx.Client,
) -> None:
    survival = predicted(client, PARTLY_KNOWN)["survival"]
    curve = survival["curve"]
    assert len({len(column) for column in curve.values()}) == 1
    assert list(curve) == ["months", "probability", "lower", "upper"]
    first = [curve[part][0] for part in curve]
    assert first == [0, 1, None, None]
    assert all(a < b for a, b in pairwise(curve["months"]))
    assert curve["months"][-1] <= survival["last_months"]
    assert all(a >= b for a, b in pairwise(curve["probability"]))
    for p, low, high in list(zip(*(curve[k] for k in list(curve)[1:]), strict=True))[1:]:
        assert 0 <= low < p < high <= 1


def test_horizons_median_and_mean_are_read_from_the_curve(client: httpx.Client) -> None:
    survival = predicted(client, PARTLY_KNOWN, horizon_months=[24, 1.05, 6])["survival"]
    curve = survival["curve"]
    assert [h["months"] for h in survival["horizons"]] == [24, 1.05, 6]
    for horizon in survival["horizons"]:
        step = max(i for i, m in enumerate(curve["months"]) if m <= horizon["months"])
        assert horizon["reason"] is None
        for part in ("probability", "lower", "upper"):
            assert horizon[part] == curve[part][step]
    for part, column in (("estimate", "probability"), ("lower", "lower"), ("upper", "upper")):
        reached = [
            m
            for m, p in zip(curve["months"], curve[column], strict=True)
            if p is not None and p <= 0.5
        ]
        assert survival["median_months"][part] == (reached[0] if reached else None)
    mean = survival["restricted_mean_months"]
    limit = mean["limit_months"]
    assert limit == min(24, survival["last_months"])
    edges = [*(m for m in curve["months"] if m < limit), limit]
    area = sum(
        (b - a) * p for (a, b), p in zip(pairwise(edges), curve["probability"], strict=False)
    )
    assert mean["estimate"] == pytest.approx(area, rel=1e-12)
    assert 0 <= mean["lower"] < area < mean["upper"] <= limit


def test_a_median_that_the_curve_does_not_reach_is_null_with_its_reason(
    client: httpx.Client,
) -> None:
    favourable = {
        **FULL_PATIENT,
        "ecog": 0,
        "bmi_kg_m2": 60,
        "disease": "AML",
        "conditioning": "myeloablative",
        "donor_chimerism_percent": 100,
        "cd34_dose_10e6_per_kg": 30,
        "ldh_u_l": 40,
    }
    survival = predicted(client, favourable)["survival"]
    assert survival["curve"]["probability"][-1] > 0.5
    median = survival["median_months"]
    assert median["estimate"] is None
    assert "not reached" in median["reason"]


def test_before_the_first_death_survival_is_one_without_an_interval(
    client: httpx.Client,
) -> None:
    horizon = predicted(client, {"ecog": 2}, horizon_months=0.001)["survival"]["horizons"][0]
    parts = [horizon[part] for part in ("probability", "lower", "upper")]
    assert parts == [1, None, None]


def test_nothing_is_predicted_past_the_last_time_and_the_reason_is_given(
    client: httpx.Client,
) -> None:
    last = client.get("/v1/models/hsct2-os").json()["last_months"]
    past = math.nextafter(last, math.inf)
    answer = predicted(client, {"ecog": 1}, horizon_months=[last, past])
    within, beyond = answer["survival"]["horizons"]
    assert within["probability"] is not None
    assert [beyond[part] for part in ("probability", "lower", "upper")] == [None, None, None]
    assert "fewer than 5 patients" in beyond["reason"]
    withheld = [w for w in answer["warnings"] if w["code"] == "horizon_withheld"]
    assert [w["field"] for w in withheld] == ["horizon_months"]
    assert answer["risk"]["observed"]["horizons"][1]["probability"] is None


def test_contributions_name_every_covariate_and_multiply_to_the_hazard_ratio(
    client: httpx.Client,
) -> None:
    answer = predicted(client, PARTLY_KNOWN)
    contributions = answer["contributions"]
    assert [c["covariate"] for c in contributions] == list(COVARIATES)
    for c in contributions:
        assert c["value"] == PARTLY_KNOWN.get(c["covariate"])
        assert c["reference"] is not None
        assert c["hazard_ratio"] == pytest.approx(math.exp(c["log_hazard_ratio"]), rel=1e-14)
    of_ecog = contributions[0]
    assert of_ecog["reference"] == answer["risk"]["hazard_ratio"]["reference_ecog"]
    assert of_ecog["hazard_ratio"] == pytest.approx(answer["risk"]["hazard_ratio"]["estimate"])


def test_what_was_not_sent_is_imputed_and_named_with_its_share_of_the_variance(
    client: httpx.Client,
) -> None:
    imputed = predicted(client, {**PARTLY_KNOWN, "ldh_u_l": None})["imputed"]
    assert [i["covariate"] for i in imputed] == [n for n in COVARIATES if n not in PARTLY_KNOWN]
    assert all(0 <= i["variance_share"] <= 1 for i in imputed)
    assert sum(i["variance_share"] for i in imputed) > 0
    by_name = {i["covariate"]: i for i in imputed}
    assert by_name["conditioning"]["meaning"] == "probability of myeloablative"
    assert 0 < by_name["conditioning"]["expected"] < 1
    assert by_name["ldh_u_l"]["meaning"] == "conditional median, U/L"
    assert by_name["ldh_u_l"]["expected"] > 1
    assert predicted(client, FULL_PATIENT)["imputed"] == []


def test_a_value_outside_the_training_range_is_predicted_with_a_warning(
    client: httpx.Client,
) -> None:
    answer = predicted(client, {**FULL_PATIENT, "age_years": 109})
    assert answer["survival"]["horizons"][0]["probability"] is not None
    outside = [w for w in answer["warnings"] if w["code"] == "outside_training_range"]
    assert [w["field"] for w in outside] == ["age_years"]
    codes = {w["code"] for w in predicted(client, FULL_PATIENT)["warnings"]}
    assert "outside_training_range" not in codes
