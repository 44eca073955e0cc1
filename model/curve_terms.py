"""What every survival curve of one model rests on, computed once from the fitted model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CurveTerms:
    """The part of the curve's formulas that no patient enters.

    With V = LL′, Var Λ(t|x) / Λ(t|x)² = VH / Λ0² + ‖L′x - L′a / Λ0‖², which is
    [VH + q′Vq] / Λ0² with q = Λ0 x - a (`model.survival.SurvivalCurve`).

    Attributes
    ----------
    months : shape (k,), death times up to the model's last
    hazard, log_hazard : shape (k,), Λ0 and its logarithm
    variance : shape (k,), VH / Λ0²
    root : shape (p, p), L
    at_risk : shape (k, p), L′a / Λ0: the mean covariates of those at risk, times L
    limit_months : τ, where the restricted mean ends
    steps_to_limit : how many of the k times are before τ
    widths : shape (steps_to_limit,), months from each of these times to the next, or τ
    widths_per_hazard : shape (steps_to_limit,), these widths over Λ0
    months_of_certainty : time before the first death, or τ, in which survival is 1
    variance_increments_reversed : shape (steps_to_limit,), of VH at these times, the last first
    steps_at_limit : how many of the k times are not after τ
    """

    months: Floats
    hazard: Floats
    log_hazard: Floats
    variance: Floats
    root: Floats
    at_risk: Floats
    limit_months: float
    steps_to_limit: int
    widths: Floats
    widths_per_hazard: Floats
    months_of_certainty: float
    variance_increments_reversed: Floats
    steps_at_limit: int

    @classmethod
    def of(
        cls,
        months: Floats,
        hazard: Floats,
        hazard_variance: Floats,
        hazard_mean: Floats,
        covariance: Floats,
        limit_months: float,
    ) -> "CurveTerms":
        """Compute the terms from a model's arrays, which end with its last time."""
        root = _root(covariance)
        inside = int(np.searchsorted(months, limit_months, side="left"))
        edges = np.append(months[:inside], limit_months)
        increments = np.diff(hazard_variance[:inside], prepend=0.0)
        return cls(
            months=months,
            hazard=hazard,
            log_hazard=np.log(hazard),
            variance=hazard_variance / hazard**2,
            root=root,
            at_risk=hazard_mean / hazard[:, None] @ root,
            limit_months=limit_months,
            steps_to_limit=inside,
            widths=np.diff(edges),
            widths_per_hazard=np.diff(edges) / hazard[:inside],
            months_of_certainty=float(edges[0]),
            variance_increments_reversed=increments[::-1].copy(),
            steps_at_limit=int(np.searchsorted(months, limit_months, side="right")),
        )


def _root(covariance: Floats) -> Floats:
    """Return L with V = LL′; unlike Cholesky's, it exists where V is singular."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root
