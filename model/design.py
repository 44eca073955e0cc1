"""From a patient's numbers to the standardised covariates of one fitted model, and back."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.patient import COVARIATES, Transform, Value

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """The covariates of one fitted model.

    Attributes
    ----------
    names : the p covariates, in the order of `model.patient.Patient`
    shift : shape (p,), c of log(x + c); 0 where no shift applies
    mean, sd : shape (p,), of the transformed covariates in the training cohort
    minimum, maximum : shape (p,), the range of the training values, untransformed
    reference : shape (p,), the values that contributions are measured from, untransformed
    """

    names: tuple[str, ...]
    shift: Floats
    mean: Floats
    sd: Floats
    minimum: Floats
    maximum: Floats
    reference: Floats

    @classmethod
    def of_cohort(cls, names: tuple[str, ...], numbers: Floats, ecog_reference: int) -> "Design":
        """Describe a cohort's covariates, shape (n, p), none unknown.

        c of log(x + c) is half the smallest positive value. A binary covariate is
        compared with its first value, ECOG with `ecog_reference`, any other
        covariate with the cohort's mean on the transformed scale.
        """
        shift = shifts_of(names, numbers)
        ones = np.ones(len(names))
        raw = cls(names, shift, 0 * ones, ones, numbers.min(axis=0), numbers.max(axis=0), 0 * ones)
        transformed = raw.standardise(numbers)
        mean, sd = transformed.mean(axis=0), transformed.std(axis=0, ddof=1)
        scaled = cls(names, shift, mean, sd, raw.minimum, raw.maximum, 0 * ones)
        reference = np.array(
            [
                float(ecog_reference)
                if name == "ecog"
                else 0.0
                if COVARIATES[name].is_binary
                else scaled.unstandardise(column, 0.0)
                for column, name in enumerate(names)
            ]
        )
        return cls(names, shift, mean, sd, raw.minimum, raw.maximum, reference)

    def standardise(self, numbers: Floats) -> Floats:
        """Transform, centre and scale numbers of shape (..., p); NaN stays NaN."""
        transformed = transform(numbers, self._is_logged, self.shift)
        standardised: Floats = (transformed - self.mean) / self.sd
        return standardised

    @cached_property
    def reference_values(self) -> tuple[Value, ...]:
        """The p reference values as they are written."""
        return tuple(
            COVARIATES[name].from_number(float(number))
            for name, number in zip(self.names, self.reference, strict=True)
        )

    @cached_property
    def _is_logged(self) -> NDArray[np.bool_]:
        return is_logged(self.names)

    def unstandardise(self, column: int, standardised: float) -> float:
        """Undo `standardise` for one covariate."""
        transformed = float(self.mean[column] + self.sd[column] * standardised)
        if COVARIATES[self.names[column]].transform is Transform.IDENTITY:
            return transformed
        return float(np.exp(transformed) - self.shift[column])


def shifts_of(names: tuple[str, ...], numbers: Floats) -> Floats:
    """Return c of log(x + c), shape (..., p): half the smallest positive of (..., n, p)."""
    positive = np.where(numbers > 0, numbers, np.inf).min(axis=-2)
    shifted = [COVARIATES[name].transform is Transform.SHIFTED_LOG for name in names]
    return np.where(shifted, positive / 2, 0.0)


def is_logged(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return of which covariates the logarithm is modelled, shape (p,)."""
    return np.array([COVARIATES[name].transform is not Transform.IDENTITY for name in names])


def transform(numbers: Floats, is_logged: NDArray[np.bool_], shift: Floats) -> Floats:
    """Return numbers of shape (..., p) with some columns replaced by log(x + shift)."""
    transformed = np.array(numbers, dtype=np.float64)
    np.log(transformed + shift, out=transformed, where=is_logged)
    return transformed
