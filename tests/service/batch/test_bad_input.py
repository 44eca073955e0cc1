"""What is wrong is told, per row where it is a row's fault, and sinks nothing else."""

import io
import json
import struct
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.batch.arrow_stream import ArrowReader
from service.batch.errors import BatchError
from service.batch.json_rows import NdjsonReader
from tests.server import FULL_PATIENT, Server, field_errors, problem
from tests.service.batch.batches import (
    ARROW,
    CSV,
    JSON,
    NDJSON,
    PARQUET,
    answer_of,
    arrow,
    invented,
    ndjson,
    parquet,
    post,
    table,
)

BAD: list[tuple[Any, list[tuple[str | None, str]]]] = [
    ({"ecog": 5}, [("ecog", "ecog_dead")]),
    ({}, [("ecog", "missing")]),
    (
        {"ecog": 1.5, "age_years": 300},
        [("ecog", "int_from_float"), ("age_years", "less_than_equal")],
    ),
    ({"ecog": True}, [("ecog", "number_type")]),
    ({"ecog": "1"}, [("ecog", "number_type")]),
    ({"ecog": 1, "disease": "CML"}, [("disease", "literal_error")]),
    (
        {"ecog": 1, "post_transplant_cyclophosphamide": 1},
        [("post_transplant_cyclophosphamide", "bool_type")],
    ),
    ({"ecog": 1, "age": 4}, [("age", "unknown_field")]),
    ({"ecog": 1, "Zebedee Smith": 4}, [(None, "unknown_field")]),
    ({"ecog": 1, "ldh_u_l": 10**400}, [("ldh_u_l", "float_type")]),
    ({"ecog": 1, "subject_reference": "a\nb"}, [("subject_reference", "string_pattern_mismatch")]),
    ([1], [(None, "object_type")]),
    (None, [(None, "object_type")]),
]  # fmt: skip
GOOD = {"ecog": 1}


@pytest.mark.parametrize(("patient", "expected"), BAD)
@pytest.mark.parametrize("form", [JSON, NDJSON])
def test_a_bad_row_has_all_its_errors_and_its_neighbours_none(
    form: str, patient: Any, expected: list[Any], client: httpx.Client
) -> None:
    batch = [GOOD, patient, FULL_PATIENT]
    content = ndjson(batch) if form == NDJSON else json.dumps(batch).encode()
    response = post(client, content, form)
    rows, summary = answer_of(response)
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert field_errors({"errors": rows[1]["error"]}) == expected
    assert rows[1]["prediction_id"] is rows[1]["category"] is rows[1]["survival_6"] is None
    assert (summary["rows"], summary["predicted"], summary["errors"]) == (3, 2, 1)
    assert summary["complete"]
    assert "Zebedee" not in response.text


def test_single_calls_and_batches_refuse_in_the_same_words(client: httpx.Client) -> None:
    patients = [patient for patient, _ in BAD if isinstance(patient, dict)]
    rows, _ = answer_of(post(client, ndjson(patients), NDJSON))
    for patient, row in zip(patients, rows, strict=True):
        alone = client.post("/v1/predictions", json=patient).json()
        assert row["error"] == alone["errors"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"ecog":1,"ecog":2}', "repeated_key"),
        (b'{"ecog":NaN}', "json_invalid"),
        (b'{"ecog":1', "json_invalid"),
        (b'{"ecog":1}{"ecog":2}', "json_invalid"),
        (b'{"ecog":1},{"ecog":2}', "json_invalid"),
        (b"\xff\xfe", "json_invalid"),
        (b"[" * 9_000, "json_invalid"),
        (b'{"ecog":' + b"9" * 70_000 + b"}", "line_too_long"),
    ],
)
def test_a_line_that_is_no_json_is_the_fault_of_one_row(
    line: bytes, code: str, client: httpx.Client
) -> None:
    rows, _ = answer_of(post(client, b'{"ecog":1}\n' + line + b'\n\n{"ecog":2}', NDJSON))
    assert [row["category"] for row in rows] == ["standard", None, "high"]
    assert [error["code"] for error in rows[1]["error"]] == [code]


@pytest.mark.parametrize("size", [1, 7, 70_000])
def test_lines_are_whole_however_they_are_cut(size: int) -> None:
    content = b'{"ecog":1}\r\n{"ecog":3,"age_years":4}\n' + b"x" * 150_000 + b'\n{"ecog":2}'
    reader = NdjsonReader()
    read = [r for at in range(0, len(content), size) for r in reader.feed(content[at : at + size])]
    read += reader.end()
    assert [row.first + at for row in read for at in range(len(row))] == [1, 2, 3, 4]
    ecog = [grade for rows in read for grade in rows.columns.numbers["ecog"].tolist()]
    assert ecog[:2] + ecog[3:] == [1, 3, 2]


def test_objects_that_go_over_lines_are_not_taken_for_patients(client: httpx.Client) -> None:
    lines = b'{"ecog":1\n"age_years":2}\n{"ecog":1},{"ecog":2}\n'
    rows, _ = answer_of(post(client, lines, NDJSON))
    assert all(row["error"] for row in rows)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("", None),
        ("5,,", ("ecog", "ecog_dead")),
        (",41,", ("ecog", "missing")),
        ("1,nan,", ("age_years", "number_type")),
        ("1,1_0,", ("age_years", "number_type")),
        ("1,41,maybe", ("post_transplant_cyclophosphamide", "bool_type")),
        ("1,41", (None, "cells")),
        ('1,"41,', (None, "csv_invalid")),
    ],
)
def test_a_line_of_csv_is_read_as_training_reads_it(
    row: str, expected: tuple[str | None, str] | None, client: httpx.Client
) -> None:
    header = "\ufeffecog, age_years,post_transplant_cyclophosphamide\r\n"
    rows, _ = answer_of(post(client, f'{header}1,"41",TRUE\r\n{row}\r\n2,,0\r\n'.encode(), CSV))
    assert rows[0]["error"] is rows[-1]["error"] is None
    if expected is None:
        assert len(rows) == 2
    else:
        assert field_errors({"errors": rows[1]["error"]}) == [expected]


@pytest.mark.parametrize(
    ("header", "expected", "forms"),
    [
        ("ecog,ag_years", [("ag_years", "unknown_field")], (CSV, ARROW, PARQUET)),
        ("ecog,Zebedee Smith", [(None, "unknown_field")], (CSV, ARROW, PARQUET)),
        ("age_years", [("ecog", "missing")], (CSV, ARROW, PARQUET)),
        ("x,ecog", [("x", "unknown_field")], (CSV, ARROW, PARQUET)),
        ("ecog,ecog", [("ecog", "repeated_column")], (CSV,)),
        ("ecog;age_years;disease", [(None, "separator")], (CSV,)),
    ],
)
def test_columns_that_are_no_patients_are_told_together(
    header: str, expected: list[Any], forms: tuple[str, ...], client: httpx.Client
) -> None:
    names = header.split(",")
    for form in forms:
        if form == CSV:
            content = f"{header}\n1\n".encode()
        else:
            made = pa.table([pa.array([1])] * len(names), names=names)
            content = arrow(made) if form == ARROW else parquet(made)
        response = post(client, content, form)
        body = problem(response, 422, "invalid-columns")
        assert field_errors(body) == expected
        assert "Zebedee" not in response.text
        if "ag_years" in names:
            assert "did you mean age_years" in body["errors"][0]["message"]


def test_a_repeated_column_is_refused_in_a_table_too(client: httpx.Client) -> None:
    made = pa.table([pa.array([1]), pa.array([2])], names=["ecog", "ecog"])
    body = problem(post(client, arrow(made), ARROW), 422, "invalid-columns")
    assert field_errors(body) == [("ecog", "repeated_column")]


@pytest.mark.parametrize("form", [ARROW, PARQUET])
def test_columns_of_wrong_types_are_told_together(form: str, client: httpx.Client) -> None:
    made = pa.table(
        {
            "ecog": ["1"],
            "age_years": [[1.0]],
            "disease": [1],
            "post_transplant_cyclophosphamide": [1],
            "ldh_u_l": [True],
        }
    )
    content = arrow(made) if form == ARROW else parquet(made)
    body = problem(post(client, content, form), 422, "invalid-columns")
    assert field_errors(body) == [(name, "column_type") for name in made.column_names]


def test_cells_of_a_table_are_refused_one_by_one(client: httpx.Client) -> None:
    made = table(
        [
            {"ecog": 1, "disease": "AML", "age_years": 41.0},
            {"ecog": 9, "disease": "CML", "age_years": 411.0},
            {"ecog": None, "disease": "ALL", "age_years": float("inf")},
        ]
    )
    encoded = made.set_column(2, "disease", made["disease"].combine_chunks().dictionary_encode())
    for content, form in ((arrow(made), ARROW), (arrow(encoded), ARROW), (parquet(made), PARQUET)):
        rows, _ = answer_of(post(client, content, form))
        fields = [[error["field"] for error in row["error"] or ()] for row in rows]
        assert fields == [[], ["ecog", "age_years", "disease"], ["ecog", "age_years"]]


@pytest.mark.parametrize("cut", [-3, -9, -2_000])
def test_a_stream_that_is_cut_off_is_told_and_what_came_before_stays(
    cut: int, client: httpx.Client
) -> None:
    rows, summary = answer_of(post(client, arrow(invented(500), 100)[:cut], ARROW))
    assert summary["complete"] is False
    assert summary["error"]["code"] == "unreadable-batch"
    assert "cut off" in summary["error"]["message"]
    assert summary["predicted"] == len(rows) >= 400
    stored = client.get(f"/v1/predictions/{summary['batch_id']}-{len(rows)}").json()
    assert stored["batch_row"]["row"] == len(rows)
    end = client.get(f"/v1/predictions/{summary['batch_id']}-end").json()
    assert end["batch"] == summary


def test_a_broken_body_is_refused_as_a_whole_if_nothing_was_answered(client: httpx.Client) -> None:
    for content, form in (
        (b"", JSON),
        (b"{}", JSON),
        (b'[{"ecog":1}', JSON),
        (b"", CSV),
        (b"", ARROW),
        (b"ARROW1\0\0", ARROW),
        (b"PAR1", PARQUET),
        (parquet(invented(10))[:-20], PARQUET),
    ):
        problem(post(client, content, form), 400, "unreadable-batch")


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xff\xff\xff" + struct.pack("<i", 2**31 - 1),
        b"\xff\xff\xff\xff" + struct.pack("<i", -8),
        b"\xff\xff\xff\xff" + struct.pack("<i", 64) + b"\xff" * 64,
        b"\xff\xff\xff\xff" + struct.pack("<i", 8) + bytes(8),
    ],
)
def test_absurd_lengths_of_a_stream_are_refused_before_anything_is_allocated(head: bytes) -> None:
    with pytest.raises(BatchError):
        list(ArrowReader().feed(head))


def test_no_changed_byte_of_a_stream_harms_the_reader() -> None:
    content = bytearray(arrow(invented(20), 20))
    for at in range(0, len(content), 3):
        changed = bytearray(content)
        changed[at] ^= 0xFF
        reader = ArrowReader()
        try:
            rows = [*reader.feed(changed), *reader.end()]
        except BatchError:
            continue
        assert sum(map(len, rows)) <= 2**20


def test_a_compressed_stream_is_refused(client: httpx.Client) -> None:
    sink = io.BytesIO()
    made = invented(10)
    with pa.ipc.new_stream(
        sink, made.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as writer:
        writer.write_table(made)
    body = problem(post(client, sink.getvalue(), ARROW), 400, "unreadable-batch")
    assert "compress" in body["detail"]


def test_a_parquet_bomb_is_refused_by_its_footer(client: httpx.Client) -> None:
    rows = 25_000_000
    made = pa.table({"ecog": pa.array([1]).take(pa.array([0] * 1))})
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, made.schema, compression="zstd") as writer:
        part = pa.table(
            {"ecog": pa.array([1], pa.int64()).take(pa.repeat(pa.scalar(0), 5_000_000))}
        )
        for _ in range(rows // len(part)):
            writer.write_table(part)
    assert len(sink.getvalue()) < 200_000
    problem(post(client, sink.getvalue(), PARQUET), 413, "body-too-large")


def test_each_form_has_a_limit_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = {
        f"max_{name}_batch_bytes": 2_000 for name in ("json", "ndjson", "csv", "arrow", "parquet")
    }
    made = invented(300)
    with (
        Server(tmp_path_factory.mktemp("limits") / "log", **limits) as server,
        server.client() as client,
    ):
        for content, form in ((arrow(made), ARROW), (parquet(made), PARQUET),
                              (json.dumps([GOOD] * 900).encode(), JSON)):  # fmt: skip
            problem(post(client, content, form), 413, "body-too-large")


def test_other_refusals(client: httpx.Client) -> None:
    problem(post(client, b"{}", "text/html"), 415, "unsupported-batch-type")
    problem(post(client, b"[]", JSON, Accept="text/html"), 406, "not-acceptable")
    problem(post(client, b"[]", JSON, "?model=none"), 404, "unknown-model")
    problem(post(client, b"[]", JSON, "?curve=true"), 422, "invalid-request")
