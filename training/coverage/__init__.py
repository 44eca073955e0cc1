"""Whether the intervals hold what they say: a simulation and its committed results."""
