"""What may sign a token: asymmetric algorithms, never HS* (a shared secret) or `none`."""

from typing import Literal, get_args

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
ALGORITHMS: frozenset[str] = frozenset(get_args(Algorithm))
