"""The patient's rules: what is accepted, what is refused, and with which words."""

import json
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from model.patient import COVARIATES, Conditioning, Disease, Kind, Patient

COMPLETE: dict[str, Any] = {
    "ecog": 1,
    "age_years": 52.5,
    "bmi_kg_m2": 24.1,
    "disease": "ALL",
    "conditioning": "myeloablative",
    "post_transplant_cyclophosphamide": True,
    "donor_chimerism_percent": 88.0,
    "cd34_dose_10e6_per_kg": 5.5,
    "hemoglobin_g_dl": 9.3,
    "lymphocytes_10e9_l": 0.0,
    "ldh_u_l": 240.0,
    "ferritin_ng_ml": 1500.0,
}
ACCEPTED = {
    "age_years": (0, 110),
    "bmi_kg_m2": (8, 90),
    "donor_chimerism_percent": (0, 100),
    "cd34_dose_10e6_per_kg": (0.01, 100),
    "hemoglobin_g_dl": (1, 25),
    "lymphocytes_10e9_l": (0, 500),
    "ldh_u_l": (1, 50_000),
    "ferritin_ng_ml": (0.1, 500_000),
}
NUMBERS = list(ACCEPTED)
BINARIES = ["disease", "conditioning", "post_transplant_cyclophosphamide"]


def problems(values: object) -> dict[str, tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        Patient.model_validate(values)
    return {
        ".".join(map(str, e["loc"])): (e["type"], e["msg"])
        for e in refused.value.errors(include_input=False)
    }


def problems_of_json(text: str | bytes) -> dict[str, str]:
    with pytest.raises(ValidationError) as refused:
        Patient.model_validate_json(text)
    return {".".join(map(str, e["loc"])): e["type"] for e in refused.value.errors()}


def test_the_covariates_are_the_fields_of_the_patient_in_order():
    assert list(COVARIATES) == list(Patient.model_fields) == list(COMPLETE)


def test_a_complete_patient_is_kept_as_given():
    assert Patient.model_validate(COMPLETE).model_dump() == COMPLETE
    assert Patient.model_validate_json(json.dumps(COMPLETE)).model_dump() == COMPLETE


def test_a_patient_cannot_be_changed():
    patient = Patient.model_validate(COMPLETE)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(patient, "ecog", 2)  # noqa: B010  the type checker refuses it too


def test_ecog_alone_is_required():
    assert list(problems({})) == ["ecog"]
    assert problems({})["ecog"][0] == "missing"
    assert set(Patient(ecog=0).model_dump().values()) == {0, None}


def test_ecog_is_never_null():
    assert problems({**COMPLETE, "ecog": None})["ecog"][0] == "number_type"


@pytest.mark.parametrize("name", [name for name in COMPLETE if name != "ecog"])
def test_null_and_absent_both_mean_unknown(name: str):
    absent = {key: value for key, value in COMPLETE.items() if key != name}
    assert Patient.model_validate({**absent, name: None}) == Patient.model_validate(absent)
    assert getattr(Patient.model_validate(absent), name) is None


@pytest.mark.parametrize("grade", [5, 5.0])
def test_a_dead_patient_is_refused_by_name(grade: float):
    assert problems({"ecog": grade}) == {
        "ecog": (
            "ecog_dead",
            "Input is grade 5, dead: a prognosis exists for grades 0 to 4 only",
        )
    }


@pytest.mark.parametrize("grade", [0, 1, 2, 3, 4, 2.0])
def test_a_whole_grade_is_accepted_however_it_is_written(grade: float):
    ecog = Patient.model_validate({"ecog": grade}).ecog
    assert ecog == grade
    assert type(ecog) is int


@pytest.mark.parametrize("grade", [-1, 6, 2.5, 4.0000001, -0.5, 10**30, -(10**30), 1e300])
def test_no_other_grade_is_accepted(grade: float):
    kind, message = problems({"ecog": grade})["ecog"]
    assert kind != "ecog_dead"
    assert message


@pytest.mark.parametrize("name", ["ecog", *NUMBERS])
@pytest.mark.parametrize("value", [True, False, "2", "", "CANARY", [2], {"value": 2}, b"2"])
def test_only_a_number_is_a_number(name: str, value: object):
    assert problems({**COMPLETE, name: value}) == {
        name: ("number_type", "Input should be a number")
    }


@pytest.mark.parametrize("name", ["ecog", *NUMBERS])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_is_finite(name: str, value: float):
    assert problems({**COMPLETE, name: value})[name][0] == "finite_number"


@pytest.mark.parametrize("name", ["ecog", *NUMBERS])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_no_spelling_of_json_smuggles_in_what_is_not_a_number(name: str, text: str):
    body = json.dumps({**COMPLETE, name: "HERE"}).replace('"HERE"', text)
    assert problems_of_json(body) == {name: "finite_number"}


@pytest.mark.parametrize("name", ["ecog", *NUMBERS])
@pytest.mark.parametrize("digits", [400, 5000])
def test_a_huge_integer_is_refused_and_not_a_crash(name: str, digits: int):
    assert name in problems({**COMPLETE, name: 10**digits})
    body = json.dumps({**COMPLETE, name: "HERE"}).replace('"HERE"', "9" * digits)
    assert problems_of_json(body)


@pytest.mark.parametrize("name", NUMBERS)
def test_the_accepted_range_includes_its_ends_and_nothing_beyond(name: str):
    low, high = ACCEPTED[name]
    assert COVARIATES[name].accepted == (low, high)
    for value in (low, high):
        assert getattr(Patient.model_validate({"ecog": 1, name: value}), name) == value
    below, above = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
    assert problems({"ecog": 1, name: float(below)})[name][0] == "greater_than_equal"
    assert problems({"ecog": 1, name: float(above)})[name][0] == "less_than_equal"


@pytest.mark.parametrize("name", ["disease", "conditioning"])
@pytest.mark.parametrize("value", ["aml", "AML ", "", "CANARY", 0, 1, True, "\ud800", ["AML"]])
def test_a_choice_is_one_of_its_values_exactly(name: str, value: object):
    (field,) = problems({"ecog": 1, name: value})
    assert field == name


@pytest.mark.parametrize("value", [0, 1, 1.0, "true", "false", "yes", "", "\udfff"])
def test_a_boolean_is_true_or_false_and_no_guess_is_made(value: object):
    given_values = {"ecog": 1, "post_transplant_cyclophosphamide": value}
    assert problems(given_values)["post_transplant_cyclophosphamide"][0] == "bool_type"


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff\\ud800"', '"AML\\ud83d"'])
def test_a_lone_surrogate_is_refused_and_not_a_crash(text: str):
    assert problems_of_json('{"ecog": 1, "disease": ' + text + "}")
    assert problems_of_json('{"ecog": 1, ' + text + ": 1}")


def test_a_lone_surrogate_as_a_key_is_refused():
    assert problems({"ecog": 1, "\ud800": 1})


@pytest.mark.parametrize("value", [[], [COMPLETE], "CANARY", 1, None, True])
def test_a_patient_is_an_object(value: object):
    assert problems(value)[""][0] == "model_type"
    assert problems_of_json(json.dumps(value)) == {"": "model_type"}


@pytest.mark.parametrize("text", ["", "{", b"\xff\xfe{", b'{"disease": "\xe9"}'])
def test_what_is_not_json_is_refused(text: str | bytes):
    assert problems_of_json(text) == {"": "json_invalid"}


@pytest.mark.parametrize("key", ["ECOG", "ecog ", "Age_years", "name", "os_months", "death"])
def test_unknown_keys_are_refused(key: str):
    assert problems({**COMPLETE, key: 1})[key][0] == "extra_forbidden"


def test_all_errors_are_reported_at_once():
    wrong: dict[str, object] = {**dict.fromkeys(NUMBERS, -1), **dict.fromkeys(BINARIES, "CANARY")}
    found = problems({**wrong, "surname": "CANARY"})
    assert set(found) == {*NUMBERS, *BINARIES, "ecog", "surname"}
    assert "CANARY" not in json.dumps(found)


def test_numbers_are_coded_in_the_order_asked_for():
    numbers = Patient.model_validate(COMPLETE).numbers(list(COVARIATES))
    expected = [1, 52.5, 24.1, 1, 1, 1, 88, 5.5, 9.3, 0, 240, 1500]
    np.testing.assert_array_equal(numbers, expected)
    some = Patient.model_validate(COMPLETE).numbers(["ldh_u_l", "ecog"])
    np.testing.assert_array_equal(some, [240, 1])


def test_an_unknown_covariate_is_nan():
    numbers = Patient(ecog=3).numbers(list(COVARIATES))
    assert numbers[0] == 3
    assert np.isnan(numbers[1:]).all()


def test_a_choice_is_0_for_its_first_value_and_1_for_its_second():
    assert COVARIATES["disease"].choices == get_args(Disease) == ("AML", "ALL")
    assert COVARIATES["conditioning"].choices == get_args(Conditioning)
    assert [Patient(ecog=0, disease=d).numbers(["disease"])[0] for d in get_args(Disease)] == [0, 1]


@pytest.mark.parametrize("name", list(COMPLETE))
def test_from_number_undoes_to_number(name: str):
    covariate = COVARIATES[name]
    value = covariate.from_number(covariate.to_number(COMPLETE[name]))
    assert value == COMPLETE[name]
    assert type(value) is type(COMPLETE[name])


@pytest.mark.parametrize("name", list(COMPLETE))
def test_an_empty_cell_is_unknown(name: str):
    assert COVARIATES[name].parse("") is None
    assert COVARIATES[name].parse(" \t") is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ecog", " 2 ", 2),
        ("ecog", "2.0", 2),
        ("age_years", "58", 58),
        ("ldh_u_l", "2.4e2", 240),
        ("disease", " ALL", "ALL"),
        ("post_transplant_cyclophosphamide", "TRUE", True),
        ("post_transplant_cyclophosphamide", "0", False),
        ("post_transplant_cyclophosphamide", "False", False),
        ("post_transplant_cyclophosphamide", "1", True),
    ],
)
def test_a_cell_is_read_as_the_patient_takes_it(name: str, text: str, value: object):
    patient = Patient.model_validate({"ecog": 1, name: COVARIATES[name].parse(text)})
    assert getattr(patient, name) == value


@pytest.mark.parametrize("name", list(COMPLETE))
@pytest.mark.parametrize("text", ["CANARY", "1,5", "nan", "inf", "1e999", "--", "٣", "1_0"])
def test_a_cell_that_cannot_be_read_is_refused_by_the_field(name: str, text: str):
    assert list(problems({**COMPLETE, name: COVARIATES[name].parse(text)})) == [name]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*COMPLETE, "x"]) | st.text(max_size=5),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    )
)
def test_whatever_is_sent_is_a_patient_within_the_ranges_or_refused(values: dict[str, Any]):
    try:
        patient = Patient.model_validate(values)
    except ValidationError:
        return
    assert 0 <= patient.ecog <= 4
    for name, (low, high) in ACCEPTED.items():
        value = getattr(patient, name)
        assert value is None or low <= value <= high
    assert all(name in values for name, value in patient if value is not None)


def test_the_schema_describes_each_field_with_unit_and_codes():
    properties = Patient.model_json_schema()["properties"]
    for name, covariate in COVARIATES.items():
        assert covariate.label in properties[name]["description"]
        assert covariate.codes in properties[name]["description"]
        if covariate.kind is Kind.NUMBER:
            assert properties[name]["x-unit"] == covariate.unit
