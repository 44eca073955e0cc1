"""Predictions for many patients at once: category, survival and limits, nothing else.

The numbers are those of `model.prediction.predict`: limits to 1e-12, survival too where
nothing is unknown, and to `model.marginal.MARGINAL_TOLERANCE` where something is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.columns import PatientColumns
from model.horizon_terms import HorizonTerms, Unknown
from model.patient import COVARIATES, Transform
from model.prediction import DEFAULT_HORIZONS_MONTHS, PrognosticModel

Floats = NDArray[np.float64]
Rows = slice | NDArray[np.intp]

_SORTED_AT_ONCE = 2**17
"""Rows that are put in order of what is unknown; bounds the memory that this takes."""

_CHUNK = 6000
"""Rows computed at once: intermediate values stay in the processor's cache.

No power of two, else all covariates of a patient fall on the same lines of it.
"""


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

    def __getitem__(self, rows: slice) -> "PredictedColumns":
        """Return what is predicted for some of the patients, without a copy."""
        return PredictedColumns(
            self.horizons_months,
            self.categories,
            self.category[rows],
            self.survival[:, rows],
            self.lower[:, rows],
            self.upper[:, rows],
            self.imputed[rows],
        )


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
    # One piece of memory, which is then kept for the next answer and not given back between.
    numbers = np.empty((1 if confidence_level is None else 3, *shape))
    no_limits = np.broadcast_to(np.nan, shape)
    answer = PredictedColumns(
        horizons_months=horizons,
        categories=tuple(band.name for band in model.risk_bands.bands),
        category=np.empty(columns.rows, dtype=np.int8),
        survival=numbers[0],
        lower=no_limits if confidence_level is None else numbers[1],
        upper=no_limits if confidence_level is None else numbers[2],
        imputed=np.zeros(columns.rows, dtype=np.uint16),
    )
    terms = model.horizon_terms(horizons, confidence_level)
    for start in range(0, columns.rows, _SORTED_AT_ONCE):
        rows = slice(start, min(start + _SORTED_AT_ONCE, columns.rows))
        _Block(model, terms, columns[rows], answer[rows]).predict()
    return answer


class _Block:
    """Patients who are put in order of what is unknown of them."""

    def __init__(
        self,
        model: PrognosticModel,
        terms: HorizonTerms,
        patients: PatientColumns,
        answer: PredictedColumns,
    ) -> None:
        self._model, self._terms, self._patients, self._answer = model, terms, patients, answer
        self._columns = [patients.numbers.get(name) for name in model.cox.design.names]
        size = min(_CHUNK, patients.rows)
        self._covariates = np.ones((len(self._columns) + 1, size))
        self._work = np.empty((len(terms.of_transformed), size))

    def predict(self) -> None:
        """Fill in the answer."""
        answer, invalid = self._answer, self._patients.invalid
        answer.category[:] = self._categories()
        if not self._predict_complete():
            valid = np.flatnonzero(~invalid)
            pattern = self._patterns()[valid]
            answer.imputed[valid] = pattern
            self._predict_in_order(valid, pattern)
        for values in self._numbers():
            values[self._terms.withheld] = np.nan
            if self._patients.faults:
                values[:, invalid] = np.nan
        for horizon in self._terms.certain:
            answer.survival[horizon, ~invalid] = 1.0

    def _predict_complete(self) -> bool:
        """Predict in the order that rows have, and return whether everything was known."""
        if self._patients.faults or any(column is None for column in self._columns):
            return False
        for rows in _chunks(0, self._patients.rows):
            ratio = self._predict_chunk(self._transformed(rows), rows, None)
            if np.isnan(ratio.sum()):  # NaN where any term of any of them is
                return False
        return True

    def _categories(self) -> NDArray[np.int8]:
        of = self._model.risk_bands
        bands = np.array([*(of.bands.index(of.of(ecog)) for ecog in range(5)), -1], dtype=np.int8)
        grade = self._patients.numbers["ecog"]
        if self._patients.faults:
            grade = np.where(self._patients.invalid, 5.0, grade)
        return bands[grade.astype(np.intp)]

    def _patterns(self) -> NDArray[np.uint16]:
        """Return for each row which covariates are unknown."""
        pattern = np.zeros(self._patients.rows, np.uint16)
        for place, column in enumerate(self._columns):
            bit = np.uint16(1 << place)
            pattern |= bit if column is None else np.isnan(column) * bit
        return pattern

    def _predict_in_order(self, rows: NDArray[np.intp], pattern: NDArray[np.uint16]) -> None:
        """Predict for rows in the order of their patterns, so that chunks share a few.

        The answer has this order until it is complete: to put a column of it in the order of
        the patients at once is several times as fast as to do so chunk by chunk.
        """
        patterns = self._model.unknown_patterns
        numbers = np.flatnonzero(np.bincount(pattern)).astype(np.uint16)
        patterns.find(numbers)
        rank = np.zeros(2 ** len(self._columns), dtype=np.uint16)
        rank[patterns.by_spread(numbers)] = np.arange(len(numbers))
        order = np.argsort(rank[pattern], kind="stable")
        rows, pattern = rows[order], pattern[order]
        complete = int((pattern == 0).sum())
        for part in _chunks(0, complete):
            self._predict_chunk(self._transformed(rows[part]), part, None)
        expected = np.ones_like(self._covariates)
        for part in _chunks(complete, len(rows)):
            x = expected[:, : part.stop - part.start]
            unknown = patterns.expect(self._transformed(rows[part]), pattern[part], x[:-1])
            self._predict_chunk(x, part, unknown)
        for values in self._numbers():
            for horizon in self._terms.horizons:
                values[horizon, rows] = values[horizon, : len(rows)].copy()

    def _predict_chunk(self, x: Floats, rows: slice, unknown: Unknown | None) -> Floats:
        """Fill in some rows of the answer, and return their hazard ratios."""
        answers, work = self._numbers(), self._work[:, : x.shape[1]]
        if not len(self._terms.withheld):
            return self._terms.predict(x, unknown, [answer[:, rows] for answer in answers], work)
        out = [np.empty((len(self._terms.horizons), x.shape[1])) for _ in answers]
        ratio = self._terms.predict(x, unknown, out, work)
        for answer, values in zip(answers, out, strict=True):
            answer[self._terms.horizons, rows] = values
        return ratio

    def _numbers(self) -> list[Floats]:
        """Return what is to be filled in: survival, and the limits where they are wanted."""
        answer = self._answer
        if self._terms.quantile is None:
            return [answer.survival]
        return [answer.survival, answer.lower, answer.upper]

    def _transformed(self, rows: Rows) -> Floats:
        """Return covariates of some rows, shape (p + 1, n), and a 1; not centred nor scaled."""
        design = self._model.cox.design
        size = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        x = self._covariates[:, :size]
        for place, column in enumerate(self._columns):
            values = np.nan if column is None else column[rows]
            if COVARIATES[design.names[place]].transform is Transform.IDENTITY:
                # Not copied: memcpy takes many times as long between some addresses.
                np.positive(values, out=x[place])
            else:
                np.add(values, design.shift[place], out=x[place])
                np.log(x[place], out=x[place])
        return x


def _chunks(start: int, stop: int) -> Iterator[slice]:
    for first in range(start, stop, _CHUNK):
        yield slice(first, min(first + _CHUNK, stop))
