"""One patient's survival curve and the uncertainty of everything read from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel, ExpectedCovariates
from model.kaplan_meier import Estimate, normal_quantile

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(48)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class SurvivalCurve:
    """S(t) of one patient at the death times up to the last time of the model.

    The point is the probability averaged over the unknown covariates. The limits
    are those of this patient's own curve, the unknown values being fixed:
    log-log and pointwise, around the curve at the expected covariates.

    Attributes
    ----------
    model, covariates, confidence_level : what the curve was computed from
    months : shape (k,), death times
    survival : shape (k,)
    slope : shape (k,), -dS / d log Λ, for the delta method
    log_hazard : shape (k,), log Λ at the expected covariates
    variance : shape (k,), of log Λ: [VH + q'Vq] / Λ0² + b'Cb + tr(V C), with
        q(t) = ∫ (x - x̄(u)) dΛ0(u) (Kalbfleisch & Prentice 2002, section 4.3;
        R's ``survfit.coxph`` where nothing is unknown)
    extra_variance : b'Cb + tr(V C), what not knowing adds
    """

    model: CoxModel
    covariates: ExpectedCovariates
    confidence_level: float
    months: Floats
    survival: Floats
    slope: Floats
    log_hazard: Floats
    variance: Floats
    extra_variance: float

    @classmethod
    def of(
        cls, model: CoxModel, patient: ExpectedCovariates, confidence_level: float
    ) -> "SurvivalCurve":
        """Compute the curve of a patient under a model."""
        steps = slice(0, int(np.searchsorted(model.months, model.last_months, side="right")))
        predictor = float(patient.mean @ model.coefficients)
        log_hazard = np.log(model.hazard[steps]) + predictor
        q = _distance(model, patient.mean, steps)
        spread = model.hazard_variance[steps] + np.einsum("ij,jk,ik->i", q, model.covariance, q)
        extra = patient.extra_variance(model)
        nodes = np.sqrt(patient.predictor_variance(model)) * _NODES
        exponent = np.minimum(log_hazard[:, None] + nodes, _LARGEST_EXPONENT)
        hazard = np.exp(exponent)
        survival = np.exp(-hazard)
        return cls(
            model=model,
            covariates=patient,
            confidence_level=confidence_level,
            months=model.months[steps],
            survival=survival @ _WEIGHTS,
            slope=np.where(survival > 0, hazard * survival, 0.0) @ _WEIGHTS,
            log_hazard=log_hazard,
            variance=spread / model.hazard[steps] ** 2 + extra,
            extra_variance=extra,
        )

    @cached_property
    def lower(self) -> Floats:
        """The lower log-log limit, shape (k,)."""
        return self._limit(self._quantile)

    @cached_property
    def upper(self) -> Floats:
        """The upper log-log limit, shape (k,)."""
        return self._limit(-self._quantile)

    @property
    def _quantile(self) -> float:
        return normal_quantile(self.confidence_level)

    def _limit(self, quantile: float) -> Floats:
        exponent = np.minimum(
            self.log_hazard + quantile * np.sqrt(self.variance), _LARGEST_EXPONENT
        )
        limit: Floats = np.exp(-np.exp(exponent))
        return limit

    def at(self, months: float) -> Estimate:
        """Return S at one time up to the model's last; before the first death 1, no interval."""
        step = int(np.searchsorted(self.months, months, side="right")) - 1
        if step < 0:
            return Estimate(1.0, None, None)
        return Estimate(
            float(self.survival[step]), float(self.lower[step]), float(self.upper[step])
        )

    def median_months(self) -> Estimate:
        """Return the median survival time; None for what the curve does not reach."""
        curves = (self.survival, self.lower, self.upper)
        return Estimate(*(self._first_at_most_half(curve) for curve in curves))

    def _first_at_most_half(self, curve: Floats) -> float | None:
        reached = np.flatnonzero(curve <= 0.5)
        return float(self.months[reached[0]]) if len(reached) else None

    def restricted_mean_months(self) -> Estimate:
        """Return the mean survival time within the model's limit τ, in months.

        The area under the curve to τ; its variance by the delta method from the
        joint covariance of log Λ at all death times, clipped to [0, τ].
        """
        tau = self.model.restricted_mean_limit_months
        inside = self.months < tau
        edges = np.append(self.months[inside], tau)
        widths = np.diff(edges)
        mean = float(edges[0] + widths @ self.survival[inside])
        half_width = self._quantile * np.sqrt(self._restricted_mean_variance())
        return Estimate(mean, max(0.0, mean - half_width), min(tau, mean + half_width))

    def _restricted_mean_variance(self) -> float:
        """Var ∫S = g' Cov(log Λ) g with g the interval widths times dS / d log Λ.

        Cov(log Λᵢ, log Λⱼ) = [VH(min(i, j)) + qᵢ'Vqⱼ] / (Λ0ᵢ Λ0ⱼ) + b'Cb + tr(V C).
        """
        tau = self.model.restricted_mean_limit_months
        k = int(np.searchsorted(self.months, tau, side="left"))
        gradient = np.diff(np.append(self.months[:k], tau)) * self.slope[:k]
        per_hazard = gradient / self.model.hazard[:k]
        increments = np.diff(self.model.hazard_variance[:k], prepend=0.0)
        later = np.cumsum(per_hazard[::-1])[::-1]
        q = per_hazard @ _distance(self.model, self.covariates.mean, slice(0, k))
        return float(
            increments @ later**2
            + q @ self.model.covariance @ q
            + self.extra_variance * gradient.sum() ** 2
        )


def _distance(model: CoxModel, covariates: Floats, steps: slice) -> Floats:
    """Return q(t) / e^(x'β), shape (k, p): how far the patient is from those at risk."""
    return np.outer(model.hazard[steps], covariates) - model.hazard_mean[steps]
