"""Few nodes give the mean that many give, as closely as is said."""

import numpy as np
import pytest

from model.marginal import (
    MARGINAL_TOLERANCE,
    MOST_NODES,
    NODES_BY_SPREAD,
    marginal_survival,
    nodes_for,
)

LOG_HAZARD = np.linspace(-20, 10, 3001)


def trapezium(spread: float) -> np.ndarray:
    """Return the mean by the trapezium rule, which converges fastest of all on a bell."""
    z = np.linspace(-14, 14, 1401)
    weights = np.exp(-(z**2) / 2)
    hazard = np.exp(LOG_HAZARD[:, None] + spread * z)
    return np.asarray(np.exp(-hazard) @ weights / weights.sum())


@pytest.mark.parametrize("nodes", [nodes for nodes, _ in NODES_BY_SPREAD])
def test_the_nodes_suffice_up_to_their_spread_whatever_the_hazard(nodes):
    fewer = max((largest for n, largest in NODES_BY_SPREAD if n < nodes), default=0.0)
    largest = dict(NODES_BY_SPREAD)[nodes]
    for spread in np.linspace(fewer, largest, 6)[1:]:
        assert nodes_for(spread) == nodes
        out = np.empty((1, len(LOG_HAZARD)))
        marginal_survival(-np.exp(LOG_HAZARD)[None], np.full(len(LOG_HAZARD), spread), out)
        assert np.abs(out[0] - trapezium(spread)).max() < MARGINAL_TOLERANCE


def test_a_spread_beyond_the_table_takes_as_many_nodes_as_one_patient_does():
    assert nodes_for(0.7) == nodes_for(5.0) == MOST_NODES
    places, weights = np.polynomial.hermite_e.hermegauss(MOST_NODES)
    hazard = np.array([[0.1, 1.0], [0.5, 3.0]])
    spread = np.array([0.9, 1.4])
    out = np.empty_like(hazard)
    marginal_survival(-hazard, spread, out)
    expected = np.exp(-hazard[..., None] * np.exp(spread[:, None] * places)) @ weights
    np.testing.assert_allclose(out, expected / weights.sum(), rtol=1e-13)


def test_without_spread_the_mean_is_the_value():
    hazard = np.array([[0.0, 0.3, 800.0]])
    out = np.empty_like(hazard)
    marginal_survival(-hazard, np.zeros(3), out)
    np.testing.assert_allclose(out, np.exp(-hazard), rtol=1e-15)
