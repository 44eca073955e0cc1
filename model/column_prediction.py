"""Predictions for many patients at once: category, survival and limits, nothing else.

The numbers are those of `model.prediction.predict`: limits to 1e-12, survival too where
nothing is unknown, and to `model.marginal.MARGINAL_TOLERANCE` where something is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.columns import PatientColumns
from model.cox import CoxModel
from model.kaplan_meier import normal_quantile
from model.marginal import marginal_survival
from model.patient import COVARIATES, Transform
from model.prediction import DEFAULT_HORIZONS_MONTHS, PrognosticModel

Floats = NDArray[np.float64]
Rows = slice | NDArray[np.intp]

_SORTED_AT_ONCE = 2**17
"""Rows that are put in order of what is unknown; bounds the memory that this takes."""

_CHUNK = 4096
"""Rows computed at once: intermediate values stay in the processor's cache."""

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class PredictedColumns:
    """Predictions for n patients at h horizons.

    Of an invalid patient (`PatientColumns.invalid`) nothing is predicted: the category is
    -1, the numbers are NaN.

    Attributes
    ----------
    horizons_months : the h horizons
    categories : names of the risk categories, best ECOG first
    category : shape (n,), place in `categories`
    survival : shape (h, n), each horizon contiguous; NaN past the model's last time
    lower, upper : shape (h, n), limits; NaN there and before the first death, and
        throughout where no interval was asked for
    imputed : shape (n,), bit j is set where the j-th covariate of the model is unknown
    """

    horizons_months: tuple[float, ...]
    categories: tuple[str, ...]
    category: NDArray[np.int8]
    survival: Floats
    lower: Floats
    upper: Floats
    imputed: NDArray[np.uint16]


def predict_columns(
    model: PrognosticModel,
    columns: PatientColumns,
    *,
    horizons_months: Sequence[float] = DEFAULT_HORIZONS_MONTHS,
    confidence_level: float | None = 0.95,
) -> PredictedColumns:
    """Predict the survival of patients given as columns.

    Memory beyond the answer does not grow with the number of patients. Set BLAS to one
    thread: the products are small.

    Parameters
    ----------
    horizons_months : times at which survival is asked for, > 0
    confidence_level : of all intervals, within (0, 1); None asks for no interval, which
        takes about a third of the time
    """
    horizons = tuple(float(months) for months in horizons_months)
    shape = (len(horizons), columns.rows)
    no_limits = np.broadcast_to(np.nan, shape)
    answer = PredictedColumns(
        horizons_months=horizons,
        categories=tuple(band.name for band in model.risk_bands.bands),
        category=_categories(model, columns),
        survival=np.full(shape, np.nan),
        lower=np.full(shape, np.nan) if confidence_level else no_limits,
        upper=np.full(shape, np.nan) if confidence_level else no_limits,
        imputed=np.zeros(columns.rows, dtype=np.uint16),
    )
    terms = _Terms.of(model.cox, horizons, confidence_level)
    for start in range(0, columns.rows, _SORTED_AT_ONCE):
        block = _Block(model, terms, columns, answer, start)
        block.predict()
    return answer


def _categories(model: PrognosticModel, columns: PatientColumns) -> NDArray[np.int8]:
    bands = [model.risk_bands.bands.index(model.risk_bands.of(ecog)) for ecog in range(5)]
    of_grade = np.array([*bands, -1], dtype=np.int8)
    grade = np.where(columns.invalid, 5.0, columns.numbers["ecog"])
    return of_grade[grade.astype(np.intp)]


@dataclass(frozen=True)
class _Terms:
    """What a prediction at given horizons takes of the model, for k horizons with a number.

    Attributes
    ----------
    horizons : shape (k,), their places among those asked for
    certain : places of those before the first death, where survival is 1
    hazard : shape (k, 1), Λ0
    of_standardised : shape (m, p + 1); applied to standardised covariates and a 1 it gives
        x'β and, with limits, z L'(x - x̄) and its difference in square from horizon to
        horizon, z² (‖L'(x - x̄(t))‖² + VH/Λ0² - ‖L'(x - x̄)‖²), with V = LL'
    of_transformed : shape (m, p + 1), the same of covariates only transformed
    quantile : z; None without limits
    """

    horizons: NDArray[np.intp]
    certain: NDArray[np.intp]
    hazard: Floats
    of_standardised: Floats
    of_transformed: Floats
    quantile: float | None

    @classmethod
    def of(
        cls, cox: CoxModel, horizons: Sequence[float], confidence_level: float | None
    ) -> "_Terms":
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
            hazard=cox.hazard[step[live]][:, None],
            of_standardised=rows,
            of_transformed=rows @ standardise,
            quantile=quantile,
        )


def _rows_of_variance(
    cox: CoxModel, steps: NDArray[np.intp], quantile: float
) -> tuple[Floats, Floats]:
    """Return z L'(x - x̄), with x̄ of the middle horizon, and each horizon's difference."""
    hazard = cox.hazard[steps][:, None]
    at_risk = cox.hazard_mean[steps] / hazard
    reference = at_risk[len(at_risk) // 2] if len(at_risk) else np.zeros(len(cox.coefficients))
    root = quantile * np.linalg.cholesky(cox.covariance).T
    apart = (at_risk - reference) @ root.T
    linear = -2 * apart @ root
    constant = np.sum(apart**2, axis=1) + quantile**2 * (
        cox.hazard_variance[steps] / hazard[:, 0] ** 2
    )
    return (
        np.column_stack([root, -root @ reference]),
        np.column_stack([linear, constant - linear @ reference]),
    )


class _Block:
    """Some of the rows, in order of what is unknown of them."""

    def __init__(
        self,
        model: PrognosticModel,
        terms: _Terms,
        columns: PatientColumns,
        answer: PredictedColumns,
        start: int,
    ) -> None:
        self._model, self._terms, self._answer = model, terms, answer
        design = model.cox.design
        self._rows = slice(start, min(start + _SORTED_AT_ONCE, columns.rows))
        every = [columns.numbers.get(name) for name in design.names]
        self._columns = [None if column is None else column[self._rows] for column in every]
        self._invalid = columns.invalid[self._rows]
        self._covariates = np.ones((len(design.names) + 1, _CHUNK))
        self._is_log = [COVARIATES[n].transform is not Transform.IDENTITY for n in design.names]

    def predict(self) -> None:
        size = self._rows.stop - self._rows.start
        pattern = self._patterns(size)
        if pattern is None and not self._invalid.any():
            for rows in _chunks(0, size):
                self._predict_chunk(
                    rows, slice(self._rows.start + rows.start, self._rows.start + rows.stop), None
                )
            return
        if pattern is None:
            pattern = np.zeros(size, dtype=np.uint16)
        valid = np.flatnonzero(~self._invalid)
        pattern = pattern[valid]
        in_order = np.argsort(pattern, kind="stable")
        order, pattern = valid[in_order], pattern[in_order]
        self._answer.imputed[self._rows.start + order] = pattern
        self._model.unknown_patterns.find(np.unique(pattern))
        complete = int(np.searchsorted(pattern, 0, side="right"))
        for part in _chunks(0, complete):
            self._predict_chunk(order[part], self._rows.start + order[part], None)
        for part in _chunks(complete, len(order)):
            self._predict_chunk(order[part], self._rows.start + order[part], pattern[part])

    def _patterns(self, size: int) -> NDArray[np.uint16] | None:
        """Return for each row which covariates are unknown; None where none is."""
        pattern = None
        for place, column in enumerate(self._columns):
            # A sum is NaN where any of its terms is, and takes one pass.
            if column is not None and not np.isnan(column.sum()):
                continue
            pattern = np.zeros(size, dtype=np.uint16) if pattern is None else pattern
            bit = np.uint16(1 << place)
            pattern |= bit if column is None else np.isnan(column) * bit
        return pattern

    def _predict_chunk(self, rows: Rows, place: Rows, pattern: NDArray[np.uint16] | None) -> None:
        terms, answer = self._terms, self._answer
        size = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        x = self._covariates[:, :size]
        self._transform(rows, x)
        if pattern is None:
            result = terms.of_transformed @ x
        else:
            variance, extra = self._expect(x, pattern)
            result = terms.of_standardised @ x
        hazard = np.exp(np.minimum(result[0], _LARGEST_EXPONENT))
        minus_hazard = -terms.hazard * hazard
        survival = np.empty_like(minus_hazard)
        if pattern is None:
            np.exp(minus_hazard, out=survival)
        else:
            marginal_survival(minus_hazard, np.sqrt(variance), survival)
        _write(answer.survival, terms.horizons, place, survival)
        for horizon in terms.certain:
            answer.survival[horizon, place] = 1.0
        if terms.quantile is None:
            return
        p = len(x) - 1
        distance, reach = result[1 : p + 1], result[p + 1 :]
        square = np.einsum("ij,ij->j", distance, distance)
        if pattern is not None:
            square += terms.quantile**2 * extra
        reach += square
        np.sqrt(reach, out=reach)
        np.minimum(reach, _LARGEST_EXPONENT, out=reach)
        np.exp(reach, out=reach)
        with np.errstate(over="ignore"):
            lower = np.multiply(minus_hazard, reach, out=survival)
        np.exp(lower, out=lower)
        _write(answer.lower, terms.horizons, place, lower)
        upper = np.divide(minus_hazard, reach, out=survival)
        np.exp(upper, out=upper)
        _write(answer.upper, terms.horizons, place, upper)

    def _transform(self, rows: Rows, out: Floats) -> None:
        """Fill in the covariates of some rows, transformed and neither centred nor scaled."""
        design = self._model.cox.design
        for place, column in enumerate(self._columns):
            out[place] = np.nan if column is None else column[rows]
            if self._is_log[place]:
                if design.shift[place]:
                    out[place] += design.shift[place]
                np.log(out[place], out=out[place])

    def _expect(self, x: Floats, pattern: NDArray[np.uint16]) -> tuple[Floats, Floats]:
        """Standardise, put what is expected for the unknown; return b'Cb and b'Cb + tr(V C)."""
        design, patterns = self._model.cox.design, self._model.unknown_patterns
        x = x[:-1]
        x -= design.mean[:, None]
        x /= design.sd[:, None]
        np.copyto(x, 0.0, where=np.isnan(x))
        opens = np.flatnonzero(np.diff(pattern, prepend=pattern[0] ^ 1))
        parts = list(
            zip(
                opens.tolist(),
                [*opens[1:].tolist(), len(pattern)],
                pattern[opens].tolist(),
                strict=True,
            )
        )
        expected = np.empty_like(x)
        for start, stop, number in parts:
            np.matmul(patterns.weights[number], x[:, start:stop], out=expected[:, start:stop])
        x += expected
        binaries = patterns.binaries
        centre, sd = design.mean[binaries, None], design.sd[binaries, None]
        chance = np.clip(x[binaries] * sd + centre, 0.0, 1.0)
        x[binaries] = (chance - centre) / sd
        factors = np.ones((patterns.variances.shape[2], len(pattern)))
        b = len(binaries)
        g = np.sqrt(chance * (1 - chance), out=factors[1 : b + 1])
        np.multiply(g[:, None], g[None], out=factors[b + 1 :].reshape(b, b, -1))
        variances = np.empty((2, len(pattern)))
        for start, stop, number in parts:
            np.matmul(
                patterns.variances[number], factors[:, start:stop], out=variances[:, start:stop]
            )
        return np.maximum(variances[0], 0.0), variances[1]


def _write(answer: Floats, horizons: NDArray[np.intp], place: Rows, values: Floats) -> None:
    for horizon, row in zip(horizons.tolist(), values, strict=True):
        answer[horizon, place] = row


def _chunks(start: int, stop: int) -> Iterator[slice]:
    for first in range(start, stop, _CHUNK):
        yield slice(first, min(first + _CHUNK, stop))
