"""Every form in and out: the numbers are those of a single call."""

import itertools
import json
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from model.patient import COVARIATES
from service.batch.arrow_columns import rows_of_batch
from service.batch.forms import Form, form_accepted
from tests.service.batch.batches import (
    ARROW,
    CSV,
    JSON,
    NDJSON,
    PARQUET,
    PATIENTS,
    answer_of,
    arrow,
    in_form,
    parquet,
    post,
    table,
)

FORMS = (JSON, NDJSON, CSV, ARROW, PARQUET)
QUERY = "?horizon_months=0.01&horizon_months=12&horizon_months=24&horizon_months=900"


@pytest.fixture(scope="module")
def single(client: httpx.Client) -> list[dict[str, Any]]:
    """What a single call answers for each patient."""
    path = f"/v1/predictions{QUERY}&curve=false"
    return [client.post(path, json=patient).json() for patient in PATIENTS]


@pytest.mark.parametrize("sent", FORMS)
def test_a_batch_says_what_single_calls_say(
    sent: str, client: httpx.Client, single: list[dict[str, Any]]
) -> None:
    response = post(client, in_form(PATIENTS, sent), sent, QUERY)
    assert response.headers["Content-Type"].startswith(sent)
    rows, summary = answer_of(response)
    assert [row["row"] for row in rows] == [1, 2, 3, 4]
    for row, alone in zip(rows, single, strict=True):
        assert row["category"] == alone["risk"]["category"]
        unknown = {i["covariate"] for i in alone["imputed"]}
        assert row["imputed"] == sum(1 << k for k, n in enumerate(COVARIATES) if n in unknown)
        assert row["error"] is None
        for at in alone["survival"]["horizons"]:
            months = f"{at['months']:g}"
            for name, key in (("survival", "probability"), ("lower",) * 2, ("upper",) * 2):
                expected = None if at[key] is None else pytest.approx(at[key], rel=1e-9, abs=1e-12)
                assert row[f"{name}_{months}"] == expected
    assert (summary["rows"], summary["predicted"], summary["errors"]) == (4, 4, 0)
    assert (summary["complete"], summary["audited"], summary["error"]) == (True, True, None)
    assert summary["model"] == single[0]["model"]


@pytest.mark.parametrize(("sent", "accept"), list(itertools.permutations(FORMS, 2)))
def test_it_is_answered_in_the_form_that_is_accepted(
    sent: str, accept: str, client: httpx.Client
) -> None:
    response = post(client, in_form(PATIENTS[:2], sent), sent, Accept=accept)
    assert response.headers["Content-Type"].startswith(accept)
    rows, summary = answer_of(response)
    assert [row["category"] for row in rows] == ["high", "standard"]
    assert summary["complete"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Form.CSV),
        ("*/*", Form.CSV),
        ("text/*", Form.CSV),
        ("application/json, */*;q=0.1", Form.JSON),
        ("text/csv;q=0, application/*", Form.JSON),
        ("text/csv;q=0.5, application/x-ndjson;q=0.9", Form.NDJSON),
        ("text/html", None),
        ("text/csv;q=zebedee", None),
    ],
)
def test_the_form_that_is_preferred_is_chosen(accept: str, expected: Form | None) -> None:
    assert form_accepted(accept, Form.CSV) is expected


@pytest.mark.parametrize(
    "types",
    [
        {"ecog": pa.float64(), "age_years": pa.float32()},
        {"ecog": pa.decimal128(3, 0), "age_years": pa.decimal128(8, 3), "ldh_u_l": pa.int32()},
        {"ecog": pa.uint64(), "disease": pa.large_string()},
        {"disease": pa.string_view()},
        {"disease": pa.dictionary(pa.int8(), pa.string())},
    ],
)
@pytest.mark.parametrize("form", [ARROW, PARQUET])
def test_types_that_mean_the_same_are_read(
    form: str, types: dict[str, Any], client: httpx.Client
) -> None:
    patients: list[dict[str, Any]] = [
        {"ecog": 1, "age_years": 33.25, "ldh_u_l": 260, "disease": "AML"},
        {"ecog": 2, "age_years": None, "ldh_u_l": None, "disease": None},
        {"ecog": 3, "age_years": 50.5, "ldh_u_l": 300, "disease": "ALL"},
    ]
    with_decimals: list[dict[str, Any]] = [
        {k: Decimal(str(v)) if v is not None and pa.types.is_decimal(types.get(k, pa.null())) else v
         for k, v in patient.items()}
        for patient in patients
    ]  # fmt: skip
    made = table(with_decimals, {"ecog": pa.int8(), **types})
    content = arrow(made, 2) if form == ARROW else parquet(made)
    rows, _ = answer_of(post(client, content, form))
    expected, _ = answer_of(post(client, json.dumps(patients).encode(), JSON))
    for row, other in zip(rows, expected, strict=True):
        assert row["error"] is None
        assert row["imputed"] == other["imputed"]
        assert row["survival_12"] == pytest.approx(other["survival_12"], rel=1e-9)


def test_a_dictionary_may_have_as_many_entries_as_its_indices_can_count() -> None:
    entries = ["AML", *map(str, range(127))]
    disease = pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), pa.array(entries))
    batch = pa.record_batch({"ecog": pa.array([1, 1]), "disease": disease})
    rows = rows_of_batch(batch, ["ecog", "disease"], 1)
    assert not rows.errors
    np.testing.assert_array_equal(rows.columns.numbers["disease"], [0, np.nan])


def test_nan_in_a_column_is_unknown_and_the_labels_of_pandas_are_no_column(
    client: httpx.Client,
) -> None:
    made = pa.table(
        {
            "ecog": [1.0, float("nan")],
            "age_years": [float("nan"), 40.0],
            "__index_level_0__": [5, 6],
        }
    )
    rows, summary = answer_of(post(client, arrow(made), ARROW))
    assert rows[0]["imputed"] == 0b111111111110
    assert [e["field"] for e in rows[1]["error"]] == ["ecog"]
    assert summary["errors"] == 1


def test_a_model_with_fewer_covariates_keeps_the_meaning_of_the_bits(client: httpx.Client) -> None:
    rows, summary = answer_of(
        post(client, b'{"ecog":1}\n', NDJSON, "?model=hsct2-os-ecog&horizon_months=6")
    )
    assert rows[0]["imputed"] == 0
    assert summary["model"]["id"] == "hsct2-os-ecog"


def test_a_batch_of_nobody_is_complete(client: httpx.Client) -> None:
    for content, form in ((b"[]", JSON), (b"", NDJSON), (b"ecog\n", CSV)):
        rows, summary = answer_of(post(client, content, form))
        assert rows == []
        assert summary["complete"]
        assert summary["rows"] == 0
