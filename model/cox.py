"""A fitted Cox model, and what it believes of a patient of whom not everything is known."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from model.curve_terms import CurveTerms
from model.design import Design
from model.kaplan_meier import KaplanMeier
from model.patient import COVARIATES, Patient

Floats = NDArray[np.float64]

FEWEST_AT_RISK = 5
"""Nothing is predicted later than the last time with this many patients at risk."""

LONGEST_RESTRICTED_MEAN_MONTHS = 24.0

_NOTHING_UNKNOWN = np.empty(0, dtype=np.intp)
_NO_COVARIANCE = np.empty((0, 0))


@dataclass(frozen=True)
class CoxModel:
    """Coefficients, baseline and covariate distribution of a fitted model.

    The covariates are standardised (`Design`), so the baseline is that of a patient
    with the cohort's mean on every transformed covariate.

    Attributes
    ----------
    design : names and scales of the p covariates
    ties : "efron" or "breslow"
    penalty : shape (p,), α of ½ Σ αⱼ βⱼ²
    coefficients : shape (p,), log hazard ratios per standard deviation
    covariance : shape (p, p), (I + diag α)⁻¹; where the penalty was chosen from the data,
        about the coefficients and averaged over its strength
    months : shape (k,), the distinct death times
    hazard : shape (k,), cumulative baseline hazard Λ0
    hazard_variance : shape (k,), VH, its variance for fixed coefficients
    hazard_mean : shape (k, p), a(t), the integral of the risk set's mean covariate
        against Λ0
    covariate_covariance : shape (p, p), of the standardised covariates, positive definite
    observed : the cohort's Kaplan-Meier curve
    """

    design: Design
    ties: str
    penalty: Floats
    coefficients: Floats
    covariance: Floats
    months: Floats
    hazard: Floats
    hazard_variance: Floats
    hazard_mean: Floats
    covariate_covariance: Floats
    observed: KaplanMeier

    @cached_property
    def last_months(self) -> float:
        """The last time, in months, with at least `FEWEST_AT_RISK` patients at risk."""
        return float(self.observed.months[self.observed.at_risk >= FEWEST_AT_RISK][-1])

    @cached_property
    def restricted_mean_limit_months(self) -> float:
        """The time to which the restricted mean is taken, in months."""
        return min(LONGEST_RESTRICTED_MEAN_MONTHS, self.last_months)

    @cached_property
    def coefficients_per_unit(self) -> Floats:
        """Shape (p,), log hazard ratios per unit of the transformed covariates."""
        return self.coefficients / self.design.sd

    @cached_property
    def covariance_per_unit(self) -> Floats:
        """Shape (p, p), covariance of `coefficients_per_unit`."""
        return self.covariance / np.outer(self.design.sd, self.design.sd)

    @cached_property
    def reference(self) -> Floats:
        """Shape (p,), the values that contributions are measured from, standardised."""
        return self.design.standardise(self.design.reference)

    @cached_property
    def conditioning(self) -> "Callable[[bytes], Conditioning]":
        """How the unknown covariates depend on the known ones, by `isnan(...).tobytes()`."""
        return lru_cache(maxsize=512)(partial(Conditioning.of, self))

    def __getstate__(self) -> dict[str, object]:
        """Leave behind what is kept: another process makes its own."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def curve_terms(self) -> CurveTerms:
        """What all survival curves of this model share."""
        steps = slice(0, int(np.searchsorted(self.months, self.last_months, side="right")))
        return CurveTerms.of(
            self.months[steps],
            self.hazard[steps],
            self.hazard_variance[steps],
            self.hazard_mean[steps],
            self.covariance,
            self.restricted_mean_limit_months,
        )

    @cached_property
    def step_months(self) -> list[float]:
        """When the steps of a curve begin: at 0 and at the death times; and the last time."""
        months = [0.0, *self.curve_terms.months.tolist()]
        return months if months[-1] == self.last_months else [*months, self.last_months]

    def expect(self, patient: Patient) -> "ExpectedCovariates":
        """Return the patient's covariates, the unknown ones expected given the known."""
        return self.expect_of(patient.numbers(self.design.names))

    def expect_of(self, numbers: Floats) -> "ExpectedCovariates":
        """Return the covariates of a patient's numbers, shape (p,); NaN is unknown."""
        return ExpectedCovariates.given(self, self.design.standardise(numbers))


@dataclass(frozen=True)
class Conditioning:
    """What is expected of the unknown covariates, whatever the values of the known ones.

    Attributes
    ----------
    unknown, known : shape (m,) and (p - m,), positions
    weights : shape (p - m, m), of the known values in the conditional means
    covariance : shape (m, m), conditional
    """

    unknown: NDArray[np.intp]
    known: NDArray[np.intp]
    weights: Floats
    covariance: Floats

    @classmethod
    def of(cls, model: CoxModel, missing: bytes) -> "Conditioning":
        """Condition the cohort's normal distribution; `missing` is a byte for each covariate."""
        is_missing = np.frombuffer(missing, dtype=np.bool_)
        unknown, known = np.flatnonzero(is_missing), np.flatnonzero(~is_missing)
        sigma = model.covariate_covariance
        weights = np.linalg.solve(sigma[np.ix_(known, known)], sigma[np.ix_(known, unknown)])
        return cls(
            unknown=unknown,
            known=known,
            weights=weights.astype(np.float64),
            covariance=sigma[np.ix_(unknown, unknown)] - sigma[np.ix_(unknown, known)] @ weights,
        )


@dataclass(frozen=True)
class ExpectedCovariates:
    """The covariates of one patient: the known values and a distribution of the unknown.

    Attributes
    ----------
    mean : shape (p,), x̂, standardised: the known value, or the conditional mean
    unknown : shape (m,), positions of the unknown covariates
    covariance : shape (m, m), C, their conditional covariance
    """

    mean: Floats
    unknown: NDArray[np.intp]
    covariance: Floats

    @classmethod
    def given(cls, model: CoxModel, known: Floats) -> "ExpectedCovariates":
        """Condition the cohort's normal distribution on the values that are not NaN.

        An unknown binary covariate takes its conditional mean p clipped to [0, 1]
        and the variance p (1 - p); its correlations are kept.
        """
        missing = np.isnan(known)
        if not missing.any():
            return cls(known, _NOTHING_UNKNOWN, _NO_COVARIANCE)
        given = model.conditioning(missing.tobytes())
        mean = known.copy()
        mean[given.unknown] = known[given.known] @ given.weights
        scale = np.ones(len(given.unknown))
        for row, column in enumerate(given.unknown.tolist()):
            if COVARIATES[model.design.names[column]].is_binary:
                centre, sd = model.design.mean[column], model.design.sd[column]
                p = min(max(centre + sd * mean[column], 0.0), 1.0)
                mean[column] = (p - centre) / sd
                scale[row] = np.sqrt(p * (1 - p) / given.covariance[row, row]) / sd
        return cls(mean, given.unknown, given.covariance * np.outer(scale, scale))

    def extra_variance(self, model: CoxModel) -> float:
        """Return what not knowing adds to the variance of log Λ: b'Cb + tr(V C).

        b'Cb is the spread of the unknown values themselves, tr(V C) the product of
        their spread and that of their coefficients.
        """
        if not len(self.unknown):
            return 0.0
        v = model.covariance[np.ix_(self.unknown, self.unknown)]
        return self.predictor_variance(model) + float(np.sum(v * self.covariance))

    def variance_of_each(self, model: CoxModel) -> Floats:
        """Return by how much `extra_variance` falls once each is known, shape (m,).

        To know one of them leaves C - cc' / c_jj of the covariance, c being its row.
        """
        c = self.covariance
        b = model.coefficients[self.unknown]
        v = model.covariance[np.ix_(self.unknown, self.unknown)]
        own = np.diag(c)
        explained = (c @ b) ** 2 + np.einsum("ij,jk,ki->i", c, v, c)
        falls: Floats = np.divide(explained, own, out=np.zeros_like(own), where=own > 0)
        return falls

    def predictor_variance(self, model: CoxModel) -> float:
        """Return b'Cb, the variance of the linear predictor over the unknown values."""
        if not len(self.unknown):
            return 0.0
        b = model.coefficients[self.unknown]
        return float(b @ self.covariance @ b)
