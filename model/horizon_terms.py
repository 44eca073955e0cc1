"""What predictions at given horizons take of a model, and the arithmetic on many patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel
from model.kaplan_meier import normal_quantile
from model.marginal import marginal_survival

Floats = NDArray[np.float64]

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class Unknown:
    """What not knowing some covariates adds, shape (n,) each: b'Cb, and b'Cb + tr(V C)."""

    predictor_variance: Floats
    extra_variance: Floats


@dataclass(frozen=True)
class HorizonTerms:
    """What a prediction at given horizons takes of a model; k of them have a number.

    Attributes
    ----------
    horizons : shape (k,), their places among those asked for
    certain : places of those before the first death, where survival is 1
    withheld : places of all others than `horizons`
    hazard : shape (k, 1), Λ0
    of_transformed : shape (m, p + 1); applied to transformed covariates, neither centred nor
        scaled, and a 1 it gives x'β and, with limits, z L'(x - x̄) and its difference in
        square from horizon to horizon, z² (‖L'(x - x̄(t))‖² + VH/Λ0² - ‖L'(x - x̄)‖²), x here
        being standardised, with V = LL'
    quantile : z; None without limits
    """

    horizons: NDArray[np.intp]
    certain: NDArray[np.intp]
    withheld: NDArray[np.intp]
    hazard: Floats
    of_transformed: Floats
    quantile: float | None

    @classmethod
    def of(
        cls, cox: CoxModel, horizons: Sequence[float], confidence_level: float | None
    ) -> "HorizonTerms":
        """Take the terms of a model; without a confidence level, those of survival alone."""
        months = np.array(horizons)
        step = np.searchsorted(cox.months, months, side="right") - 1
        reached = months <= cox.last_months
        live = np.flatnonzero(reached & (step >= 0))
        quantile = None if confidence_level is None else normal_quantile(confidence_level)
        rows = np.append(cox.coefficients, 0.0)[None]
        if quantile is not None:
            rows = np.vstack([rows, *_rows_of_variance(cox, step[live], quantile)])
        p = len(cox.coefficients)
        standardise = np.eye(p + 1)
        standardise[:p, :p] /= cox.design.sd[:, None]
        standardise[:p, p] = -cox.design.mean / cox.design.sd
        return cls(
            horizons=live,
            certain=np.flatnonzero(reached & (step < 0)),
            withheld=np.setdiff1d(np.arange(len(months)), live),
            hazard=cox.hazard[step[live]][:, None],
            of_transformed=rows @ standardise,
            quantile=quantile,
        )

    def predict(
        self, covariates: Floats, unknown: Unknown | None, out: Sequence[Floats], work: Floats
    ) -> Floats:
        """Write survival, and with limits the lower and the upper; return hazard ratios.

        The fast form of `model.survival.SurvivalCurve`: what is the same at all horizons is
        done once, and the limits share their exponential.

        Parameters
        ----------
        covariates : shape (p + 1, n), transformed, the last row 1
        unknown : None where nothing was
        out : one or three arrays to write to, of shape (k, n) each
        work : shape (m, n), overwritten; kept from call to call it stays in the cache

        Returns
        -------
        Shape (n,), a part of `work`; NaN where any covariate is
        """
        np.matmul(self.of_transformed, covariates, out=work)
        ratio: Floats = np.clip(work[0], -_LARGEST_EXPONENT, _LARGEST_EXPONENT, out=work[0])
        np.exp(ratio, out=ratio)
        minus_hazard = np.multiply(-self.hazard, ratio, out=out[0] if unknown is None else None)
        if self.quantile is not None:
            self._write_limits(minus_hazard, unknown, out[1], out[2], work)
        if unknown is None:
            np.exp(minus_hazard, out=out[0])
        else:
            marginal_survival(minus_hazard, np.sqrt(unknown.predictor_variance), out[0])
        return ratio

    def _write_limits(
        self,
        minus_hazard: Floats,
        unknown: Unknown | None,
        lower: Floats,
        upper: Floats,
        work: Floats,
    ) -> None:
        p = self.of_transformed.shape[1] - 1
        distance, reach = work[1 : p + 1], work[p + 1 :]
        square = np.einsum("ij,ij->j", distance, distance)
        if unknown is not None:
            assert self.quantile is not None
            square += self.quantile**2 * unknown.extra_variance
        reach += square
        np.sqrt(reach, out=reach)
        with np.errstate(over="ignore"):  # survival 0 below and 1 above, as they should be
            np.exp(reach, out=reach)
            np.multiply(minus_hazard, reach, out=lower)
        np.divide(minus_hazard, reach, out=upper)
        np.exp(lower, out=lower)
        np.exp(upper, out=upper)


def _rows_of_variance(
    cox: CoxModel, steps: NDArray[np.intp], quantile: float
) -> tuple[Floats, Floats]:
    """Return z L'(x - x̄), with x̄ of the middle horizon, and each horizon's difference."""
    hazard = cox.hazard[steps][:, None]
    at_risk = cox.hazard_mean[steps] / hazard
    reference = at_risk[len(at_risk) // 2] if len(at_risk) else np.zeros(len(cox.coefficients))
    root = quantile * cox.curve_terms.root.T
    apart = (at_risk - reference) @ root.T
    linear = -2 * apart @ root
    constant = np.sum(apart**2, axis=1) + quantile**2 * (
        cox.hazard_variance[steps] / hazard[:, 0] ** 2
    )
    return (
        np.column_stack([root, -root @ reference]),
        np.column_stack([linear, constant - linear @ reference]),
    )
