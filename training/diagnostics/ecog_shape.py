"""Whether the effect of ECOG is one step per point, as served, or of another form."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from model.analysis import EcogForm, EcogShape
from model.errors import FitError
from model.risk import RiskBands
from training.cox import RiskSets, Ties, fit_newton

Floats = NDArray[np.float64]
Groups = list[list[int]]

SUPPORTED_BELOW = 0.05


def examine_ecog_shape(
    ecog: Floats, months: Floats, death: NDArray[np.bool_], bands: RiskBands, ties: Ties
) -> EcogShape:
    """Compare forms of the ECOG effect in models of ECOG alone.

    Per point (one parameter, as served), by risk band, monotone (neighbouring grades
    pooled until none is worse than the next, the pool-adjacent-violators rule) and
    per grade. Grades that nobody has take the value of the grade below.

    Parameters
    ----------
    ecog, months, death : shape (n,)
    """
    grades = [int(grade) for grade in np.unique(ecog)]
    by_band = [
        [grade for grade in grades if band.holds(grade)]
        for band in bands.bands
        if any(band.holds(grade) for grade in grades)
    ]
    per_grade = [[grade] for grade in grades]
    data = (ecog, months, death, ties)
    candidates = (
        _per_point(*data, bands.ecog_reference),
        _grouped("by risk band", by_band, *data, bands.ecog_reference),
        _monotone(per_grade, *data, bands.ecog_reference),
        _grouped("per grade", per_grade, *data, bands.ecog_reference),
    )
    forms = [form for form in candidates if form is not None]
    linear, free = candidates[0], candidates[-1]
    p_value = None
    if free is not None and free.parameters > linear.parameters:
        p_value = float(
            chi2.sf(
                2 * (free.log_likelihood - linear.log_likelihood),
                free.parameters - linear.parameters,
            )
        )
    return EcogShape(forms=forms, linearity_p=p_value, conclusion=_conclusion(forms, p_value))


def _conclusion(forms: list[EcogForm], p_value: float | None) -> str:
    best = min(forms, key=lambda form: form.aic)
    if p_value is None:
        return "Per point is served: the cohort has too few grades to tell it from other forms."
    against = f"per grade against per point p = {p_value:.2f}"
    if p_value < SUPPORTED_BELOW:
        return (
            f"The data speak against one step per point ({against}; lowest AIC: {best.name})."
            " Per point is served nevertheless: it needs one parameter and keeps the order of"
            " the grades. Read the hazard ratio of a single grade with care."
        )
    preferred = "has the lowest AIC" if best is forms[0] else f"AIC prefers {best.name} slightly"
    return (
        f"Per point is served: no other form is supported ({against}; per point {preferred}),"
        " and it keeps the order of the grades with one parameter."
    )


def _per_point(
    ecog: Floats, months: Floats, death: NDArray[np.bool_], ties: Ties, reference: int
) -> EcogForm:
    fit = fit_newton(RiskSets(ecog[:, None], months, death, ties))
    step = float(fit.coefficients[0])
    return _form("per point", 1, fit.log_likelihood, [step * (g - reference) for g in range(5)])


def _monotone(
    groups: Groups,
    ecog: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    ties: Ties,
    reference: int,
) -> EcogForm | None:
    """Pool neighbouring groups until the hazard rises from each to the next."""
    while True:
        form = _grouped("monotone", groups, ecog, months, death, ties, reference)
        if form is None or len(groups) == 1:
            return form
        ratios = [form.hazard_ratios[group[0]] for group in groups]
        falls = [i for i in range(len(groups) - 1) if ratios[i + 1] < ratios[i]]
        if not falls:
            return form
        first = falls[0]
        groups = [*groups[:first], groups[first] + groups[first + 1], *groups[first + 2 :]]


def _grouped(
    name: str,
    groups: Groups,
    ecog: Floats,
    months: Floats,
    death: NDArray[np.bool_],
    ties: Ties,
    reference: int,
) -> EcogForm | None:
    """Fit one parameter for each group but the first; None where one has no finite value."""
    if len(groups) == 1:
        likelihood = RiskSets(np.zeros((len(ecog), 1)), months, death, ties).likelihood(np.zeros(1))
        return _form(name, 0, likelihood.value, [0.0] * 5)
    indicators = np.column_stack([np.isin(ecog, group) for group in groups[1:]]).astype(float)
    try:
        fit = fit_newton(RiskSets(indicators, months, death, ties))
    except FitError:
        return None
    of_group = [0.0, *fit.coefficients.tolist()]
    effects = [0.0] * 5
    for grade in range(5):
        held = [i for i, group in enumerate(groups) if group[0] <= grade]
        effects[grade] = of_group[held[-1]] if held else of_group[0]
    shifted = [effect - effects[reference] for effect in effects]
    return _form(name, len(groups) - 1, fit.log_likelihood, shifted)


def _form(name: str, parameters: int, log_likelihood: float, log_ratios: list[float]) -> EcogForm:
    return EcogForm(
        name=name,
        parameters=parameters,
        log_likelihood=log_likelihood,
        aic=2 * parameters - 2 * log_likelihood,
        hazard_ratios=[float(np.exp(r)) for r in log_ratios],
    )
