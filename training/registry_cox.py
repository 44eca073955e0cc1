"""The Cox partial likelihood of a registry: the same sums as `training.cox`, block by block.

At a hundred thousand patients the time goes into moving arrays through memory. Here the
patients stand in blocks of columns that stay in the processor's cache while everything
that is wanted of them is summed.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from model.errors import FitError
from training.cox import PartialLikelihood, RiskSets, Ties, is_flat

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

REGISTRY_PATIENTS = 2_000
"""From this many patients on, `risk_sets_of` and `training.fit` count a cohort as a registry."""

_BLOCK = 2_048


def risk_sets_of(
    design: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    ties: Ties = Ties.EFRON,
    *,
    registry_patients: int = REGISTRY_PATIENTS,
) -> "RiskSets | RegistryRiskSets":
    """Return the risk sets of a cohort in the form that is quickest at its size."""
    form = RegistryRiskSets if len(months) >= registry_patients else RiskSets
    return form(design, months, death, ties)


class RegistryRiskSets:
    """Follow-up sorted once, latest first: a risk set is all rows down to its last."""

    def __init__(
        self,
        design: Floats,
        months: Floats,
        death: NDArray[np.bool_],
        ties: Ties = Ties.EFRON,
    ) -> None:
        """Sort the data; parameters and errors are those of `training.cox.RiskSets`."""
        n, self.covariates = design.shape
        order = np.argsort(months)[::-1]
        times = np.asarray(months, dtype=np.float64)[order]
        self._death = np.asarray(death, dtype=bool)[order]
        self._dying = self._death.astype(np.float64)
        self._deaths = np.flatnonzero(self._death)
        if not len(self._deaths):
            raise FitError("no_deaths", "no death was observed, so no hazard can be estimated")
        self._edges = [*range(0, n, _BLOCK), n]
        self._blocks = [
            np.ascontiguousarray(design[order[a:b]].T) for a, b in pairwise(self._edges)
        ]
        self._place_deaths(times, ties)
        self._variance = design.var(axis=0)

    def _place_deaths(self, times: Floats, ties: Ties) -> None:
        """Say of each death where its risk set ends, and which deaths it is tied with."""
        opens = np.append(True, times[1:] != times[:-1])
        of_time = np.cumsum(opens) - 1
        last = np.append(np.flatnonzero(opens)[1:], len(times)) - 1
        at = times[self._deaths]
        self._starts = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
        deaths = np.diff(np.append(self._starts, len(at)))
        self._group = np.repeat(np.arange(len(deaths)), deaths)
        self._end = last[of_time[self._deaths]]
        # The first group, latest first, in whose risk set a row is.
        self._first_group = np.searchsorted(-at[self._starts], -times, side="left")
        self._cuts = np.searchsorted(self._end, self._edges, side="left")
        within = np.arange(len(at)) - self._starts[self._group]
        self._fraction = within / deaths[self._group] if ties is Ties.EFRON else np.zeros(len(at))
        self._has_ties = bool(self._fraction.any())
        self._one_each = len(self._starts) == len(at)
        if self._has_ties:
            edges = np.searchsorted(self._deaths, self._edges)
            self._of_deaths = np.hstack(
                [
                    block[:, self._deaths[c:d] - a]
                    for block, a, (c, d) in zip(
                        self._blocks, self._edges, pairwise(edges), strict=False
                    )
                ]
            )

    def likelihood(self, coefficients: Floats) -> PartialLikelihood:
        """Evaluate the partial likelihood at coefficients of shape (p,)."""
        predictor = np.concatenate([coefficients @ block for block in self._blocks])
        predictor -= predictor.max()
        weight = np.exp(predictor)
        at_risk = np.cumsum(weight)[self._end]
        own = None
        if self._has_ties:
            dying = weight[self._deaths]
            at_risk -= self._fraction * np.add.reduceat(dying, self._starts)[self._group]
            own = np.add.reduceat(self._of_deaths * dying, self._starts, axis=1)
        per_death = 1 / at_risk
        exposed = weight * self._exposure(per_death)
        score, information = self._sums(weight, exposed, per_death, own)
        value = float(predictor[self._deaths].sum() - np.log(at_risk).sum())
        return PartialLikelihood(value, score, information)

    def _exposure(self, per_death: Floats) -> Floats:
        """Return for each row the hazard it was exposed to, per unit of its weight."""
        by_group = per_death if self._one_each else np.add.reduceat(per_death, self._starts)
        since = np.append(np.cumsum(by_group[::-1])[::-1], 0.0)
        exposure: Floats = since[self._first_group]
        if self._has_ties:
            reduction = np.add.reduceat(self._fraction * per_death, self._starts)
            exposure[self._deaths] -= reduction[self._group]
        return exposure

    def _sums(
        self, weight: Floats, exposed: Floats, per_death: Floats, own: Floats | None
    ) -> tuple[Floats, Floats]:
        """Return score and information."""
        p = self.covariates
        score, information = np.zeros(p), np.zeros((p, p))
        residual, root = self._dying - exposed, np.sqrt(exposed)
        above = np.zeros(p)
        for block, a, b, c, d in zip(
            self._blocks, self._edges, self._edges[1:], self._cuts, self._cuts[1:], strict=False
        ):
            score += block @ residual[a:b]
            scaled = block * root[a:b]
            information += scaled @ scaled.T
            np.multiply(block, weight[a:b], out=scaled)
            scaled[:, 0] += above
            np.cumsum(scaled, axis=1, out=scaled)
            above = scaled[:, -1].copy()
            if c == d:
                continue
            mean = scaled.take(self._end[c:d] - a, axis=1)
            if own is not None:
                mean -= self._fraction[c:d] * own[:, self._group[c:d]]
            mean *= per_death[c:d]
            information -= mean @ mean.T
        return score, information

    def is_flat(self, hessian: Floats) -> bool:
        """Whether a likelihood is flat in some direction, as `training.cox.RiskSets` says it."""
        return is_flat(hessian, self._variance, len(self._deaths))
