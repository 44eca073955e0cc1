"""The tables of a card from which a prediction is recomputed, and the one worked out.

Numbers that a computation needs are printed so that reading them gives the very same
number again; hazard ratios and the worked example are rounded for people.
"""

from collections.abc import Iterator

from model.card import Specification, Term, TransformName, WorkedExample
from training.card.markdown import bullets, escape, heading, paragraph, table

_FORMS: dict[TransformName, str] = {
    "identity": "value",
    "log": "log(value)",
    "shifted_log": "log(value + c)",
}


def specification(card: Specification) -> Iterator[str]:
    """Yield the tables of the whole model, and how to use them."""
    names = [f"`{term.covariate}`" for term in card.terms]
    yield from paragraph(
        f"{card.formula}, where x are the standardised covariates, fitted with"
        f" {card.ties.capitalize()} ties. Months from HSCT2, logarithms natural."
    )
    yield from heading(3, "Constants")
    yield from table(
        ("constant", "value"),
        (
            ("t*, months", repr(card.last_months)),
            ("limit of the restricted mean, months", repr(card.restricted_mean_limit_months)),
            ("confidence level", repr(card.confidence_level)),
            ("z", repr(card.normal_quantile)),
            ("reference grade of ECOG", str(card.ecog_reference)),
        ),
    )
    yield from heading(3, "Terms")
    yield from table(
        (
            *("covariate", "enters as", "c", "mean", "SD"),
            *("coefficient per SD", "coefficient per unit", "penalty", "reference value"),
        ),
        (_term(term) for term in card.terms),
    )
    yield from heading(3, "Hazard ratios")
    yield from table(
        ("covariate", "per", "hazard ratio", "95 % interval", "training range"),
        (_hazard_ratio(term) for term in card.terms),
    )
    for title, matrix in (
        ("Covariance of the coefficients per SD (V)", card.covariance),
        ("Covariance of the coefficients per unit", card.covariance_per_unit),
        ("Covariance of the standardised covariates (Σ)", card.covariate_covariance),
    ):
        yield from heading(3, title)
        yield from table(
            ("covariate", *names),
            ((name, *map(repr, row)) for name, row in zip(names, matrix, strict=True)),
        )
    yield from heading(3, "Baseline")
    yield from table(
        ("months", "Λ0", "VH", *(f"a: {name}" for name in names)),
        (
            tuple(map(repr, (s.months, s.cumulative_hazard, s.variance, *s.mean_term)))
            for s in card.baseline
        ),
    )
    yield from heading(3, "How to compute a prediction")
    yield from bullets(card.recipe)


def _term(term: Term) -> Iterator[str]:
    yield f"`{term.covariate}`"
    yield _form(term)
    numbers = (term.shift, term.mean, term.sd, term.coefficient, term.coefficient_per_unit)
    yield from map(repr, numbers)
    yield repr(term.penalty)
    yield repr(term.reference)


def _form(term: Term) -> str:
    if term.coded_one is not None:
        return f"1 if {escape(term.coded_one)}, 0 if {escape(str(term.coded_zero))}"
    return _FORMS[term.transform]


def _hazard_ratio(term: Term) -> Iterator[str]:
    yield escape(term.label)
    if term.coded_one is not None:
        yield escape(f"{term.coded_one} against {term.coded_zero}")
    elif term.transform == "identity":
        yield escape(term.unit or "point")
    else:
        yield escape(f"log({term.unit})")
    yield f"{term.hazard_ratio_per_unit:.4g}"
    yield f"{term.lower_per_unit:.4g} to {term.upper_per_unit:.4g}"
    yield "both" if term.coded_one is not None else f"{term.minimum:g} to {term.maximum:g}"


def worked_example(example: WorkedExample, card: Specification) -> Iterator[str]:
    """Yield a prediction worked out from the specification's numbers."""
    yield from paragraph(
        f"Survival at {example.horizon_months:g} months of an invented patient of whom everything"
        f" is known. The row of the baseline at {example.baseline_months!r} months applies. Numbers"
        " are shown to ten digits."
    )
    yield from table(
        (
            *("covariate", "value", "f(value)", "x", "coefficient", "coefficient times x"),
            *("a", "q = Λ0 x - a", "row of V times q"),
        ),
        (
            (
                f"`{worked.covariate}`",
                escape(_value(worked.value)),
                _digits(worked.transformed),
                _digits(worked.standardised),
                _digits(term.coefficient),
                _digits(worked.contribution),
                _digits(worked.mean_term),
                _digits(worked.distance),
                _digits(worked.weighted_distance),
            )
            for worked, term in zip(example.terms, card.terms, strict=True)
        ),
    )
    yield from table(
        ("step", "value"),
        (
            ("η, the sum of coefficient times x", _digits(example.linear_predictor)),
            ("Λ0", _digits(example.baseline_hazard)),
            ("Λ = Λ0 exp(η)", _digits(example.hazard)),
            ("S = exp(-Λ)", _digits(example.survival)),
            ("VH", _digits(example.baseline_variance)),
            ("q'Vq, the sum of q times row of V times q", _digits(example.coefficient_variance)),
            ("variance of log Λ = (VH + q'Vq) / Λ0²", _digits(example.variance)),
            ("lower limit of S", _digits(example.lower)),
            ("upper limit of S", _digits(example.upper)),
        ),
    )


def _value(value: float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _digits(number: float) -> str:
    return f"{number:.10g}"
