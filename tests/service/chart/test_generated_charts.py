"""Charts of a generator that knows nothing of us are read, with leukaemia and without."""

import json
from datetime import UTC, datetime
from typing import Any

import carebundle
import pytest

from service.chart import Reading, Verdict, collect, read_chart
from tests.service.chart.charts import condition, ecog, transplant

DAY = "2025-12-31"


def generated(profile: str, seed: int) -> dict[str, Any]:
    chart: dict[str, Any] = json.loads(
        carebundle.to_json(carebundle.generate_bundle(profile=profile, seed=seed))
    )
    return chart


def read(chart: dict[str, Any]) -> Reading:
    return read_chart(collect(chart), now=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("profile", sorted(carebundle.PROFILES))
def test_a_generated_chart_is_read_and_does_not_apply(profile: str) -> None:
    result = read(generated(profile, 7))
    assert result.verdict is Verdict.NO_ACUTE_LEUKAEMIA
    assert result.subject is not None
    known = {source.covariate for source in result.sources}
    assert {"age_years", "bmi_kg_m2", "hemoglobin_g_dl"} <= known


def test_it_applies_with_leukaemia_a_transplant_and_ecog() -> None:
    chart = generated("anaemia", 7)
    subject = {"reference": chart["entry"][0]["fullUrl"]}
    for resource in (condition(), transplant(when="2025-01-01"), ecog(2, DAY)):
        chart["entry"].append({"resource": {**resource, "subject": subject}})
    result = read(chart)
    assert result.verdict is Verdict.APPLIES
    assert result.patient is not None
    assert (result.patient.ecog, result.patient.disease) == (2, "AML")
    hemoglobin = next(
        entry["resource"]["valueQuantity"]
        for entry in chart["entry"]
        if "718-7" in json.dumps(entry["resource"].get("code"))
    )
    factor = {"g/dL": 1, "g/L": 0.1}[hemoglobin["code"]]
    assert result.patient.hemoglobin_g_dl == pytest.approx(hemoglobin["value"] * factor)
