"""A JSON object that is no patient: every field is named with what is wrong, at once."""

import json
from typing import Any

import httpx
import pytest

from model.patient import COVARIATES, Kind
from tests.server import field_errors, problem

NUMBERS = [name for name, c in COVARIATES.items() if c.kind is Kind.NUMBER]


def refused(client: httpx.Client, body: str) -> Any:
    response = client.post(
        "/v1/predictions", content=body, headers={"Content-Type": "application/json"}
    )
    return problem(response, 422, "invalid-patient")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{}", [("ecog", "missing")]),
        ('{"age_years": 50}', [("ecog", "missing")]),
        ('{"ecog": null}', [("ecog", "number_type")]),
        ('{"ecog": 5}', [("ecog", "ecog_dead")]),
        ('{"ecog": 6}', [("ecog", "less_than_equal")]),
        ('{"ecog": -1}', [("ecog", "greater_than_equal")]),
        ('{"ecog": 1.5}', [("ecog", "int_from_float")]),
        ('{"ecog": "1"}', [("ecog", "number_type")]),
        ('{"ecog": true}', [("ecog", "number_type")]),
        ('{"ecog": [1]}', [("ecog", "number_type")]),
        ('{"ecog": {"value": 1}}', [("ecog", "number_type")]),
        ('{"ecog": 1e999}', [("ecog", "finite_number")]),
        ('{"ecog": 1' + "0" * 4000 + "}", [("ecog", "less_than_equal")]),
        ('{"ecog": 1, "age_years": 1e999}', [("age_years", "finite_number")]),
        ('{"ecog": 1, "age_years": -1e999}', [("age_years", "finite_number")]),
        ('{"ecog": 1, "age_years": 1' + "0" * 4000 + "}", [("age_years", "float_type")]),
        ('{"ecog": 1, "disease": "CML"}', [("disease", "literal_error")]),
        ('{"ecog": 1, "disease": "aml"}', [("disease", "literal_error")]),
        ('{"ecog": 1, "disease": 0}', [("disease", "literal_error")]),
        ('{"ecog": 1, "disease": ["AML"]}', [("disease", "literal_error")]),
        ('{"ecog": 1, "conditioning": ""}', [("conditioning", "literal_error")]),
        (
            '{"ecog": 1, "post_transplant_cyclophosphamide": 0}',
            [("post_transplant_cyclophosphamide", "bool_type")],
        ),
        (
            '{"ecog": 1, "post_transplant_cyclophosphamide": "true"}',
            [("post_transplant_cyclophosphamide", "bool_type")],
        ),
        ('{"ecog": 1, "subject_reference": ""}', [("subject_reference", "string_too_short")]),
        ('{"ecog": 1, "subject_reference": 17}', [("subject_reference", "string_type")]),
        (
            '{"ecog": 1, "subject_reference": "' + "x" * 201 + '"}',
            [("subject_reference", "string_too_long")],
        ),
    ],
)
def test_a_bad_value_is_named_by_field_and_kind(
    body: str, expected: list[tuple[str | None, str]], client: httpx.Client
) -> None:
    assert field_errors(refused(client, body)) == expected


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_taken_within_its_range_and_nowhere_else(
    name: str, client: httpx.Client
) -> None:
    accepted = COVARIATES[name].accepted
    assert accepted is not None
    low, high = accepted
    for bound in (low, high):
        response = client.post("/v1/predictions", json={"ecog": 1, name: bound})
        assert response.status_code == 200, response.text
    for value, code in (
        (low - 0.001, "greater_than_equal"),
        (high + 0.001, "less_than_equal"),
        ("58", "number_type"),
        (True, "number_type"),
    ):
        errors = field_errors(refused(client, json.dumps({"ecog": 1, name: value})))
        assert errors == [(name, code)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r'{"ecog": "\ud800"}', [("ecog", "number_type")]),
        (r'{"ecog": 1, "disease": "\ud800"}', [("disease", "string_unicode")]),
        (
            r'{"ecog": 1, "subject_reference": "a\udfffb"}',
            [("subject_reference", "string_unicode")],
        ),
        (r'{"ecog": 1, "\ud800": 1}', [(None, "string_unicode")]),
        (r'{"ecog": 1, "age_years": {"\ud800": "\udc00"}}', [("age_years", "number_type")]),
    ],
)
def test_a_lone_surrogate_is_an_error_of_the_field_like_any_other(
    body: str, expected: list[tuple[str | None, str]], client: httpx.Client
) -> None:
    assert field_errors(refused(client, body)) == expected


@pytest.mark.parametrize("body", ["[]", '[{"ecog": 1}]', "3", '"ecog"', "null", "true", "-0.5"])
def test_what_is_json_but_no_object_is_told_to_be_one(body: str, client: httpx.Client) -> None:
    assert field_errors(refused(client, body)) == [(None, "object_type")]


def test_all_errors_of_a_patient_come_at_once(client: httpx.Client) -> None:
    body = refused(
        client,
        '{"age_years": "58", "bmi_kg_m2": 7.9, "disease": "X", "hemoglobin_g_dl": 1e999,'
        ' "post_transplant_cyclophosphamide": 1, "weight_kg": 70, "Name": "x"}',
    )
    assert sorted(field_errors(body), key=str) == [
        ("age_years", "number_type"),
        ("bmi_kg_m2", "greater_than_equal"),
        ("disease", "literal_error"),
        ("ecog", "missing"),
        ("hemoglobin_g_dl", "finite_number"),
        ("post_transplant_cyclophosphamide", "bool_type"),
        ("weight_kg", "unknown_field"),
        (None, "unknown_field"),
    ]


def test_grade_5_is_refused_as_what_it_means(client: httpx.Client) -> None:
    (error,) = refused(client, '{"ecog": 5}')["errors"]
    assert "dead" in error["message"]


@pytest.mark.parametrize(
    ("key", "named", "message"),
    [
        ("ecgo", "ecgo", "is not a field; did you mean ecog?"),
        ("hemoglobin", "hemoglobin", "is not a field; did you mean hemoglobin_g_dl?"),
        ("smith_john_1957", "smith_john_1957", "is not a field"),
        ("x" * 40, "x" * 40, "is not a field"),
        ("x" * 41, None, "key 2 is not a field"),
        ("Smith, John", None, "key 2 is not a field"),
        ("ECOG", None, "key 2 is not a field"),
        ("ecog ", None, "key 2 is not a field"),
        ("", None, "key 2 is not a field"),
        ("ecog\n", None, "key 2 is not a field"),
        ("é", None, "key 2 is not a field"),
        ("__proto__", None, "key 2 is not a field"),
    ],
)
def test_an_unknown_key_is_named_only_if_it_looks_like_a_field(
    key: str, named: str | None, message: str, client: httpx.Client
) -> None:
    (error,) = refused(client, json.dumps({"ecog": 1, key: 1}))["errors"]
    assert (error["field"], error["message"]) == (named, message)


def test_fields_that_are_null_are_as_if_they_were_not_sent(client: httpx.Client) -> None:
    nulls = dict.fromkeys(name for name in COVARIATES if name != "ecog")
    sent = client.post(
        "/v1/predictions", json={"ecog": 1, **nulls, "subject_reference": None}
    ).json()
    absent = client.post("/v1/predictions", json={"ecog": 1}).json()
    assert sent["survival"] == absent["survival"]
    assert sent["imputed"] == absent["imputed"]


@pytest.mark.parametrize("text", ["1", "1.0", "1e0", "10e-1"])
def test_a_whole_number_may_be_written_in_any_way_that_json_has(
    text: str, client: httpx.Client
) -> None:
    response = client.post(
        "/v1/predictions",
        content=f'{{"ecog": {text}}}',
        headers={"Content-Type": "application/json"},
    )
    assert response.json()["risk"]["ecog"] == 1
