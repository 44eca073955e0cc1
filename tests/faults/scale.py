"""How much is thrown: little in `make test`, much in `make soak` (`TEST_SCALE=soak`)."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How often each fault happens."""

    kills: int
    hostile_bodies: int
    predictions: int
    reloads: int
    requests_traced: int
    fuzz_seconds: int


_SCALES = {
    "small": Scale(
        kills=5,
        hostile_bodies=500,
        predictions=50_000,
        reloads=20,
        requests_traced=60,
        fuzz_seconds=20,
    ),
    "soak": Scale(
        kills=50,
        hostile_bodies=10_000,
        predictions=1_000_000,
        reloads=100,
        requests_traced=1_000,
        fuzz_seconds=1_800,
    ),
}

SCALE = _SCALES[os.environ.get("TEST_SCALE", "small")]
