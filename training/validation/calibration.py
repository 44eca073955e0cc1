"""Whether as many patients survive as was predicted: slope, smooth curve and groups."""

import numpy as np
from numpy.typing import NDArray

from model.analysis import CalibrationPoint
from model.kaplan_meier import KaplanMeier
from training.validation.performance import Indices, Outcome
from training.validation.regression import regress

Floats = NDArray[np.float64]

POINTS = 25
_MOST_GROUPS = 5
_FEWEST_IN_A_GROUP = 10
_KNOTS = (0.1, 0.5, 0.9)
_CERTAIN = 1e-12


def curve_grid(survival: Floats) -> Floats:
    """Return the predicted survival at which curves are drawn, shape (h, 25).

    From the 5th to the 95th percentile of the predictions, shape (n, h).
    """
    ends: Floats = np.quantile(survival, [0.05, 0.95], axis=0)
    return np.linspace(ends[0], ends[1], POINTS, axis=1)


def calibrate(
    outcome: Outcome,
    drawn: Indices,
    linear_predictor: Floats,
    survival: Floats,
    horizons: Floats,
    grid: Floats,
) -> tuple[Floats, Floats]:
    """Return the calibration slopes and smooth calibration curves of B resamples.

    The slope is the coefficient of the linear predictor in a Cox model, as R's
    ``rms::validate``. The curve is that of Austin, Harrell & van Klaveren (2020): a Cox
    model on a restricted cubic spline (three knots, at the 10th, 50th and 90th percentile) of
    the complementary log-log of predicted survival, which under proportional hazards
    is the linear predictor and a constant. Where two knots are the same, as with
    few distinct predictions, the spline is a line.

    Parameters
    ----------
    outcome : of the n patients
    drawn : shape (B, n), places in the outcome, each row ascending
    linear_predictor : shape (B, n), of the patients by the model of each resample
    survival : shape (B, n, h), likewise, at the horizons
    horizons : shape (h,), months
    grid : shape (h, 25), predicted survival at which the curves are wanted

    Returns
    -------
    slopes, shape (B,), and observed survival on the grid, shape (B, h, 25); NaN where
    a regression has no maximum
    """
    centre = linear_predictor.mean(axis=1, keepdims=True)
    centred = linear_predictor - centre
    line = regress(outcome, drawn, centred[..., None], horizons, start=np.ones(1))
    knots = np.quantile(centred, _KNOTS, axis=1).T
    smooth = regress(outcome, drawn, _spline(centred, knots), horizons, start=np.array([1.0, 0.0]))
    offset = np.median(_log_log(survival) - centred[..., None], axis=1)
    at = _log_log(grid) - offset[..., None]
    size = len(drawn)
    covariates = _spline(at.reshape(size, -1), knots).reshape(*at.shape, 2)
    effect = np.clip(np.einsum("bhgq,bq->bhg", covariates, smooth.coefficients), -50, 50)
    return line.coefficients[:, 0], np.exp(-smooth.hazard[..., None] * np.exp(effect))


def _log_log(survival: Floats) -> Floats:
    inside: Floats = np.log(-np.log(np.clip(survival, _CERTAIN, 1 - _CERTAIN)))
    return inside


def _spline(x: Floats, knots: Floats) -> Floats:
    """Return x and its restricted cubic term, shape (B, m, 2), as R's ``Hmisc::rcspline.eval``.

    Parameters
    ----------
    x : shape (B, m)
    knots : shape (B, 3), ascending; where two are the same the cubic term is 0
    """
    first, middle, last = (knots[:, [k]] for k in range(3))
    width = last - first
    narrow = np.minimum(middle - first, last - middle) <= 1e-6 * np.maximum(width, 1e-6)
    gap, width = np.where(narrow, 1.0, last - middle), np.where(narrow, 1.0, width)

    def cubed(knot: Floats) -> Floats:
        above: Floats = np.maximum(x - knot, 0) ** 3
        return above

    cubic = cubed(first) - (cubed(middle) * width - cubed(last) * (middle - first)) / gap
    return np.stack([x, np.where(narrow, 0.0, cubic / width**2)], axis=2)


def calibration_groups(
    outcome: Outcome, survival: Floats, horizon_months: float
) -> list[CalibrationPoint]:
    """Compare mean predicted with Kaplan-Meier survival in groups of like prediction.

    Quintiles where each has ten patients and is followed to the horizon, else fewer.

    Parameters
    ----------
    outcome : of the n patients
    survival : shape (n,), predicted, in the outcome's order
    horizon_months : within the follow-up
    """
    most = max(1, min(_MOST_GROUPS, len(survival) // _FEWEST_IN_A_GROUP))
    for count in range(most, 1, -1):
        points = _groups(outcome, survival, horizon_months, count)
        if None not in points:
            return [point for point in points if point is not None]
    return [point for point in _groups(outcome, survival, horizon_months, 1) if point is not None]


def _groups(
    outcome: Outcome, survival: Floats, horizon_months: float, count: int
) -> list[CalibrationPoint | None]:
    edges = np.quantile(survival, np.arange(1, count) / count)
    group = np.searchsorted(edges, survival, side="left")
    return [_point(outcome, survival, horizon_months, group == g) for g in np.unique(group)]


def _point(
    outcome: Outcome, survival: Floats, horizon_months: float, inside: NDArray[np.bool_]
) -> CalibrationPoint | None:
    curve = KaplanMeier.estimate(outcome.months[inside], outcome.death[inside])
    # Nobody is left to follow where all have died: survival is known to be 0.
    extinct = curve.survival[-1] == 0
    observed = curve.at(min(horizon_months, curve.months[-1]) if extinct else horizon_months, 0.95)
    if observed is None or observed.estimate is None:
        return None
    return CalibrationPoint(
        predicted=float(survival[inside].mean()),
        observed=observed.estimate,
        lower=observed.lower,
        upper=observed.upper,
        patients=int(inside.sum()),
    )
