"""A page of another site whose name is made to resolve to the loopback address."""

from pathlib import Path

import pytest

from service.access import SCOPES
from tests.faults.process import Victim
from tests.server import address_of
from tests.service.audit.stores import all_rows

BODY = b'{"ecog": 1}'
ERRORS = ("application/problem+json", "application/fhir+json")
FOREIGN = [
    "attacker.example",
    "attacker.example:{port}",
    "127.0.0.1.attacker.example:{port}",
    "localhost.attacker.example",
    "attacker.example.localhost",
    "localhost@attacker.example",
    "attacker.example#localhost",
    "localhost,attacker.example",
    "127.0.0.1:{port}:{port}",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::]",
    "localhost.",
    "",
]


def request(method: str, path: str, host: str) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        "Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY


@pytest.mark.slow
def test_a_name_made_to_point_at_the_loopback_service_gets_nothing_from_it(tmp_path: Path):
    with Victim(tmp_path) as victim:
        for host in (name.format(port=victim.port) for name in FOREIGN):
            for method, path in SCOPES:
                address = address_of(path)
                status, headers, content = victim.raw(request(method, address, host))
                assert status == 421, (host, method, path)
                assert headers["content-type"] in ERRORS
                assert "access-control-allow-origin" not in headers
                assert b"attacker" not in content
        # The name in the request line does not count for more than the one in the header.
        absolute = f"http://localhost:{victim.port}/v1/predictions"
        assert victim.raw(request("POST", absolute, "attacker.example"))[0] == 421
        twice = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n"
        assert victim.raw(twice)[0] == 400
        assert victim.raw(request("POST", "/v1/predictions", "localhost"))[0] == 200
    assert len(all_rows(victim.place)) == 1
