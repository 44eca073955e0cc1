"""The query parameters of ``POST /v1/predictions``."""

from typing import Any

import httpx
import pytest

from tests.server import field_errors, problem
from tests.service.test_predictions import predicted


def refused(client: httpx.Client, query: str) -> Any:
    response = client.post(f"/v1/predictions?{query}", json={"ecog": 1})
    return problem(response, 422, "invalid-request")


def test_horizons_are_6_12_and_24_months_unless_others_are_asked_for(
    client: httpx.Client,
) -> None:
    horizons = predicted(client, {"ecog": 1})["survival"]["horizons"]
    assert [h["months"] for h in horizons] == [6, 12, 24]
    horizons = predicted(client, {"ecog": 1}, horizon_months=18)["survival"]["horizons"]
    assert [h["months"] for h in horizons] == [18]


def test_a_higher_confidence_level_widens_every_interval(client: httpx.Client) -> None:
    narrow, wide = (
        predicted(client, {"ecog": 1}, confidence_level=level) for level in (0.5, 0.999)
    )
    assert (narrow["survival"]["confidence_level"], wide["survival"]["confidence_level"]) == (
        0.5,
        0.999,
    )
    for n, w in zip(narrow["survival"]["horizons"], wide["survival"]["horizons"], strict=True):
        assert n["probability"] == w["probability"]
        assert w["lower"] < n["lower"] < n["upper"] < w["upper"]
    n, w = (a["survival"]["restricted_mean_months"] for a in (narrow, wide))
    assert w["lower"] < n["lower"] < n["upper"] < w["upper"]


def test_without_the_curve_the_rest_is_the_same(client: httpx.Client) -> None:
    with_curve = predicted(client, {"ecog": 1})["survival"]
    without = predicted(client, {"ecog": 1}, curve="false")["survival"]
    assert without == {**with_curve, "curve": None}
    assert with_curve["curve"] is not None


@pytest.mark.parametrize("name", ["hsct2-os-ecog", "hsct2-os-ecog@1.0.0"])
def test_a_model_is_asked_for_by_id_or_by_id_and_version(name: str, client: httpx.Client) -> None:
    answer = predicted(client, {"ecog": 1, "age_years": 50}, model=name)
    assert (answer["model"]["id"], answer["model"]["version"]) == ("hsct2-os-ecog", "1.0.0")
    assert [c["covariate"] for c in answer["contributions"]] == ["ecog"]
    assert answer["imputed"] == []


@pytest.mark.parametrize("name", ["hsct2", "hsct2-os@9.9.9", "hsct2-os@", "../hsct2-os", "%00"])
def test_an_unknown_model_is_refused_and_the_served_ones_are_named(
    name: str, client: httpx.Client
) -> None:
    response = client.post(f"/v1/predictions?model={name}", json={"ecog": 1})
    detail = problem(response, 404, "unknown-model")["detail"]
    assert detail == "Served are: hsct2-os@1.0.0, hsct2-os-ecog@1.0.0."


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("confidence_level=0.4999", [("confidence_level", "greater_than_equal")]),
        ("confidence_level=0.9991", [("confidence_level", "less_than_equal")]),
        ("confidence_level=95%25", [("confidence_level", "float_parsing")]),
        ("confidence_level=nan", [("confidence_level", "less_than_equal")]),
        ("confidence_level=", [("confidence_level", "float_parsing")]),
        ("horizon_months=0", [("horizon_months.0", "greater_than")]),
        ("horizon_months=6&horizon_months=-1", [("horizon_months.1", "greater_than")]),
        ("horizon_months=1200.1", [("horizon_months.0", "less_than_equal")]),
        ("horizon_months=NaN", [("horizon_months.0", "finite_number")]),
        ("horizon_months=inf", [("horizon_months.0", "finite_number")]),
        ("horizon_months=6,12", [("horizon_months.0", "float_parsing")]),
        ("&".join(["horizon_months=6"] * 51), [("horizon_months", "too_long")]),
        ("curve=perhaps", [("curve", "bool_parsing")]),
        ("model=" + "x" * 101, [("model", "string_too_long")]),
        ("modle=hsct2-os", [("modle", "unknown_field")]),
        ("Horizon=6", [(None, "unknown_field")]),
        (
            "curve=perhaps&confidence_level=2&horizon_month=6",
            [
                ("confidence_level", "less_than_equal"),
                ("curve", "bool_parsing"),
                ("horizon_month", "unknown_field"),
            ],
        ),
    ],
)
def test_a_query_that_is_not_understood_is_refused_with_all_its_errors(
    query: str, expected: list[tuple[str | None, str]], client: httpx.Client
) -> None:
    assert sorted(field_errors(refused(client, query)), key=str) == sorted(expected, key=str)


def test_a_mistyped_parameter_brings_the_nearest_one_to_mind(client: httpx.Client) -> None:
    messages = [error["message"] for error in refused(client, "horizon_month=6")["errors"]]
    assert messages == ["is not a field; did you mean horizon_months?"]


@pytest.mark.parametrize("level", ["0.5", "0.999"])
def test_the_bounds_of_the_confidence_level_are_accepted(level: str, client: httpx.Client) -> None:
    answer = predicted(client, {"ecog": 1}, confidence_level=level)
    assert answer["survival"]["confidence_level"] == float(level)
