"""What is expected of unknown covariates, once for each set of covariates that is unknown.

The arithmetic is that of `model.cox.ExpectedCovariates`, which says why it is so; what
depends on the patient alone is left to be done for many patients at once.
"""

from threading import Lock

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel
from model.horizon_terms import Unknown
from model.patient import COVARIATES

Floats = NDArray[np.float64]
Masks = NDArray[np.uint16]

_STAND_IN = -1000.0
"""Of an unknown value, whose weight is 0; less than any value, or logarithm of one."""


class UnknownPatterns:
    """Regressions on the known covariates, for a model's 2^p patterns, each found when asked for.

    A pattern is a bit mask: bit j is set where the j-th covariate of the model is unknown.

    Attributes
    ----------
    binaries : shape (b,), places of the covariates that are 0 or 1
    weights : shape (2^p, p, p + 1); `weights[pattern] @ x` of transformed covariates x and
        a 1 are the known covariates and the conditional means of the unknown, of whose own
        values the weight is 0
    variances : shape (2, 1 + b + b², 2^p), b'Cb and b'Cb + tr(V C), each as the factors of
        1, g and g g', g being the standard deviation √(p(1 - p)) of each binary
    """

    def __init__(self, cox: CoxModel) -> None:
        names = cox.design.names
        self._cox = cox
        self._lock = Lock()
        self._found = np.zeros(2 ** len(names), dtype=bool)
        self.binaries = np.flatnonzero([COVARIATES[name].is_binary for name in names])
        terms = 1 + len(self.binaries) + len(self.binaries) ** 2
        self.weights = np.zeros((len(self._found), len(names), len(names) + 1))
        self.variances = np.zeros((2, terms, len(self._found)))

    def find(self, patterns: Masks) -> None:
        """Make sure that the terms of these patterns are there."""
        with self._lock:
            wanted = patterns[~self._found[patterns]]
            if len(wanted):
                self._fill(wanted)
                self._found[wanted] = True

    def by_spread(self, patterns: Masks) -> Masks:
        """Return patterns that were found, the one that leaves η the least uncertain first."""
        factors = self._factors_of(np.full((len(self.binaries), 1), 0.5))
        largest = factors[:, 0] @ self.variances[0][:, patterns]
        return patterns[np.argsort(largest, kind="stable")]

    def expect(self, x: Floats, pattern: Masks, out: Floats) -> Unknown:
        """Write the covariates with what is expected of the unknown; return what that leaves open.

        Parameters
        ----------
        x : shape (p + 1, n), transformed, NaN where unknown, the last row 1; overwritten
        pattern : shape (n,), found; patients of one pattern stand together
        out : shape (p, n)
        """
        np.fmax(x, _STAND_IN, out=x)
        starts = np.flatnonzero(np.diff(pattern, prepend=pattern[0] ^ 1))
        stops = np.append(starts[1:], len(pattern))
        patterns = pattern[starts]
        runs = [slice(*of) for of in zip(starts.tolist(), stops.tolist(), strict=True)]
        for number, run in zip(patterns.tolist(), runs, strict=True):
            np.matmul(self.weights[number], x[:, run], out=out[:, run])
        chance = np.clip(out[self.binaries], 0.0, 1.0)
        out[self.binaries] = chance
        factors = self._factors_of(np.sqrt(chance * (1 - chance)))
        each = np.repeat(self.variances[:, :, patterns], stops - starts, axis=2)
        variances = np.einsum("vfn,fn->vn", each, factors)
        return Unknown(np.maximum(variances[0], 0.0), variances[1])

    def _factors_of(self, g: Floats) -> Floats:
        """Return 1, g and g g', shape (1 + b + b², n)."""
        b, n = g.shape
        return np.concatenate([np.ones((1, n)), g, (g[:, None] * g).reshape(b * b, n)])

    def _fill(self, patterns: Masks) -> None:
        sigma = self._cox.covariate_covariance
        places = np.arange(len(sigma))
        unknown = (patterns[:, None] >> places & 1).astype(np.float64)
        known = 1 - unknown
        # With the unknown rows and columns those of the identity, all patterns have one shape.
        among_known = known[:, :, None] * sigma * known[:, None, :] + unknown[:, :, None] * np.eye(
            len(sigma)
        )
        of_unknown = known[:, :, None] * sigma * unknown[:, None, :]
        weights = np.linalg.solve(among_known, of_unknown)
        covariance = unknown[:, :, None] * sigma * unknown[:, None, :]
        covariance -= np.swapaxes(of_unknown, 1, 2) @ weights
        mean, sd = self._cox.design.mean, self._cox.design.sd
        slopes = sd[:, None] * np.swapaxes(weights, 1, 2) / sd
        self.weights[patterns, :, -1] = unknown * mean - slopes @ mean
        self.weights[patterns, :, :-1] = slopes + known[:, :, None] * np.eye(len(sigma))
        b, v = self._cox.coefficients, self._cox.covariance
        self.variances[0][:, patterns] = self._coefficients(covariance, np.outer(b, b))
        self.variances[1][:, patterns] = self._coefficients(covariance, np.outer(b, b) + v)

    def _coefficients(self, covariance: Floats, matrix: Floats) -> Floats:
        """Return Σ matrix ∘ C, C having g in place of a binary's own standard deviation."""
        each, binaries = matrix * covariance, self.binaries
        own = np.diagonal(covariance, axis1=1, axis2=2)[:, binaries]
        sd = self._cox.design.sd[binaries]
        per_sd = np.divide(
            1, np.sqrt(np.maximum(own, 0)) * sd, out=np.zeros_like(own), where=own > 0
        )
        others = np.setdiff1d(np.arange(len(matrix)), binaries)
        constant = each[:, others][:, :, others].sum(axis=(1, 2))
        linear = 2 * each[:, others][:, :, binaries].sum(axis=1) * per_sd
        square = each[:, binaries][:, :, binaries] * per_sd[:, :, None] * per_sd[:, None, :]
        return np.concatenate(
            [constant[:, None], linear, square.reshape(len(square), -1)], axis=1
        ).T
