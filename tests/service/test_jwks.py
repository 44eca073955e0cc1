"""An issuer's key set, fetched from a real server that is good, slow, broken or hostile."""

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from service import jwks
from service.addresses import AddressError, checked_address
from service.jwks import KeySet, KeysUnavailableError
from service.public_keys import KeySetError, VerificationKey, read_key_set
from tests.service.issuer import (
    Answer,
    Clock,
    JwksServer,
    answering,
    ec_key,
    ed_key,
    jwk,
    keys,
    rsa_key,
)

HOSTS = ["127.0.0.1"]


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def server() -> Iterator[JwksServer]:
    with JwksServer(keys(jwk("old", rsa_key()))) as started:
        yield started


@pytest.fixture
def key_set(server: JwksServer, clock: Clock) -> KeySet:
    return KeySet(server.url, HOSTS, clock)


def find(key_set: KeySet, key_id: str, algorithm: str = "RS256") -> VerificationKey | None:
    """Look for a key, and let a fetch that goes on behind it come to its end."""

    async def ask() -> VerificationKey | None:
        found = await key_set.find(key_id, algorithm)
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        return found

    return asyncio.run(ask())


def test_keys_are_fetched_when_first_asked_for_and_then_kept(
    server: JwksServer, key_set: KeySet, clock: Clock
) -> None:
    assert server.requests == 0
    for _ in range(3):
        found = find(key_set, "old")
        assert found is not None
        assert found.key == rsa_key().public_key()
        clock.forward(jwks.REFRESH_SECONDS / 4)
    assert server.requests == 1


def test_concurrent_first_calls_share_one_fetch(server: JwksServer, key_set: KeySet) -> None:
    good = server.answer

    def slow(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        good(request)

    async def ask_often() -> list[VerificationKey | None]:
        return await asyncio.gather(*(key_set.find("old", "RS256") for _ in range(50)))

    server.answer = slow
    assert all(asyncio.run(ask_often()))
    assert server.requests == 1


def test_a_call_that_is_given_up_leaves_the_fetch_to_the_others(
    server: JwksServer, key_set: KeySet
) -> None:
    good = server.answer

    def slow(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        good(request)

    async def give_one_up() -> VerificationKey | None:
        first = asyncio.create_task(key_set.find("old", "RS256"))
        second = asyncio.create_task(key_set.find("old", "RS256"))
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    server.answer = slow
    assert asyncio.run(give_one_up()) is not None
    assert server.requests == 1


def test_a_key_that_appears_is_found_by_its_first_token(
    server: JwksServer, key_set: KeySet, clock: Clock
) -> None:
    assert find(key_set, "new", "ES256") is None
    server.answer = keys(jwk("old", rsa_key()), jwk("new", ec_key()))
    clock.forward(jwks.RETRY_SECONDS)
    assert find(key_set, "new", "ES256") is not None
    assert find(key_set, "old") is not None
    assert server.requests == 2


def test_invented_key_ids_do_not_turn_into_requests(
    server: JwksServer, key_set: KeySet, clock: Clock
) -> None:
    for number in range(200):
        assert find(key_set, f"invented-{number}") is None
        clock.forward(jwks.RETRY_SECONDS / 100)
    assert server.requests == 2


def test_a_key_that_is_taken_back_is_not_found_after_the_next_refresh(
    server: JwksServer, key_set: KeySet, clock: Clock
) -> None:
    find(key_set, "old")
    server.answer = keys(jwk("new", ec_key()))
    clock.forward(jwks.REFRESH_SECONDS + 1)
    assert find(key_set, "old") is not None  # this call begins the refresh, behind its back
    assert find(key_set, "old") is None
    assert server.requests == 2


def test_after_a_pause_the_refresh_is_waited_for(
    server: JwksServer, key_set: KeySet, clock: Clock
) -> None:
    async def ask_twice_at_once() -> list[VerificationKey | None]:
        return await asyncio.gather(*(key_set.find("old", "RS256") for _ in range(2)))

    find(key_set, "old")
    server.answer = keys()
    clock.forward(jwks.IDLE_SECONDS + 1)
    assert asyncio.run(ask_twice_at_once()) == [None, None]
    assert server.requests == 2


def hang(request: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


def drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(1000):
        request.wfile.write(b" ")
        time.sleep(0.02)


def pour(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(2**30))
    request.end_headers()
    for _ in range(2**10):
        request.wfile.write(b" " * 2**20)


def no_http(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\xff\x00 not HTTP\r\n\r\n")


def say_nothing(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


GOOD = json.dumps({"keys": [jwk("other", ec_key())]}).encode()

BAD_ANSWERS: dict[str, Answer] = {
    "hangs": hang,
    "drips": drip,
    "pours a gigabyte": pour,
    "is no HTTP": no_http,
    "closes": say_nothing,
    "fails": answering(GOOD, 500),
    "has no content": answering(b"", 204),
    "is HTML": answering(b"<!doctype html><title>Log in</title>", Content_Type="text/html"),
    "is not UTF-8": answering(b'{"keys": "\xff"}'),
    "is a list": answering(b"[]"),
    "has no keys": answering(b"{}"),
    "has keys that are no list": answering(b'{"keys": {}}'),
    "is nested deeply": answering(b'{"keys":' + b"[" * 200_000),
    "has a number with too many digits": answering(b'{"keys": [' + b"1" * 10_000 + b"]}"),
    "has too many keys": answering({"keys": [{}] * 101}),
    "is compressed": answering(gzip.compress(GOOD), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_gives_no_keys_and_takes_none_away(
    bad: Answer,
    server: JwksServer,
    key_set: KeySet,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience = jwks.FETCH_SECONDS
    good, server.answer = server.answer, bad
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(KeysUnavailableError) as caught:
        find(key_set, "old")
    assert time.monotonic() - started < 10
    assert 1 <= caught.value.retry_after_seconds <= jwks.RETRY_SECONDS
    with pytest.raises(KeysUnavailableError):
        find(key_set, "old")
    assert server.requests == 1

    server.answer = good
    monkeypatch.setattr(jwks, "FETCH_SECONDS", patience)
    clock.forward(caught.value.retry_after_seconds)
    assert find(key_set, "old") is not None

    server.answer = bad
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.3)
    clock.forward(jwks.IDLE_SECONDS + 1)
    assert find(key_set, "old") is not None
    clock.forward(jwks.RETRY_SECONDS)
    assert find(key_set, "other", "ES256") is None
    assert find(key_set, "old") is not None


def test_no_more_is_read_than_a_key_set_may_be_long(server: JwksServer, key_set: KeySet) -> None:
    poured = []

    def pour_and_count(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(2**14):
            request.wfile.write(b" " * 2**16)
            poured.append(2**16)

    server.answer = pour_and_count
    with pytest.raises(KeysUnavailableError):
        find(key_set, "old")
    assert sum(poured) < 16 * 2**20  # what the two sockets hold, not the gigabyte


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, server: JwksServer, key_set: KeySet) -> None:
    with JwksServer(answering(GOOD)) as elsewhere:
        server.answer = answering(b"", status, Location=elsewhere.url)
        with pytest.raises(KeysUnavailableError):
            find(key_set, "other", "ES256")
        assert elsewhere.requests == 0


def test_keys_of_a_server_that_is_gone_are_believed_for_a_day(clock: Clock) -> None:
    with JwksServer(keys(jwk("old", rsa_key()))) as server:
        key_set = KeySet(server.url, HOSTS, clock)
        find(key_set, "old")
    clock.forward(jwks.STALE_SECONDS - 1)
    assert find(key_set, "old") is not None
    clock.forward(2)
    with pytest.raises(KeysUnavailableError):
        find(key_set, "old")


def test_calls_with_a_known_key_do_not_wait_for_a_server_that_hangs(
    server: JwksServer, key_set: KeySet, clock: Clock
) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang_until_released(_: BaseHTTPRequestHandler) -> None:
        asked.set()
        released.wait(jwks.FETCH_SECONDS)

    async def ask_often() -> None:
        unknown = asyncio.create_task(key_set.find("unknown", "RS256"))
        assert await asyncio.to_thread(asked.wait, jwks.FETCH_SECONDS)
        for _ in range(100):
            assert await key_set.find("old", "RS256") is not None
        assert not unknown.done()
        released.set()
        assert await unknown is None

    find(key_set, "old")
    server.answer = hang_until_released
    clock.forward(jwks.REFRESH_SECONDS + 1)
    asyncio.run(ask_often())


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "http://issuer.example:443/jwks",
        "http://127.0.0.1.issuer.example/jwks",
        "ftp://issuer.example/jwks",
        "file:///etc/passwd",
        "//issuer.example/jwks",
        "issuer.example",
        "https://",
        "",
        "https://issuer.example.attacker.example/jwks",
        "https://attacker.example/issuer.example",
        "https://attacker.example#issuer.example",
        "https://issuer.example@attacker.example/jwks",
        "https://attacker.example@issuer.example/jwks",
        "https://issuer.example/jwks#fragment",
        "https://attacker.example\\@issuer.example/jwks",
        "https://issuer.example./jwks",
        "https://sub.issuer.example/jwks",
        "https://169.254.169.254/latest",
        "https://localhost/jwks",
        "https://issuer.example:port/jwks",
        "https://issuer.example\n/jwks",
    ],
)
def test_keys_are_fetched_from_allowed_hosts_over_https_only(url: str) -> None:
    with pytest.raises(AddressError):
        checked_address(url, ["issuer.example", "127.0.0.1"])
    with pytest.raises(AddressError):
        KeySet(url, ["issuer.example", "127.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/jwks?tenant=a",
        "https://ISSUER.example:8443/jwks",
        "http://127.0.0.1:8080/jwks",
        "http://localhost/jwks",
        "http://[::1]:8080/jwks",
    ],
)
def test_an_allowed_address_is_taken(url: str) -> None:
    checked_address(url, ["Issuer.example", "127.0.0.1", "localhost", "::1"])


def with_private_half(key_id: str) -> dict[str, Any]:
    document = ECAlgorithm.to_jwk(ec_key(), as_dict=True) | {"kid": key_id}
    assert "d" in document
    return document


UNFIT: dict[str, Callable[[], object]] = {
    "too short": lambda: jwk("k", rsa_key(bits=1024)),
    "for encryption": lambda: jwk("k", rsa_key(), use="enc"),
    "for signing only": lambda: jwk("k", rsa_key(), key_ops=["sign"]),
    "of no operation": lambda: jwk("k", rsa_key(), key_ops=[]),
    "of unreadable operations": lambda: jwk("k", rsa_key(), key_ops="verify"),
    "of an encryption algorithm": lambda: jwk("k", rsa_key(), alg="RSA-OAEP"),
    "of a symmetric algorithm": lambda: jwk("k", rsa_key(), alg="HS256"),
    "of no algorithm": lambda: jwk("k", rsa_key(), alg="none"),
    "of another curve's algorithm": lambda: jwk("k", ec_key(), alg="ES384"),
    "a shared secret": lambda: {"kty": "oct", "kid": "k", "k": "A" * 43, "alg": "HS256"},
    "on an unknown curve": lambda: jwk("k", ec_key(ec.SECP256K1)),
    "on no curve": lambda: jwk("k", ec_key()) | {"crv": None},
    "off its curve": lambda: jwk("k", ec_key()) | {"y": "A" * 43},
    "without id": lambda: jwk(None, rsa_key()),
    "with a number for an id": lambda: jwk(None, rsa_key(), kid=1),
    "published with its private half": lambda: with_private_half("k"),
    "without modulus": lambda: {"kty": "RSA", "kid": "k", "e": "AQAB"},
    "with a number for a modulus": lambda: {"kty": "RSA", "kid": "k", "e": "AQAB", "n": 5},
    "a string": lambda: "k",
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_an_unfit_key_is_passed_over_and_the_others_are_taken(unfit: Callable[[], object]) -> None:
    content = json.dumps({"keys": [unfit(), jwk("fit", ed_key())]}).encode()
    assert [key.id for key in read_key_set(content)] == ["fit"]


@pytest.mark.parametrize(
    ("document", "algorithms"),
    [
        (jwk("k", rsa_key()), {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        (jwk("k", rsa_key(), alg="PS384", use="sig", key_ops=["verify"]), {"PS384"}),
        (jwk("k", ec_key()), {"ES256"}),
        (jwk("k", ec_key(ec.SECP384R1)), {"ES384"}),
        (jwk("k", ec_key(ec.SECP521R1)), {"ES512"}),
        (jwk("k", ed_key()), {"EdDSA"}),
    ],
)
def test_a_key_verifies_the_algorithms_of_its_kind(
    document: dict[str, Any], algorithms: set[str]
) -> None:
    (key,) = read_key_set(json.dumps({"keys": [document]}).encode())
    assert key.algorithms == algorithms


def test_two_keys_of_one_id_are_told_apart_by_their_algorithm(
    server: JwksServer, key_set: KeySet
) -> None:
    server.answer = keys(jwk("same", rsa_key()), jwk("same", ec_key()))
    for algorithm, key in (("RS256", rsa_key()), ("ES256", ec_key())):
        found = find(key_set, "same", algorithm)
        assert found is not None
        assert found.key == key.public_key()
    assert find(key_set, "same", "ES384") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = ("kty", "crv", "kid", "alg", "use", "key_ops", "n", "e", "x", "y", "d")
SENSIBLE = st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "sig", "AQAB", "A" * 43, ""])


@settings(deadline=None)
@given(st.lists(JSON | st.dictionaries(st.sampled_from(MEMBERS), SENSIBLE | JSON), max_size=3))
def test_whatever_a_key_set_holds_reading_it_does_not_fail(documents: list[Any]) -> None:
    read_key_set(json.dumps({"keys": documents}).encode())


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_key_set_is_refused_as_that(content: bytes) -> None:
    with suppress(KeySetError):
        assert isinstance(read_key_set(content), tuple)
