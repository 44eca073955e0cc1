"""The card as a record: plain values that JSON carries unchanged."""

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from model.card import BaselineStep, ModelCard, WorkedTerm
from tests.training.cards import card_of


def changed(**values: object) -> str:
    """Return the JSON of a card with some of its values replaced."""
    return json.dumps({**json.loads(card_of("ecog").model_dump_json()), **values})


def test_a_card_comes_back_from_json_to_the_last_bit():
    card = card_of("all")
    assert ModelCard.model_validate_json(card.model_dump_json()) == card


def test_the_kind_of_a_value_survives_json():
    values = {t.covariate: t.value for t in card_of("all").worked_example.terms}
    assert (values["ecog"], values["age_years"], values["disease"]) == (2, 50.0, "ALL")
    text = card_of("all").model_dump_json()
    returned = ModelCard.model_validate_json(text).worked_example.terms
    assert [type(t.value) for t in returned] == [type(v) for v in values.values()]
    assert values["post_transplant_cyclophosphamide"] is True


def test_a_card_of_another_version_is_refused():
    with pytest.raises(ValidationError, match="card_version"):
        ModelCard.model_validate_json(changed(card_version=2))


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        ModelCard.model_validate_json(changed(remark="nothing"))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(number):
    with pytest.raises(ValidationError, match="finite"):
        BaselineStep(months=1.0, cumulative_hazard=number, variance=0.1, mean_term=[0.0])
    with pytest.raises(ValidationError, match="finite"):
        BaselineStep(months=1.0, cumulative_hazard=0.1, variance=0.1, mean_term=[number])


def test_a_card_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        card_of("ecog").title = "another"  # type: ignore[misc]


def test_the_schema_of_a_card_describes_its_parts():
    schema = ModelCard.model_json_schema(mode="serialization")
    assert {"Specification", "WorkedExample", "ReportingAnswer"} <= set(schema["$defs"])
    assert set(schema["required"]) == set(ModelCard.model_fields)
    assert WorkedTerm.model_fields["distance"].description == "q = Λ0 x - a"


def test_a_card_is_read_without_the_libraries_of_training():
    code = (
        "import sys, model.card\n"
        "print(sorted({'scipy', 'sklearn', 'sksurv', 'pandas', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
