"""One patient's survival curve and the uncertainty of everything read from it."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from model.cox import CoxModel, ExpectedCovariates
from model.curve_terms import CurveTerms
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
    lower, upper : shape (k,), the log-log limits
    log_hazard : shape (k,), log Λ at the expected covariates
    distance : shape (k, p), L'q / Λ, how far the patient is from those at risk
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
    lower: Floats
    upper: Floats
    log_hazard: Floats
    distance: Floats
    variance: Floats
    extra_variance: float

    @classmethod
    def of(
        cls, model: CoxModel, patient: ExpectedCovariates, confidence_level: float
    ) -> "SurvivalCurve":
        """Compute the curve of a patient under a model."""
        terms = model.curve_terms
        predictor = float(patient.mean @ model.coefficients)
        log_hazard = terms.log_hazard + predictor
        distance = patient.mean @ terms.root - terms.at_risk
        extra = patient.extra_variance(model)
        variance = terms.variance + np.vecdot(distance, distance) + extra
        spread = normal_quantile(confidence_level) * np.sqrt(variance)
        curves = np.empty((3, len(log_hazard)))
        curves[0] = log_hazard
        np.add(log_hazard, spread, out=curves[1])
        np.subtract(log_hazard, spread, out=curves[2])
        hazards = np.exp(np.minimum(curves, _LARGEST_EXPONENT, out=curves))
        survival, lower, upper = np.exp(np.negative(hazards, out=curves), out=curves)
        slope = hazards[0] * survival
        if len(patient.unknown):
            survival, slope = _averaged(terms, predictor, patient.predictor_variance(model))
        return cls(
            model=model,
            covariates=patient,
            confidence_level=confidence_level,
            months=terms.months,
            survival=survival,
            slope=slope,
            lower=lower,
            upper=upper,
            log_hazard=log_hazard,
            distance=distance,
            variance=variance,
            extra_variance=extra,
        )

    @property
    def variance_at_limit(self) -> float:
        """The variance of log Λ where the restricted mean ends."""
        return float(self.variance[max(self.model.curve_terms.steps_at_limit - 1, 0)])

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
        first = len(curve) - int(curve[::-1].searchsorted(0.5, side="right"))
        return float(self.months[first]) if first < len(curve) else None

    def restricted_mean_months(self) -> Estimate:
        """Return the mean survival time within the model's limit τ, in months.

        The area under the curve to τ; its variance by the delta method from the
        joint covariance of log Λ at all death times, clipped to [0, τ].
        """
        terms = self.model.curve_terms
        inside = self.survival[: terms.steps_to_limit]
        mean = terms.months_of_certainty + float(terms.widths @ inside)
        half_width = normal_quantile(self.confidence_level) * sqrt(self._restricted_mean_variance())
        return Estimate(
            mean, max(0.0, mean - half_width), min(terms.limit_months, mean + half_width)
        )

    def _restricted_mean_variance(self) -> float:
        """Var ∫S = g' Cov(log Λ) g with g the interval widths times dS / d log Λ.

        Cov(log Λᵢ, log Λⱼ) = [VH(min(i, j)) + qᵢ'Vqⱼ] / (Λ0ᵢ Λ0ⱼ) + b'Cb + tr(V C).
        """
        terms = self.model.curve_terms
        k = terms.steps_to_limit
        slope = self.slope[:k]
        later = (terms.widths_per_hazard * slope)[::-1].cumsum()
        gradient = terms.widths * slope
        q = gradient @ self.distance[:k]
        later *= later
        variance = float(later @ terms.variance_increments_reversed) + float(q @ q)
        if self.extra_variance:
            variance += self.extra_variance * float(gradient.sum()) ** 2
        return variance


def _averaged(terms: CurveTerms, predictor: float, variance: float) -> tuple[Floats, Floats]:
    """Return S and -dS / d log Λ, shape (k,), averaged over an uncertain linear predictor."""
    largest = _LARGEST_EXPONENT - max(0.0, float(terms.log_hazard[-1]))
    nodes = np.minimum(predictor + sqrt(variance) * _NODES, largest)
    hazard = np.outer(terms.hazard, np.exp(nodes))
    survival = np.exp(-hazard)
    return survival @ _WEIGHTS, (hazard * survival) @ _WEIGHTS
