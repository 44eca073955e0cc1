"""An issuer of tokens with real keys, and a real server of its key set that can misbehave."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/realm"
AUDIENCE = "https://hsct2.example/api"
SUBJECT = "zebedee@ward.example"
NOW = 1_800_000_000.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Answer = Callable[[BaseHTTPRequestHandler], None]


@cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key_id: str | None, key: PrivateKey, **members: Any) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        document = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        document = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        document = OKPAlgorithm.to_jwk(public, as_dict=True)
    document.pop("key_ops", None)
    return document | ({} if key_id is None else {"kid": key_id}) | members


def claims(now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; a change to None leaves one out."""
    every = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": SUBJECT,
        "iat": int(now),
        "exp": int(now) + 300,
        "jti": uuid4().hex,
        "scope": "openid predict",
        **changes,
    }
    return {name: value for name, value in every.items() if value is not None}


def token(
    content: Mapping[str, Any] | None = None,
    key: PrivateKey | None = None,
    algorithm: str = "RS256",
    key_id: str | None = "rsa",
    **header: Any,
) -> str:
    """Return a signed token, by default a good one."""
    named = ({} if key_id is None else {"kid": key_id}) | header
    return jwt.encode(
        dict(claims() if content is None else content), key or rsa_key(), algorithm, named
    )


def encoded(part: Any) -> str:
    """Return a part of a token; bytes as they are, anything else as JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_by_hand(header: Any, payload: Any) -> str:
    """Return a token with a genuine RS256 signature over whatever it holds."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    signature = rsa_key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{encoded(signature)}"


def answering(
    content: bytes | dict[str, Any], status: int = 200, **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return what answers with this body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def keys(*documents: dict[str, Any]) -> Answer:
    """Return what answers with a set of these keys."""
    return answering({"keys": list(documents)})


class JwksServer:
    """A server on loopback that answers each request as `answer` says at that time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests = 0

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                try:
                    outer.answer(self)
                except OSError:  # the client has had enough
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        return self

    @property
    def settings(self) -> dict[str, str]:
        """What a service that takes the issuer's tokens is set to."""
        return {
            "auth": "jwt",
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
            "jwt_jwks_url": self.url,
            "jwt_allowed_hosts": '["127.0.0.1"]',
        }

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
