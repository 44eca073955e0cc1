"""A fitted model written out in numbers, and one prediction worked out from them."""

import math
from typing import Literal, cast

from model.card import BaselineStep, Specification, Term, WorkedExample, WorkedTerm
from model.cox import CoxModel
from model.kaplan_meier import normal_quantile
from model.patient import COVARIATES, Patient
from model.prediction import PrognosticModel

CONFIDENCE_LEVEL = 0.95
EXAMPLE_HORIZON_MONTHS = 12.0

_LARGEST_EXPONENT = 700.0

EXAMPLE_PATIENT = Patient(
    ecog=2,
    age_years=50.0,
    bmi_kg_m2=24.0,
    disease="ALL",
    conditioning="myeloablative",
    post_transplant_cyclophosphamide=True,
    donor_chimerism_percent=80.0,
    cd34_dose_10e6_per_kg=6.0,
    hemoglobin_g_dl=9.5,
    lymphocytes_10e9_l=0.8,
    ldh_u_l=300.0,
    ferritin_ng_ml=1500.0,
)
"""Invented, in round numbers and nobody's: a worked example needs no real patient."""

RECIPE = (
    (
        "Number: a binary covariate is 1 or 0 as its term says; any other covariate is its value in"
        " the stated unit."
    ),
    "Standardise: x = (f(number) - mean) / SD, where f is what the term enters as.",
    (
        "Baseline at time t: Λ0, VH and a stand in the last row whose months are at most t. With no"
        " such row survival is 1 and has no interval; beyond t* nothing is predicted."
    ),
    "Point: η is the sum of coefficient times x over all terms, Λ = Λ0 exp(η), S = exp(-Λ).",
    "Variance of log Λ: with q = Λ0 x - a, one number per term, it is (VH + q'Vq) / Λ0².",
    (
        "Limits of S: exp(-exp(log Λ + z s)) below and exp(-exp(log Λ - z s)) above, s being the"
        " square root of that variance."
    ),
    (
        "Unknown values: split Σ into known (o) and unknown (m) terms. They are expected at"
        " x_m = Σ_mo Σ_oo⁻¹ x_o with covariance C = Σ_mm - Σ_mo Σ_oo⁻¹ Σ_om. For a binary one,"
        " p = mean + SD times its x, clipped to 0 and 1; its x becomes (p - mean) / SD, and its row"
        " and column of C are multiplied by the square root of p (1 - p) / C_jj, divided by SD."
    ),
    (
        "With unknown values the variance of log Λ grows by b'Cb + tr(V_mm C), b being the unknown"
        " terms' coefficients. The limits stay around exp(-Λ) at the expected values; the point is"
        " the mean of exp(-Λ exp(Z)), Z normal with mean 0 and variance b'Cb."
    ),
)


def specify(model: PrognosticModel) -> Specification:
    """Write out everything that a prediction is computed from."""
    cox = model.cox
    return Specification(
        formula="S(t | x) = exp(-Λ0(t) exp(β'x))",
        ties=cast('Literal["efron", "breslow"]', cox.ties),
        terms=[_term(cox, column) for column in range(len(cox.design.names))],
        covariance=cox.covariance.tolist(),
        covariance_per_unit=cox.covariance_per_unit.tolist(),
        covariate_covariance=cox.covariate_covariance.tolist(),
        baseline=[
            BaselineStep(months=months, cumulative_hazard=hazard, variance=variance, mean_term=mean)
            for months, hazard, variance, mean in zip(
                cox.months.tolist(),
                cox.hazard.tolist(),
                cox.hazard_variance.tolist(),
                cox.hazard_mean.tolist(),
                strict=True,
            )
        ],
        last_months=cox.last_months,
        restricted_mean_limit_months=cox.restricted_mean_limit_months,
        confidence_level=CONFIDENCE_LEVEL,
        normal_quantile=normal_quantile(CONFIDENCE_LEVEL),
        ecog_reference=model.risk_bands.ecog_reference,
        recipe=list(RECIPE),
    )


def _term(cox: CoxModel, column: int) -> Term:
    design, name = cox.design, cox.design.names[column]
    covariate = COVARIATES[name]
    zero, one = covariate.choices or ("false", "true")
    beta = float(cox.coefficients_per_unit[column])
    reach = normal_quantile(CONFIDENCE_LEVEL) * math.sqrt(cox.covariance_per_unit[column, column])
    ratio, lower, upper = (_exp(beta + side * reach) for side in (0, -1, 1))
    return Term(
        covariate=name,
        label=covariate.label,
        unit=covariate.unit,
        transform=covariate.transform.value,
        coded_one=one if covariate.is_binary else None,
        coded_zero=zero if covariate.is_binary else None,
        shift=float(design.shift[column]),
        mean=float(design.mean[column]),
        sd=float(design.sd[column]),
        minimum=float(design.minimum[column]),
        maximum=float(design.maximum[column]),
        reference=float(design.reference[column]),
        penalty=float(cox.penalty[column]),
        coefficient=float(cox.coefficients[column]),
        coefficient_per_unit=beta,
        hazard_ratio_per_unit=ratio,
        lower_per_unit=lower,
        upper_per_unit=upper,
    )


def work_out(specification: Specification) -> WorkedExample:
    """Predict for `EXAMPLE_PATIENT` from the written numbers alone, one step at a time.

    At `EXAMPLE_HORIZON_MONTHS`, or at the last death up to t* where the model does not
    reach that horizon or nobody had died by then.
    """
    deaths = [s for s in specification.baseline if s.months <= specification.last_months]
    early = [s for s in deaths if s.months <= EXAMPLE_HORIZON_MONTHS]
    reached = bool(early) and specification.last_months >= EXAMPLE_HORIZON_MONTHS
    step = early[-1] if reached else deaths[-1]
    terms = _work_out_terms(specification, step)
    predictor = math.fsum(term.contribution for term in terms)
    hazard = step.cumulative_hazard * _exp(predictor)
    spread = math.fsum(term.distance * term.weighted_distance for term in terms)
    variance = (step.variance + spread) / step.cumulative_hazard**2
    log_hazard = math.log(step.cumulative_hazard) + predictor
    reach = specification.normal_quantile * math.sqrt(variance)
    return WorkedExample(
        horizon_months=EXAMPLE_HORIZON_MONTHS if reached else step.months,
        baseline_months=step.months,
        terms=terms,
        linear_predictor=predictor,
        baseline_hazard=step.cumulative_hazard,
        hazard=hazard,
        survival=math.exp(-hazard),
        baseline_variance=step.variance,
        coefficient_variance=spread,
        variance=variance,
        lower=math.exp(-_exp(log_hazard + reach)),
        upper=math.exp(-_exp(log_hazard - reach)),
    )


def _exp(exponent: float) -> float:
    return math.exp(min(exponent, _LARGEST_EXPONENT))


def _work_out_terms(specification: Specification, step: BaselineStep) -> list[WorkedTerm]:
    transformed = [_transform(term) for term in specification.terms]
    standardised = [
        (number - term.mean) / term.sd
        for number, term in zip(transformed, specification.terms, strict=True)
    ]
    distance = [
        step.cumulative_hazard * x - mean
        for x, mean in zip(standardised, step.mean_term, strict=True)
    ]
    return [
        WorkedTerm(
            covariate=term.covariate,
            value=getattr(EXAMPLE_PATIENT, term.covariate),
            transformed=transformed[column],
            standardised=standardised[column],
            contribution=term.coefficient * standardised[column],
            mean_term=step.mean_term[column],
            distance=distance[column],
            weighted_distance=math.fsum(v * q for v, q in zip(row, distance, strict=True)),
        )
        for column, (term, row) in enumerate(
            zip(specification.terms, specification.covariance, strict=True)
        )
    ]


def _transform(term: Term) -> float:
    number = COVARIATES[term.covariate].to_number(getattr(EXAMPLE_PATIENT, term.covariate))
    return number if term.transform == "identity" else math.log(number + term.shift)
