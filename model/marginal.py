"""E[exp(-Λ exp(σ Z))], Z standard normal, by as many Gauss-Hermite nodes as σ asks for."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARGINAL_TOLERANCE = 1e-10
"""Largest difference from the mean, for every Λ, of what few nodes give."""

NODES_BY_SPREAD = (
    (4, 0.06),
    (5, 0.10),
    (6, 0.14),
    (7, 0.18),
    (8, 0.22),
    (10, 0.27),
    (12, 0.33),
    (16, 0.42),
    (20, 0.50),
    (24, 0.57),
    (32, 0.69),
)
"""How many nodes keep `MARGINAL_TOLERANCE` up to which σ; found by trying, held by a test."""

MOST_NODES = 48
"""As many as one patient's curve takes, whatever σ."""


def nodes_for(spread: float) -> int:
    """Return how many nodes σ asks for."""
    return next((nodes for nodes, largest in NODES_BY_SPREAD if spread <= largest), MOST_NODES)


@cache
def half_rule(nodes: int) -> tuple[float, list[tuple[float, float]]]:
    """Return the weight of the node 0 (0.0 where it is none), and positive nodes with weights.

    Each positive node stands for its mirror image too, with the same weight.
    """
    places, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    pairs = list(zip(places.tolist(), weights.tolist(), strict=True))
    middle = pairs[nodes // 2][1] if nodes % 2 else 0.0
    return middle, pairs[(nodes + 1) // 2 :]


def marginal_survival(minus_hazard: Floats, spread: Floats, out: Floats) -> None:
    """Average exp(-Λ) over a spread of log Λ.

    Parameters
    ----------
    minus_hazard : shape (h, n), -Λ at the expected covariates
    spread : shape (n,), σ, the standard deviation of log Λ
    out : shape (h, n), receives the averages
    """
    middle, half = half_rule(nodes_for(float(spread.max(initial=0.0))))
    np.exp(minus_hazard, out=out)
    out *= middle
    term = np.empty_like(minus_hazard)
    factor = np.empty_like(spread)
    for node, weight in half:
        np.multiply(spread, node, out=factor)
        np.exp(factor, out=factor)
        for combine in (np.multiply, np.divide):
            combine(minus_hazard, factor, out=term)
            np.exp(term, out=term)
            term *= weight
            out += term
