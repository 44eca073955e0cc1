"""Many Cox fits at once, for simulations that need hundreds of them per data set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_HALVINGS = 30
_LEAST_CURVATURE = 1e-10
"""Added to the Hessian, so that a singular fit takes a wild step and sinks no other."""


@dataclass(frozen=True)
class BatchData:
    """Data of b fits, rows in ascending order of follow-up.

    No two deaths share a time, unless they are copies of one row, as in a bootstrap
    resample: there Efron's method gives what one copy after the other gives.

    Attributes
    ----------
    design : shape (b, n, p)
    dying : shape (b, n), 1 for the rows whose follow-up ended by death, else 0
    present : shape (b, n), 1 for the rows that are part of the fit, else 0
    """

    design: Floats
    dying: Floats
    present: Floats

    @classmethod
    def of_rows(
        cls, design: Floats, death: NDArray[np.bool_], rows: NDArray[np.intp]
    ) -> "BatchData":
        """Take rows of one data set, shape (b, n), ascending, for each fit."""
        return cls(design[rows], death[rows].astype(np.float64), np.ones(rows.shape))

    @classmethod
    def of_parts(
        cls, design: Floats, death: NDArray[np.bool_], present: NDArray[np.bool_]
    ) -> "BatchData":
        """Leave some rows of one data set out of each fit; `present` has shape (b, n)."""
        shared = np.broadcast_to(design, (len(present), *design.shape))
        return cls(shared, (present & death).astype(np.float64), present.astype(np.float64))

    def __getitem__(self, fits: NDArray[np.bool_]) -> "BatchData":
        return BatchData(self.design[fits], self.dying[fits], self.present[fits])

    def value(self, coefficients: Floats) -> Floats:
        """Return each fit's partial log-likelihood at coefficients (b, p), shape (b,)."""
        predictor, hazard, _ = self._hazard(coefficients)
        return self._value(predictor, _from_here_on(hazard))

    def evaluate(self, coefficients: Floats) -> tuple[Floats, Floats, Floats]:
        """Return value (b,), score (b, p) and information (b, p, p)."""
        predictor, hazard, _ = self._hazard(coefficients)
        total = _from_here_on(hazard)
        per_death = self._per_death(total)
        exposure = hazard * np.cumsum(per_death, axis=1)
        mean = _from_here_on(hazard[..., None] * self.design) * per_death[..., None]
        score = np.matmul((self.dying - exposure)[:, None, :], self.design)[:, 0]
        second = np.matmul(np.swapaxes(self.design, 1, 2), exposure[..., None] * self.design)
        information = second - np.matmul(np.swapaxes(mean, 1, 2), mean)
        return self._value(predictor, total), score, information

    def baseline(self, coefficients: Floats, months: Floats, horizons: Floats) -> Floats:
        """Return the cumulative hazard where all covariates are 0, shape (b, h).

        `months` are those of the rows, shape (b, n); `horizons` has shape (h,).
        """
        _, hazard, peak = self._hazard(coefficients)
        steps = self._per_death(_from_here_on(hazard)) * np.exp(-peak)
        return np.stack([(steps * (months <= t)).sum(axis=1) for t in horizons], axis=1)

    def _hazard(self, coefficients: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the predictor less its peak, its exponential, and the peak (b, 1)."""
        predictor = np.matmul(self.design, coefficients[..., None])[..., 0]
        peak = predictor.max(axis=1, keepdims=True)
        return predictor - peak, np.exp(predictor - peak) * self.present, peak

    def _per_death(self, total: Floats) -> Floats:
        return np.divide(self.dying, total, out=np.zeros_like(total), where=self.dying > 0)

    def _value(self, predictor: Floats, total: Floats) -> Floats:
        log_total = np.log(total, out=np.zeros_like(total), where=self.dying > 0)
        return np.asarray((self.dying * (predictor - log_total)).sum(axis=1))


_State = tuple[Floats, Floats, Floats]


def fit_batch(
    data: BatchData, penalty: Floats, *, tolerance: float = 1e-8, max_iterations: int = 50
) -> Floats:
    """Maximise each penalised partial likelihood as `training.cox.fit_newton` does.

    Parameters
    ----------
    penalty : shape (b, p), α of ½ Σ αⱼ βⱼ²
    tolerance : largest last step; a further step changes the result by its square

    Returns
    -------
    Shape (b, p); a row of NaN where a fit did not settle
    """
    beta = np.full(penalty.shape, np.nan)
    active = np.arange(len(penalty))
    at = np.zeros(penalty.shape)
    state = data.evaluate(at)
    for _ in range(max_iterations):
        at, state, length = _step(data, penalty, at, state)
        settled = length < tolerance
        beta[active[settled]] = at[settled]
        going = ~settled & np.isfinite(length)
        if not going.any():
            break
        active, at, penalty, data = active[going], at[going], penalty[going], data[going]
        state = (state[0][going], state[1][going], state[2][going])
    return beta


def _step(
    data: BatchData, penalty: Floats, beta: Floats, state: _State
) -> tuple[Floats, _State, Floats]:
    """Take one Newton step in each fit, halved where it overshoots; return its length too."""
    value, score, information = state
    objective = value - 0.5 * (penalty * beta**2).sum(axis=1)
    diagonal = (penalty + _LEAST_CURVATURE)[:, :, None] * np.eye(penalty.shape[1])
    step = np.linalg.solve(information + diagonal, (score - penalty * beta)[..., None])[..., 0]
    for _ in range(_MOST_HALVINGS):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # far out: halved
            state = data.evaluate(beta + step)
        reached = state[0] - 0.5 * (penalty * (beta + step) ** 2).sum(axis=1)
        worse = ~(reached >= objective - 1e-9 * np.abs(objective))
        if not worse.any():
            break
        step = np.where(worse[:, None], step / 2, step)
    return beta + step, state, np.abs(step).max(axis=1)


def _from_here_on(terms: Floats) -> Floats:
    """Return for each row the sum over it and all later rows."""
    return np.asarray(np.cumsum(terms[:, ::-1], axis=1)[:, ::-1])
