"""Residuals of a fitted Cox model: martingale, dfbeta and scaled Schoenfeld."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.cox import Ties

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """Residuals of a Cox model, rows in the order of the data.

    Attributes
    ----------
    martingale : shape (n,), deaths less expected deaths
    dfbeta : shape (n, p), approximate change of the coefficients were a row left out
    death_months : shape (d,), ascending
    scaled_schoenfeld : shape (d, p), the coefficient as it seems at each death
    """

    martingale: Floats
    dfbeta: Floats
    death_months: Floats
    scaled_schoenfeld: Floats


def residuals(
    design: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    coefficients: Floats,
    covariance: Floats,
    ties: Ties = Ties.EFRON,
) -> Residuals:
    """Compute the residuals of a fitted model.

    Match R's ``residuals(fit, type = )`` "martingale", "dfbeta" and "scaledsch"
    (Therneau & Grambsch 2000, sections 4.2, 6.2 and 7.2).

    Parameters
    ----------
    design : shape (n, p)
    months, death : shape (n,)
    coefficients, covariance : shape (p,) and (p, p), of the fit
    """
    centred = design - design.mean(axis=0)
    predictor = centred @ coefficients
    weight = np.exp(predictor - predictor.max())
    martingale = death.astype(np.float64)
    score = np.zeros_like(centred)
    order = np.argsort(months, kind="stable")
    deaths_in_order = order[death[order]]
    schoenfeld = np.empty((len(deaths_in_order), design.shape[1]))
    done = 0
    for time in np.unique(months[death]):
        at_risk = months >= time
        dying = death & (months == time)
        count = int(dying.sum())
        mean_at_time = np.zeros(design.shape[1])
        for step in range(count):
            fraction = step / count if ties is Ties.EFRON else 0.0
            share = weight * at_risk * np.where(dying, 1 - fraction, 1.0)
            hazard = share / share.sum()
            mean = hazard @ centred
            martingale -= hazard
            score -= hazard[:, None] * (centred - mean)
            mean_at_time += mean / count
        score[dying] += centred[dying] - mean_at_time
        schoenfeld[done : done + count] = (
            centred[deaths_in_order[done : done + count]] - mean_at_time
        )
        done += count
    return Residuals(
        martingale=martingale,
        dfbeta=score @ covariance,
        death_months=months[deaths_in_order],
        scaled_schoenfeld=coefficients + len(deaths_in_order) * schoenfeld @ covariance,
    )
