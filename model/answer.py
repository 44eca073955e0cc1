"""The answer for one patient, as it is handed out."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from model.patient import Value

Probability = Annotated[float, Field(ge=0, le=1)]


class _Answer(BaseModel):
    # Built when first used: a model that only stands in others is never built by itself.
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, defer_build=True)


class Interval(_Answer):
    """An estimate with its limits; a limit that the data do not reach is null."""

    estimate: float | None
    lower: float | None
    upper: float | None


class Median(Interval):
    """Median survival in months; `reason` says why it is null."""

    reason: str | None = None


class RestrictedMean(Interval):
    """Mean survival within `limit_months`, in months."""

    limit_months: float


class ObservedHorizon(_Answer):
    """Kaplan-Meier survival of a risk band at one horizon."""

    months: float
    probability: Probability | None
    lower: Probability | None
    upper: Probability | None
    at_risk: int


class ObservedContrast(_Answer):
    """Observed hazard ratio of a band against the reference band, with 95 % limits."""

    hazard_ratio: float
    lower: float
    upper: float
    p_value: Probability = Field(description="of the log-rank test")


class Observed(_Answer):
    """What was observed in a risk band of the training cohort."""

    patients: int
    deaths: int
    horizons: list[ObservedHorizon]
    median_months: Interval
    contrast: ObservedContrast | None = Field(
        description="against the reference band; null for that band itself"
    )


class Band(_Answer):
    """The ECOG grades of a risk category."""

    lowest_ecog: int
    highest_ecog: int


class EcogHazardRatio(Interval):
    """Hazard ratio of this ECOG grade against the reference grade, all else equal."""

    reference_ecog: int


class Risk(_Answer):
    """The risk category, which ECOG alone decides, and what was observed in it."""

    category: str
    ecog: int
    band: Band
    hazard_ratio: EcogHazardRatio
    observed: Observed
    extrapolated: bool = Field(
        description="whether the cohort had too few patients or deaths of this very grade"
    )


class Horizon(_Answer):
    """Predicted survival at one horizon; `reason` says why it is withheld."""

    months: float
    probability: Probability | None
    lower: Probability | None
    upper: Probability | None
    at_risk: int
    reason: str | None = None


class Curve(_Answer):
    """The predicted curve as parallel lists: survival from each time to the next."""

    months: list[float]
    probability: list[float]
    lower: list[float | None]
    upper: list[float | None]


class Survival(_Answer):
    """Predicted survival with pointwise log-log limits."""

    confidence_level: float
    last_months: float = Field(description="beyond this time nothing is predicted")
    horizons: list[Horizon]
    curve: Curve | None
    median_months: Median
    restricted_mean_months: RestrictedMean


class Contribution(_Answer):
    """What one covariate adds to the log hazard, against its reference value."""

    covariate: str
    value: Value | None = Field(description="null if unknown: its expected value then contributes")
    reference: Value
    log_hazard_ratio: float
    hazard_ratio: float


class Imputed(_Answer):
    """What was expected of a covariate that is unknown."""

    covariate: str
    expected: float
    meaning: str = Field(description="what `expected` is, with its unit")
    variance_share: Probability = Field(
        description="by how much the variance of log cumulative hazard, where the restricted mean"
        " ends, would fall if this value were known"
    )


class PredictionWarning(_Answer):
    """Something that the reader of a prediction has to know."""

    code: str
    field: str | None
    message: str


class PatientPrediction(_Answer):
    """Category, survival, contributions, imputations and warnings for one patient."""

    risk: Risk
    survival: Survival
    contributions: list[Contribution]
    imputed: list[Imputed]
    warnings: list[PredictionWarning]
