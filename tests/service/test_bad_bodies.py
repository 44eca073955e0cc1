"""Bodies that are not JSON, not UTF-8, too long, or not said to be JSON."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, problem

LIMIT = 65_536
JSON = {"Content-Type": "application/json"}


def post(client: httpx.Client, body: bytes | str, **headers: str) -> httpx.Response:
    return client.post("/v1/predictions", content=body, headers={**JSON, **headers})


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is empty; a patient needs at least ecog."),
        (b" \r\n\t ", "The body is empty; a patient needs at least ecog."),
        (b'{"ecog": 1', "Not JSON at line 1, column 11."),
        (b'{"ecog":\n', "Not JSON at line 2, column 1."),
        (b'{"ecog": 1}{"ecog": 1}', "Not JSON at line 1, column 12."),
        (b"{'ecog': 1}", "Not JSON at line 1, column 2."),
        (b'{"ecog": 1,}', None),
        (b'{"ecog": 01}', None),
        (b'{"ecog": +1}', None),
        (b'{"ecog": 0x1}', None),
        (b'{"ecog": 1} // fit', None),
        (b'{"ecog": 1, "subject_reference": "a\nb"}', None),
        (b"ecog=1", None),
        (b"\x00", None),
        (b'{"ecog": NaN}', "NaN and Infinity are not numbers in JSON."),
        (b'{"ecog": 1, "age_years": Infinity}', "NaN and Infinity are not numbers in JSON."),
        (b'{"ecog": 1, "age_years": -Infinity}', "NaN and Infinity are not numbers in JSON."),
        (b'{"ecog": 1, "x": [{"y": NaN}]}', "NaN and Infinity are not numbers in JSON."),
        ('{"ecog": 1, "disease": "é"}'.encode("latin-1"), "Not UTF-8 at byte 24."),
        ('{"ecog": 1}'.encode("utf-16"), "Not UTF-8 at byte 0."),
        ('{"ecog": 1}'.encode("utf-16-le"), None),
        ('{"ecog": 1}'.encode("utf-32"), None),
        ('{"ecog": 1}'.encode("utf-8-sig"), "Not JSON at line 1, column 1."),
        (b'{"ecog": "\xed\xa0\x80"}', "Not UTF-8 at byte 10."),
        (b'{"ecog": 1, "ecog": 2}', "A key is there more than once: key 2 repeats one."),
        (
            b'{"ecog": 1, "age_years": 5, "ecog": 1, "age_years": 5}',
            "A key is there more than once: key 3, 4 repeats one.",
        ),
        (b'{"ecog": 1, "\\u0065cog": 2}', "A key is there more than once: key 2 repeats one."),
        (
            b'{"ecog": 1, "x": [{"a": {"b": 1, "b": 2}}]}',
            "A key is there more than once: key 2 repeats one.",
        ),
        (b"[" * 60_000, "A number is too long or the nesting too deep."),
        (b'{"ecog":' * 7_000, "A number is too long or the nesting too deep."),
        (
            b'{"ecog": 1, "x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
            "A number is too long or the nesting too deep.",
        ),
        (b'{"ecog": ' + b"1" * 60_000 + b"}", "A number is too long or the nesting too deep."),
    ],
)
def test_what_is_not_json_is_refused_with_the_place(
    body: bytes, detail: str | None, client: httpx.Client
) -> None:
    found = problem(post(client, body), 400, "invalid-json")
    assert found["errors"] == []
    assert detail is None or found["detail"] == detail


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
        "application/json ; charset=utf-8",
    ],
)
def test_json_may_name_its_charset(content_type: str, client: httpx.Client) -> None:
    body = '{"ecog": 1, "subject_reference": "Größe"}'.encode()
    answer = post(client, body, **{"Content-Type": content_type})
    assert answer.status_code == 200
    assert answer.json()["subject_reference"] == "Größe"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/fhir+json",
        "application/jsonlines",
        "application/json, text/plain",
        "*/*",
        "",
        ";",
    ],
)
def test_another_content_type_is_refused(content_type: str, client: httpx.Client) -> None:
    response = post(client, b'{"ecog": 1}', **{"Content-Type": content_type})
    problem(response, 415, "unsupported-media-type")


def test_no_content_type_is_refused(client: httpx.Client) -> None:
    response = client.post("/v1/predictions", content=b'{"ecog": 1}')
    problem(response, 415, "unsupported-media-type")


def test_a_body_up_to_the_limit_is_read(client: httpx.Client) -> None:
    body = b'{"ecog": 1}'.ljust(LIMIT)
    assert post(client, body).status_code == 200
    found = problem(post(client, body + b" "), 413, "body-too-large")
    assert found["detail"] == "A body may have 65536 bytes."


def test_a_chunked_body_past_the_limit_is_refused_too(client: httpx.Client) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        yield b'{"ecog": 1}'
        for _ in range(count):
            yield b" " * 1024

    within = client.post("/v1/predictions", content=chunks(60), headers=JSON)
    assert within.request.headers["Transfer-Encoding"] == "chunked"
    assert within.status_code == 200
    past = client.post("/v1/predictions", content=chunks(64), headers=JSON)
    problem(past, 413, "body-too-large")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"ecog": ' + b"9" * 100_000 + b"}"])
def test_what_is_too_long_is_refused_before_it_is_parsed(body: bytes, client: httpx.Client) -> None:
    problem(post(client, body), 413, "body-too-large")


def test_the_service_goes_on_after_a_body_that_it_did_not_read_to_its_end(
    server: Server, client: httpx.Client
) -> None:
    head = b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    status, headers, _ = server.raw(head + b"Content-Length: 900000\r\n\r\n" + b" " * 70_000)
    assert (status, headers["connection"]) == (413, "close")
    assert post(client, b'{"ecog": 1}').status_code == 200


@pytest.mark.slow
def test_the_limit_is_a_setting_and_deeper_nesting_stays_harmless(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "log", max_body_bytes=1_000_000) as roomy,
        roomy.client() as client,
    ):
        for body in (b"[" * 100_000, b'{"a":' * 100_000, b"1" * 100_000):
            problem(post(client, body), 400, "invalid-json")
        problem(post(client, b" " * 1_000_001), 413, "body-too-large")
        assert post(client, b'{"ecog": 1}').status_code == 200
