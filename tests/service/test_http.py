"""Requests that httpx cannot express, or that name no route: methods, hosts, upgrades."""

import json
import shutil
import subprocess

import httpx
import pytest

from tests.server import Server, problem

BODY = b'{"ecog": 1}'


def posted(*headers: str, version: str = "1.1", host: str | None = "127.0.0.1") -> bytes:
    lines = [
        f"POST /v1/predictions HTTP/{version}",
        *([] if host is None else [f"Host: {host}"]),
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + BODY


@pytest.mark.parametrize(
    "headers",
    [
        (
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            "User-Agent: Java-http-client/17.0.9",
        ),
        ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        ("Expect: 100-continue",),
    ],
)
def test_an_offer_to_upgrade_does_not_lose_the_body(
    headers: tuple[str, ...], server: Server
) -> None:
    status, _, content = server.raw(posted(*headers))
    assert status == 200, content
    assert json.loads(content)["risk"]["ecog"] == 1


def test_curl_that_offers_http_2_is_answered(server: Server) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        [
            *(curl, "--silent", "--show-error", "--http2", "--json", BODY.decode()),
            f"{server.address}/v1/predictions",
        ],
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert json.loads(done.stdout)["risk"]["ecog"] == 1, done.stderr


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "localhost",
        "LOCALHOST",
        "LocalHost:80",
        "[::1]",
        "[::1]:8000",
    ],
)
def test_every_loopback_name_is_answered(host: str, server: Server) -> None:
    status, _, _ = server.raw(posted(host=host))
    assert status == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:8000",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "localhost@attacker.example",
        "127.0.0.2",
        "0.0.0.0",
        "10.0.0.1:8000",
        "[::]",
        "[",
        "::1",
        "",
        ":8000",
        "127.0.0.1,attacker.example",
    ],
)
def test_another_host_name_is_not_answered(host: str, server: Server) -> None:
    status, headers, content = server.raw(posted(host=host))
    body = json.loads(content)
    assert (status, body["type"]) == (421, "urn:hsct2-risk:problem:misdirected-request")
    assert body["request_id"] == headers["x-request-id"]


def test_http_1_0_without_a_host_is_not_answered(server: Server) -> None:
    status, _, content = server.raw(posted(version="1.0", host=None))
    assert (status, json.loads(content)["status"]) == (421, 421)


@pytest.mark.parametrize(
    "request_line",
    [b"\x16\x03\x01\x02\x00", b"POST\r\n", b"GET / HTTP/1.1\r\n", "GET /é HTTP/1.1\r\n".encode()],
)
def test_what_is_not_http_is_refused_and_the_service_goes_on(
    request_line: bytes, server: Server, client: httpx.Client
) -> None:
    status, _, _ = server.raw(request_line + b"\r\n\r\n")
    assert status == 400
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/predictions", "POST"),
        ("PUT", "/v1/predictions", "POST"),
        ("DELETE", "/v1/predictions", "POST"),
        ("OPTIONS", "/v1/predictions", "POST"),
        ("BREW", "/v1/predictions", "POST"),
        ("GET", "/v1/predictions/batch", "POST"),
        ("GET", "/v1/models/reload", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/hsct2-os", "GET"),
        ("POST", "/readyz", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    method: str, path: str, allowed: str, client: httpx.Client
) -> None:
    response = client.request(method, path)
    problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/prediction",
        "/v1/predictions/",
        "/v1/models/",
        "/v1/models/a/b",
        "/v2/models",
        "/v1/models/..%2f..%2fmodel.joblib",
        "/static-offline-docs/no.js",
        "/static-offline-docs/..%2f__init__.py",
        "/metricz",
    ],
)
def test_an_unknown_address_is_a_problem_and_no_redirect(path: str, client: httpx.Client) -> None:
    problem(client.get(path), 404, "not-found")


def test_the_answer_to_head_has_no_body(client: httpx.Client) -> None:
    for path, status in (("/livez", 405), ("/v1/predictions", 405), ("/openapi.json", 200)):
        response = client.head(path)
        assert (response.status_code, response.content) == (status, b"")
