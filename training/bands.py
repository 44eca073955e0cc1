"""What a cohort shows of each band of ECOG performance status."""

import re

import numpy as np
from numpy.typing import NDArray
from sksurv.compare import compare_survival
from sksurv.util import Surv

from model.errors import FitError
from model.kaplan_meier import KaplanMeier, normal_quantile
from model.risk import Contrast, RiskBand, RiskBands
from training.cox import RiskSets, fit_newton

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

DEFAULT_BANDS = "standard:0-1,high:2-4"

_LARGEST_LOG_RATIO = 100.0
"""Beyond it the bands separate the patients, and the coefficient has merely stopped."""

Span = tuple[str, int, int]


def parse_bands(text: str) -> list[Span]:
    """Read bands written as ``name:lowest-highest,...``, best performance status first.

    Raises
    ------
    FitError
        If the bands do not cover ECOG 0 to 4 once each.
    """
    bands = [
        (m[1], int(m[2]), int(m[3] or m[2]))
        for part in text.split(",")
        if (m := re.fullmatch(r"([a-z_]{1,40}):([0-4])(?:-([0-4]))?", part.strip()))
    ]
    grades = [grade for _, low, high in bands for grade in range(low, high + 1)]
    if len(bands) != len(text.split(",")) or grades != [0, 1, 2, 3, 4]:
        raise FitError(
            "bands", f"bands must cover ECOG 0 to 4 once each, in order, like {DEFAULT_BANDS}"
        )
    if len({name for name, _, _ in bands}) != len(bands):
        raise FitError("bands", "two bands have the same name")
    return bands


def observe_bands(spans: list[Span], ecog: Floats, months: Floats, death: Booleans) -> RiskBands:
    """Count and estimate survival in each band; the first band is the reference.

    Parameters
    ----------
    ecog, months, death : shape (n,)
    """
    _, low, high = spans[0]
    reference = (ecog >= low) & (ecog <= high)
    counts = [int((ecog == grade).sum()) for grade in range(5)]
    return RiskBands(
        bands=tuple(
            _observe(span, ecog, months, death, None if index == 0 else reference)
            for index, span in enumerate(spans)
        ),
        ecog_reference=max(range(low, high + 1), key=lambda grade: counts[grade]),
        patients_by_grade=tuple(counts),
        deaths_by_grade=tuple(int(death[ecog == grade].sum()) for grade in range(5)),
    )


def _observe(
    span: Span, ecog: Floats, months: Floats, death: Booleans, reference: Booleans | None
) -> RiskBand:
    name, lowest, highest = span
    inside = (ecog >= lowest) & (ecog <= highest)
    comparable = (
        reference is not None and bool(death[reference].any()) and bool(death[inside].any())
    )
    return RiskBand(
        name=name,
        lowest=lowest,
        highest=highest,
        patients=int(inside.sum()),
        deaths=int(death[inside].sum()),
        observed=KaplanMeier.estimate(months[inside], death[inside]) if inside.any() else None,
        contrast=_contrast(inside, reference, months, death)
        if comparable and reference is not None
        else None,
    )


def _contrast(
    inside: Booleans, reference: Booleans, months: Floats, death: Booleans
) -> Contrast | None:
    """Compare a band with the reference band; None where no finite hazard ratio exists."""
    both = inside | reference
    indicator = inside[both].astype(np.float64)
    try:
        fit = fit_newton(RiskSets(indicator[:, None], months[both], death[both]))
    except FitError:
        return None
    log_ratio = float(fit.coefficients[0])
    half_width = normal_quantile(0.95) / float(np.sqrt(fit.information[0, 0]))
    if not abs(log_ratio) + half_width < _LARGEST_LOG_RATIO:
        return None
    _, p_value = compare_survival(Surv.from_arrays(death[both], months[both]), indicator)
    return Contrast(
        hazard_ratio=float(np.exp(log_ratio)),
        lower=float(np.exp(log_ratio - half_width)),
        upper=float(np.exp(log_ratio + half_width)),
        p_value=float(p_value),
    )
