"""What is known of a fitted model: the analysis that its report and card are rendered from.

Plain records, computed in training, kept in the artifact, shown by report, card and
service. They hold aggregates, and no patient's values.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Record(BaseModel):
    # Built when first used: a model that only stands in others is never built by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Interval(_Record):
    """An estimate with its 95 % limits; null where the data do not reach it."""

    estimate: float | None
    lower: float | None
    upper: float | None


class Figure(_Record):
    """One figure of the study: as published, as this cohort gives it, as the model serves it."""

    label: str
    published: str | None
    reproduced: str
    served: str | None


class Effect(_Record):
    """A hazard ratio per unit of a transformed covariate, with 95 % limits and Wald p."""

    covariate: str
    hazard_ratio: float
    lower: float
    upper: float
    p_value: float


class EliminationStep(_Record):
    """A step of backward elimination: the model, and the covariate with the largest p in it."""

    effects: list[Effect]
    removed: str | None


class TableOneRow(_Record):
    """A line of Table 1: a covariate or level, over all patients and by risk band."""

    label: str
    overall: str
    by_band: list[str]
    missing: int


class StudyAnalysis(_Record):
    """The analysis that the study did, on this cohort.

    `figures` compares with the published ones where the cohort is the shipped one.
    """

    figures: list[Figure]
    table_one_bands: list[str]
    table_one: list[TableOneRow]
    univariate: list[Effect]
    multivariable: list[Effect]
    elimination: list[EliminationStep]
    median_survival_log_log: Interval
    median_survival_study: Interval = Field(description="normal approximation, as published")
    median_follow_up: Interval = Field(description="reverse Kaplan-Meier")
    log_rank_p: float | None = Field(description="between the risk bands")


class PenaltyPath(_Record):
    """Cross-validated partial log-likelihood and standardised coefficients by strength."""

    strengths: list[float]
    scores: list[float]
    chosen: float
    covariates: list[str]
    coefficients: list[list[float]] = Field(description="one list a strength, per SD")


class EcogForm(_Record):
    """One form of the ECOG effect: per point, banded or monotone."""

    name: str
    parameters: int
    log_likelihood: float
    aic: float
    hazard_ratios: list[float] = Field(description="of the grades 0 to 4 against the reference")


class EcogShape(_Record):
    """Whether another form of the ECOG effect than per point is supported."""

    forms: list[EcogForm]
    linearity_p: float | None = Field(description="likelihood ratio, per point against per grade")
    conclusion: str


class ProportionalHazardsTest(_Record):
    """R's ``cox.zph`` score test of one term, or of all."""

    transform: Literal["km", "rank", "identity", "log"]
    term: str
    chi_square: float
    degrees_of_freedom: int
    p_value: float


class Schoenfeld(_Record):
    """Scaled Schoenfeld residuals plus the coefficient, of one covariate, at each death."""

    covariate: str
    months: list[float]
    residuals: list[float]


class Influence(_Record):
    """How far leaving out one patient would move the ECOG coefficient, in standard errors.

    `row` is the row's place in the canonical order of the cohort, not in the file.
    """

    row: int
    dfbetas_ecog: float
    largest_dfbetas: float
    largest_covariate: str
    martingale: float


class Assumptions(_Record):
    """Proportional hazards and influence in the served model's covariates, unpenalised."""

    proportional_hazards: list[ProportionalHazardsTest]
    schoenfeld: list[Schoenfeld]
    influence: list[Influence]


class Performance(_Record):
    """One measure of performance: apparent, its optimism, corrected, with 95 % limits."""

    measure: str
    horizon_months: float | None
    apparent: float
    optimism: float
    corrected: float
    lower: float
    upper: float


class CalibrationPoint(_Record):
    """Mean predicted and observed survival of a group of patients at a horizon."""

    predicted: float
    observed: float
    lower: float | None
    upper: float | None
    patients: int


class CalibrationCurve(_Record):
    """Observed against predicted survival at a horizon: groups, and a smooth curve with a band."""

    horizon_months: float
    groups: list[CalibrationPoint]
    smooth_predicted: list[float]
    smooth_observed: list[float]
    smooth_lower: list[float]
    smooth_upper: list[float]


class NetBenefit(_Record):
    """Net benefit by threshold of predicted risk of death at a horizon.

    The decision: to treat a patient as high risk when the predicted risk of death by
    the horizon exceeds the threshold.
    """

    horizon_months: float
    thresholds: list[float]
    model: list[float]
    model_corrected: list[float]
    everybody: list[float]


class InternalValidation(_Record):
    """Harrell's bootstrap optimism correction, the whole procedure inside each resample."""

    resamples: int
    failed: int = Field(description="resamples that could not be fitted or judged")
    failures: dict[str, int] = Field(default_factory=dict, description="of these, by error code")
    seed: int
    performance: list[Performance]
    calibration: list[CalibrationCurve]
    decision: NetBenefit | None


class MissingValues(_Record):
    """How incomplete a covariate was, and that it was imputed."""

    covariate: str
    missing: int


class Imputation(_Record):
    """Multiple imputation of the cohort's unknown values."""

    imputations: int
    incomplete_patients: int
    covariates: list[MissingValues]
    relative_variance_increase: dict[str, float] = Field(
        description="(1 + 1/m) B / W of each coefficient, by covariate"
    )


class Analysis(_Record):
    """Everything that is known of a fitted model beside the model itself."""

    study: StudyAnalysis | None = None
    penalty_path: PenaltyPath | None = None
    ecog_shape: EcogShape | None = None
    assumptions: Assumptions | None = None
    validation: InternalValidation | None = None
    imputation: Imputation | None = None
