"""The model card as a record: what its Markdown is rendered from and what JSON hands out.

Every value is plain and every text is plain text, not markup. A reader who holds the
card and nothing else can recompute a prediction with its interval.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from model.analysis import Performance
from model.answer import Observed
from model.manifest import CohortProvenance, EcogEffect, Finding, ModelId, ModelVersion, Validation
from model.patient import Value

CARD_VERSION = 1

TransformName = Literal["identity", "log", "shifted_log"]
ReportingStatus = Literal["answered", "not_applicable", "not_recorded"]


class _Record(BaseModel):
    # Built when first used: a model that only stands in others is never built by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Uses(_Record):
    """What the model is for, who uses it how and for whom, and what it is not for."""

    intended_use: str
    workflow: str
    users: list[str]
    how_to_use: str
    target_population: str
    out_of_scope: list[str]


class CardPerformance(_Record):
    """How well the model predicts; `measures` is empty where none is recorded."""

    statement: str = Field(description="what the figures are worth")
    circular: bool = Field(description="whether the cohort was made to give its own figures")
    resamples: int | None
    failed_resamples: int | None
    measures: list[Performance]
    external: list[Validation]


class RiskCategory(_Record):
    """A band of ECOG grades and what was observed in it, limits at 95 %."""

    category: str
    lowest_ecog: int
    highest_ecog: int
    observed: Observed


class EcogGrade(_Record):
    """How many patients and deaths the cohort had of one ECOG grade."""

    ecog: int
    patients: int
    deaths: int
    extrapolated: bool


class Term(_Record):
    """One covariate of the linear predictor.

    The covariate's number is transformed, `mean` is taken away and the rest divided by
    `sd`; the result times `coefficient` is what the covariate adds to the log hazard.
    """

    covariate: str
    label: str
    unit: str | None
    transform: TransformName
    coded_one: str | None = Field(description="of a binary covariate, the value that counts as 1")
    coded_zero: str | None = Field(description="of a binary covariate, the value that counts as 0")
    shift: float = Field(description="c of log(x + c); 0 where no shift applies")
    mean: float = Field(description="of the transformed covariate")
    sd: float = Field(description="of the transformed covariate")
    minimum: float = Field(description="smallest training value, untransformed")
    maximum: float = Field(description="largest training value, untransformed")
    reference: float = Field(description="what contributions are measured from, untransformed")
    penalty: float
    coefficient: float = Field(description="log hazard ratio per standard deviation")
    coefficient_per_unit: float = Field(description="log hazard ratio per transformed unit")
    hazard_ratio_per_unit: float
    lower_per_unit: float = Field(description="95 % limit of the hazard ratio")
    upper_per_unit: float = Field(description="95 % limit of the hazard ratio")


class BaselineStep(_Record):
    """The baseline from one death time to the next."""

    months: float
    cumulative_hazard: float = Field(description="Λ0")
    variance: float = Field(description="VH, of Λ0 for fixed coefficients")
    mean_term: list[float] = Field(
        description="a, the integral of the risk set's mean covariates against Λ0; by covariate"
    )


class Specification(_Record):
    """The whole model in numbers; matrices are in the order of `terms`."""

    formula: str
    ties: Literal["efron", "breslow"]
    terms: list[Term]
    covariance: list[list[float]] = Field(description="V, of the coefficients per SD")
    covariance_per_unit: list[list[float]] = Field(description="of the coefficients per unit")
    covariate_covariance: list[list[float]] = Field(
        description="Σ, of the standardised covariates, whose means are 0; for unknown values"
    )
    baseline: list[BaselineStep]
    last_months: float = Field(description="t*: beyond it nothing is predicted")
    restricted_mean_limit_months: float
    confidence_level: float
    normal_quantile: float = Field(description="z of the confidence level")
    ecog_reference: int = Field(description="the grade that ECOG's hazard ratio is against")
    recipe: list[str] = Field(description="how to compute a prediction, step by step")


class WorkedTerm(_Record):
    """One covariate of the worked example."""

    covariate: str
    value: Value
    transformed: float
    standardised: float = Field(description="x")
    contribution: float = Field(description="coefficient times x")
    mean_term: float = Field(description="a at the horizon")
    distance: float = Field(description="q = Λ0 x - a")
    weighted_distance: float = Field(description="the covariate's row of V times q")


class WorkedExample(_Record):
    """A prediction for an invented patient of whom everything is known, step by step."""

    horizon_months: float
    baseline_months: float = Field(description="the death time whose baseline row applies")
    terms: list[WorkedTerm]
    linear_predictor: float
    baseline_hazard: float = Field(description="Λ0")
    hazard: float = Field(description="Λ")
    survival: float
    baseline_variance: float = Field(description="VH")
    coefficient_variance: float = Field(description="q'Vq")
    variance: float = Field(description="of log Λ")
    lower: float
    upper: float


class ReportingAnswer(_Record):
    """One item of TRIPOD+AI (Collins 2024), its topic in our words, and its answer."""

    number: str
    section: str
    topic: str
    status: ReportingStatus = Field(
        description="not_recorded: only the cohort's owner could answer, and has not"
    )
    answer: str = Field(min_length=1, description="or the reason why there is none")


class AppliedEntry(_Record):
    """One entry of CHAI's applied model card."""

    heading: str
    text: str = Field(min_length=1)


class AppliedSection(_Record):
    """One heading of CHAI's applied model card with its entries."""

    heading: str
    entries: list[AppliedEntry]


class ModelCard(_Record):
    """What a model is, what it was made from, what it is worth and must not be used for."""

    card_version: Literal[1]
    id: ModelId
    version: ModelVersion
    title: str
    notice: str | None = Field(description="what has to be said wherever a prediction is shown")
    summary: str
    uses: Uses
    cohort: CohortProvenance
    cohort_description: list[str]
    performance: CardPerformance
    risk_categories: list[RiskCategory]
    ecog_grades: list[EcogGrade]
    ecog_effects: list[EcogEffect]
    ecog_explanation: list[str] = Field(description="why the hazard ratios of ECOG differ")
    limits: list[str]
    findings: list[Finding]
    specification: Specification
    worked_example: WorkedExample
    tripod_ai: list[ReportingAnswer]
    applied_model_card: list[AppliedSection]
    seed: int
    library_versions: dict[str, str]
