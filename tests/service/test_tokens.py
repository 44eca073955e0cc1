"""The verifier of bearer tokens, given good ones and ones that are forged in every way."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.jwks import KeySet
from service.keys import Scope
from service.replay import SeenInMemory
from service.tokens import Refusal, TokenError, TokenRules, TokenVerifier, VerifiedToken, caller_id
from tests.service.issuer import (
    AUDIENCE,
    ISSUER,
    NOW,
    SUBJECT,
    Clock,
    JwksServer,
    claims,
    ec_key,
    ed_key,
    encoded,
    jwk,
    keys,
    rsa_key,
    signed_by_hand,
    token,
)

RULES = TokenRules(issuer=ISSUER, audience=AUDIENCE)


@dataclass(frozen=True)
class Bench:
    """Keys that were fetched from a server, and verifiers that use them at a fixed time."""

    key_set: KeySet

    def verify(self, presented: str, **rules: Any) -> VerifiedToken:
        return asyncio.run(self.verifier(**rules).verify(presented))

    def verifier(self, **rules: Any) -> TokenVerifier:
        seen = SeenInMemory(Clock())
        return TokenVerifier(replace(RULES, **rules), self.key_set, seen, Clock())

    def refusal(self, presented: str, **rules: Any) -> Refusal:
        with pytest.raises(TokenError) as caught:
            self.verify(presented, **rules)
        assert caught.value.__cause__ is None
        return caught.value.refusal


@pytest.fixture(scope="module")
def published() -> Iterator[JwksServer]:
    documents = [
        jwk("rsa", rsa_key()),
        jwk("rs384-only", rsa_key("second"), alg="RS384"),
        jwk("p-256", ec_key()),
        jwk("p-384", ec_key(ec.SECP384R1)),
        jwk("p-521", ec_key(ec.SECP521R1)),
        jwk("ed25519", ed_key()),
    ]
    with JwksServer(keys(*documents)) as server:
        yield server


@pytest.fixture(scope="module")
def bench(published: JwksServer) -> Bench:
    return Bench(KeySet(published.url, ["127.0.0.1"], Clock()))


@pytest.mark.parametrize(
    ("algorithm", "key_id", "key"),
    [
        *((name, "rsa", rsa_key()) for name in ("RS256", "RS384", "RS512")),
        *((name, "rsa", rsa_key()) for name in ("PS256", "PS384", "PS512")),
        ("RS384", "rs384-only", rsa_key("second")),
        ("ES256", "p-256", ec_key()),
        ("ES384", "p-384", ec_key(ec.SECP384R1)),
        ("ES512", "p-521", ec_key(ec.SECP521R1)),
        ("EdDSA", "ed25519", ed_key()),
    ],
)
def test_a_good_token_is_taken(algorithm: str, key_id: str, key: Any, bench: Bench) -> None:
    verified = bench.verify(token(claims(), key, algorithm, key_id))
    assert verified.caller_id == caller_id(ISSUER, SUBJECT)
    assert verified.scopes == {Scope.PREDICT}
    assert verified.claims["aud"] == AUDIENCE


def test_a_caller_id_tells_subjects_and_issuers_apart_and_names_neither() -> None:
    pairs = [("i", "s"), ("i", "S"), ("is", ""), ("", "is"), ("i", "s "), ('i","s', "")]
    assert len({caller_id(*pair) for pair in pairs}) == len(pairs)
    # printf '["i", "s"]' | sha256sum | cut -c -32
    assert caller_id("i", "s") == "jwt-6f84a851a4ecc851dd1c2388c36a5157"


GOOD_SHAPE = token()
HEADER, PAYLOAD, SIGNATURE = GOOD_SHAPE.split(".")
MALFORMED = {
    "nothing": "",
    "a dot": ".",
    "two dots": "..",
    "three dots": "...",
    "a word": "zebedee",
    "a part short": f"{HEADER}.{PAYLOAD}",
    "a part more": f"{GOOD_SHAPE}.{SIGNATURE}",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "no payload": f"{HEADER}..{SIGNATURE}",
    "five parts, as an encrypted one": f"{HEADER}.a.b.c.{SIGNATURE}",
    "padding": f"{GOOD_SHAPE}==",
    "a space before": f" {GOOD_SHAPE}",
    "a line break after": f"{GOOD_SHAPE}\n",
    "another alphabet": f"{HEADER}.{PAYLOAD}.+/+/",
    "not ASCII": f"{HEADER}.{PAYLOAD}.ÿÿÿÿ",
    "full-width letters": f"{HEADER}.{PAYLOAD}.ＡＡＡＡ",
    "a surrogate": f"{HEADER}.{PAYLOAD}.\ud800",
    "huge": f"{HEADER}.{'A' * 50_000}.{SIGNATURE}",
    "a header that is not base64": f"A.{PAYLOAD}.{SIGNATURE}",
    "a header that is not JSON": f"{encoded(b'{')}.{PAYLOAD}.{SIGNATURE}",
    "a header that is not UTF-8": f"{encoded(bytes([0xFF, 0xFE]))}.{PAYLOAD}.{SIGNATURE}",
    "a header that is a list": f"{encoded([])}.{PAYLOAD}.{SIGNATURE}",
    "a header nested deeply": f"{encoded(b'[' * 5000)}.{PAYLOAD}.{SIGNATURE}",
    "a number for a key id": signed_by_hand({"alg": "RS256", "kid": 1}, claims()),
    "a payload that is not JSON": signed_by_hand({"alg": "RS256", "kid": "rsa"}, b"{"),
    "a payload that is not UTF-8": signed_by_hand({"alg": "RS256", "kid": "rsa"}, b"\xff"),
    "a payload that is a list": signed_by_hand({"alg": "RS256", "kid": "rsa"}, [claims()]),
    "a payload nested deeply": signed_by_hand({"alg": "RS256", "kid": "rsa"}, b"[" * 5000),
    "a number of 9,000 digits": signed_by_hand(
        {"alg": "RS256", "kid": "rsa"}, b'{"exp":' + b"9" * 9000 + b"}"
    ),
    "a token in a token": signed_by_hand({"alg": "RS256", "kid": "rsa"}, GOOD_SHAPE.encode()),
    "an unknown critical extension": token(crit=["exp"], exp=1),
    "an unencoded payload": signed_by_hand(
        {"alg": "RS256", "kid": "rsa", "b64": False, "crit": ["b64"]}, claims()
    ),
}


@pytest.mark.parametrize("presented", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_token_is_refused(presented: str, bench: Bench) -> None:
    assert bench.refusal(presented) is Refusal.MALFORMED


def public_pem() -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return rsa_key().public_key().public_bytes(encoding, form)


def with_shared_secret(secret: bytes, algorithm: str = "HS256") -> str:
    """Sign with HMAC by hand: PyJWT itself refuses a public key as a secret."""
    header = encoded({"alg": algorithm, "kid": "rsa", "typ": "JWT"})
    signed = f"{header}.{encoded(claims())}"
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{signed}.{encoded(hmac.sign(signed.encode(), secret))}"


def unsigned(algorithm: Any) -> str:
    return f"{encoded({'alg': algorithm, 'kid': 'rsa'})}.{encoded(claims())}.{SIGNATURE}"


WRONG_ALGORITHM = {
    "the public key as a shared secret": lambda: with_shared_secret(public_pem()),
    "the modulus as a shared secret": lambda: with_shared_secret(
        jwk("rsa", rsa_key())["n"].encode()
    ),
    "an empty shared secret": lambda: with_shared_secret(b""),
    "HS384": lambda: with_shared_secret(public_pem(), "HS384"),
    "none": lambda: unsigned("none"),
    "None": lambda: unsigned("None"),
    "nOnE": lambda: unsigned("nOnE"),
    "lower case": lambda: unsigned("rs256"),
    "empty": lambda: unsigned(""),
    "null": lambda: unsigned(None),
    "a list": lambda: unsigned(["RS256"]),
    "an object": lambda: unsigned({}),
    "missing": lambda: f"{encoded({'kid': 'rsa'})}.{PAYLOAD}.{SIGNATURE}",
    "of another curve": lambda: unsigned("ES256K"),
}


@pytest.mark.parametrize("forged", WRONG_ALGORITHM.values(), ids=WRONG_ALGORITHM)
def test_another_algorithm_is_refused(forged: Callable[[], str], bench: Bench) -> None:
    assert bench.refusal(forged()) is Refusal.ALGORITHM


def test_an_unsigned_token_is_refused_whatever_it_calls_itself(bench: Bench) -> None:
    by_library = jwt.encode(claims(), "", "none", {"kid": "rsa"})
    assert by_library.endswith(".")
    assert bench.refusal(by_library) is Refusal.MALFORMED


def test_an_algorithm_that_the_rules_leave_out_is_refused(bench: Bench) -> None:
    only = frozenset({"ES384", "RS384"})
    assert bench.refusal(token(), algorithms=only) is Refusal.ALGORITHM
    assert bench.verify(token(algorithm="RS384"), algorithms=only)


@pytest.mark.parametrize("algorithms", [{"HS256"}, {"none"}, {"RS256", "HS512"}, set()])
def test_rules_that_accept_a_shared_secret_cannot_be_made(algorithms: set[str]) -> None:
    with pytest.raises(ValueError, match="algorithms must be among"):
        replace(RULES, algorithms=frozenset(algorithms))
    with pytest.raises(ValueError, match="must be given"):
        replace(RULES, audience="")


def test_a_key_is_used_for_its_own_algorithms_only(bench: Bench) -> None:
    second = rsa_key("second")
    assert bench.refusal(token(claims(), second, "RS256", "rs384-only")) is Refusal.KEY
    assert bench.refusal(token(claims(), rsa_key(), "RS256", "p-256")) is Refusal.KEY
    assert bench.refusal(token(claims(), ec_key(), "ES256", "rsa")) is Refusal.KEY
    assert bench.refusal(token(claims(), ec_key(), "ES256", "p-384")) is Refusal.KEY


def test_a_token_must_name_a_published_key(bench: Bench) -> None:
    for key_id in (None, "", "RSA", "rsa ", "unknown", "../../dev/null", "' OR 1=1 --"):
        assert bench.refusal(token(key_id=key_id)) is Refusal.KEY


def test_a_key_that_the_token_brings_along_is_not_used(bench: Bench) -> None:
    own = rsa_key("attacker")
    presented = token(claims(), own, jwk=jwk("rsa", own), jku="https://a.example", x5u="https://a")
    assert bench.refusal(presented) is Refusal.SIGNATURE


@pytest.mark.parametrize(
    "forged",
    [
        token(claims(), rsa_key("attacker")),
        token(claims(), rsa_key("second")),
        f"{HEADER}.{encoded(claims(scope='admin'))}.{SIGNATURE}",
        f"{encoded({'alg': 'RS512', 'kid': 'rsa'})}.{PAYLOAD}.{SIGNATURE}",
        f"{encoded({'alg': 'PS256', 'kid': 'rsa'})}.{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}.{encoded(bytes(256))}",
        f"{HEADER}.{PAYLOAD}.AAAA",
        f"{encoded({'alg': 'ES256', 'kid': 'p-256'})}.{PAYLOAD}.{encoded(bytes(64))}",
    ],
)
def test_another_signature_is_refused(forged: str, bench: Bench) -> None:
    assert bench.refusal(forged) is Refusal.SIGNATURE


@pytest.mark.parametrize("kind", ["JWE", "logout+jwt", "dpop+jwt", "", 5, ["JWT"]])
def test_a_token_of_another_type_is_refused(kind: Any, bench: Bench) -> None:
    presented = signed_by_hand({"alg": "RS256", "kid": "rsa", "typ": kind}, claims())
    assert bench.refusal(presented) is Refusal.TYPE


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_the_types_of_access_tokens_are_taken(kind: str, bench: Bench) -> None:
    assert bench.verify(token(typ=kind))


WRONG_ISSUERS = [
    "",
    ISSUER + "/",
    ISSUER[:-1],
    ISSUER.upper(),
    "https://attacker.example",
    [ISSUER],
]
WRONG_AUDIENCES: list[Any] = [
    None,
    "",
    AUDIENCE[:-1],
    AUDIENCE + "/",
    AUDIENCE + "/v1",
    AUDIENCE.upper(),
    AUDIENCE.replace("https", "http"),
    " " + AUDIENCE,
    f"{AUDIENCE} https://other.example",
    "https://other.example",
    [],
    ["https://other.example"],
    [AUDIENCE[:-1], AUDIENCE + "x"],
    [[AUDIENCE]],
    {AUDIENCE: AUDIENCE},
    1,
    True,
]


@pytest.mark.parametrize("issuer", [None, *WRONG_ISSUERS])
def test_another_issuer_is_refused(issuer: Any, bench: Bench) -> None:
    # By hand, as PyJWT itself does not sign an issuer that is a list.
    presented = signed_by_hand({"alg": "RS256", "kid": "rsa"}, claims(iss=issuer))
    assert bench.refusal(presented) is Refusal.ISSUER


@pytest.mark.parametrize("audience", WRONG_AUDIENCES)
def test_another_audience_is_refused(audience: Any, bench: Bench) -> None:
    assert bench.refusal(token(claims(aud=audience))) is Refusal.AUDIENCE


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["https://other.example", AUDIENCE]])
def test_the_audience_may_be_one_of_several(audience: Any, bench: Bench) -> None:
    assert bench.verify(token(claims(aud=audience)))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"exp": NOW - 30}, Refusal.EXPIRED),
        ({"exp": 0}, Refusal.EXPIRED),
        ({"exp": NOW - 30, "iat": NOW - 60}, Refusal.EXPIRED),
        ({"nbf": NOW + 31}, Refusal.NOT_YET),
        ({"iat": NOW + 31}, Refusal.NOT_YET),
        ({"iat": NOW - 10, "exp": NOW + 3591}, Refusal.LIFETIME),
        ({"iat": None, "exp": NOW + 3631}, Refusal.LIFETIME),
        ({"exp": 1e12}, Refusal.LIFETIME),
        ({"iat": 0}, Refusal.LIFETIME),
        ({"exp": None}, Refusal.CLAIM),
        ({"exp": str(NOW + 300)}, Refusal.CLAIM),
        ({"exp": True}, Refusal.CLAIM),
        ({"exp": [NOW + 300]}, Refusal.CLAIM),
        ({"exp": float("nan")}, Refusal.CLAIM),
        ({"exp": float("inf")}, Refusal.CLAIM),
        ({"exp": 10**400}, Refusal.CLAIM),
        ({"exp": -1}, Refusal.CLAIM),
        ({"nbf": "soon"}, Refusal.CLAIM),
        ({"iat": -(10**400)}, Refusal.CLAIM),
        ({"iat": float("-inf")}, Refusal.CLAIM),
        ({"sub": None}, Refusal.CLAIM),
        ({"sub": ""}, Refusal.CLAIM),
        ({"sub": 5}, Refusal.CLAIM),
        ({"jti": None}, Refusal.CLAIM),
        ({"jti": ""}, Refusal.CLAIM),
        ({"jti": 5}, Refusal.CLAIM),
    ],
    ids=str,
)
def test_a_token_is_refused_for_its_times_and_claims(
    changes: dict[str, Any], refusal: Refusal, bench: Bench
) -> None:
    presented = signed_by_hand({"alg": "RS256", "kid": "rsa"}, claims(**changes))
    assert bench.refusal(presented) is refusal


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
        {"iat": NOW + 30},
        {"nbf": NOW + 30},
        {"iat": NOW, "exp": NOW + 3600},
        {"iat": None, "exp": NOW + 3600},
        {"nbf": None},
        {"sub": "\ud800"},
        {"jti": "\x00" * 1000},
    ],
    ids=str,
)
def test_at_its_limits_a_token_is_taken(changes: dict[str, Any], bench: Bench) -> None:
    assert bench.verify(signed_by_hand({"alg": "RS256", "kid": "rsa"}, claims(**changes)))


def test_a_token_is_taken_once(bench: Bench) -> None:
    async def show_thrice() -> list[str]:
        verifier = bench.verifier()
        outcomes = []
        for presented in (first, first, with_same_id):
            try:
                await verifier.verify(presented)
                outcomes.append("taken")
            except TokenError as error:
                outcomes.append(error.refusal.value)
        return outcomes

    first, with_same_id = token(claims(jti="same")), token(claims(jti="same", exp=NOW + 200))
    assert asyncio.run(show_thrice()) == ["taken", "replayed", "replayed"]


def test_a_refused_token_does_not_use_its_id_up(bench: Bench) -> None:
    async def show() -> VerifiedToken:
        verifier = bench.verifier()
        for bad in (token(claims(jti="same", aud="x")), token(claims(jti="same"), rsa_key("x"))):
            with pytest.raises(TokenError):
                await verifier.verify(bad)
        return await verifier.verify(token(claims(jti="same")))

    assert asyncio.run(show())


def test_where_the_rules_allow_it_a_token_is_taken_until_it_expires(bench: Bench) -> None:
    async def show_twice() -> bool:
        verifier = bench.verifier(single_use=False)
        presented = token(claims(jti=None))
        return await verifier.verify(presented) == await verifier.verify(presented)

    assert asyncio.run(show_twice())


def test_where_the_rules_ask_for_no_subject_the_issuer_is_the_caller(bench: Bench) -> None:
    verified = bench.verify(token(claims(sub=None)), subject_required=False)
    assert verified.caller_id == caller_id(ISSUER, "")
    assert bench.refusal(token(claims(sub="")), subject_required=False) is Refusal.CLAIM


@pytest.mark.parametrize(
    ("granted", "scopes"),
    [
        ({"scope": "predict"}, {"predict"}),
        ({"scope": " audit  predict admin "}, {"predict", "audit", "admin"}),
        ({"scope": None, "scp": "predict audit"}, {"predict", "audit"}),
        ({"scope": None, "scp": ["predict", 5, None, ["admin"]]}, {"predict"}),
        ({"scope": "audit", "scp": "admin"}, {"audit"}),
        ({"scope": None}, set()),
        ({"scope": ""}, set()),
        ({"scope": "predictions Predict predict,admin openid system/*.read"}, set()),
        ({"scope": {"predict": True}}, set()),
        ({"scope": 5}, set()),
    ],
)
def test_scopes_are_those_that_a_token_names(
    granted: dict[str, Any], scopes: set[str], bench: Bench
) -> None:
    assert bench.verify(token(claims(**granted))).scopes == scopes


@settings(deadline=None)
@given(st.data())
def test_a_token_that_was_changed_anywhere_never_verifies(
    bench: Bench, data: st.DataObject
) -> None:
    original = data.draw(st.sampled_from(ORIGINALS))
    presented = data.draw(changed(original))
    if presented != original:
        with pytest.raises(TokenError):
            bench.verify(presented)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True))
def test_no_text_verifies(bench: Bench, presented: str) -> None:
    with pytest.raises(TokenError):
        bench.verify(presented)


ORIGINALS = [
    GOOD_SHAPE,
    token(claims(), ec_key(), "ES256", "p-256"),
    token(claims(), ed_key(), "EdDSA", "ed25519"),
]


@st.composite
def changed(draw: st.DrawFn, original: str) -> str:
    """Return a token with a stretch of it replaced, doubled, swapped or recoded."""
    at = draw(st.integers(0, len(original)))
    to = draw(st.integers(at, min(len(original), at + 40)))
    letters = st.characters(codec="ascii") | st.sampled_from("AQgw-_=.")
    replacement = draw(
        st.text(letters, max_size=5)
        | st.sampled_from([original[at:to] * 2, original[at:to].swapcase(), original[at:to][::-1]])
    )
    return original[:at] + replacement + original[to:]
