"""What is said of an artifact: identity, provenance, findings and digests."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = 1
"""Raise it when an older reader would misread a newer artifact; there is no migration."""

SYNTHETIC_NOTICE = (
    "Demonstration of the method, trained on a synthetic cohort. Not for clinical decisions."
)
NOT_VALIDATED_NOTICE = "Not validated: no validation on another cohort is recorded."

ModelId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
ModelVersion = Annotated[str, Field(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    # Built when first used: a model that only stands in others is never built by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Finding(_Record):
    """Something found while a cohort was read or a model fitted that its reader must know."""

    code: str
    message: str


class CohortProvenance(_Record):
    """Which cohort a model was trained on."""

    name: str
    institution: str
    synthetic: bool
    end_of_follow_up: str | None
    sha256: Sha256 = Field(description="of the rows in canonical form")
    patients: int
    deaths: int


class Estimated(_Record):
    """An estimate with its 95 % limits."""

    estimate: float
    lower: float
    upper: float

    def __str__(self) -> str:
        """Return it for people, to two decimals."""
        return f"{self.estimate:.2f} ({self.lower:.2f} to {self.upper:.2f})"


class ObservedExpected(_Record):
    """Deaths observed by Kaplan-Meier over those expected, by a horizon."""

    horizon_months: float
    ratio: Estimated

    def __str__(self) -> str:
        """Return it for people, with its horizon."""
        return f"{self.horizon_months:g} months: {self.ratio}"


class Validation(_Record):
    """A validation on a cohort that the model was not trained on."""

    cohort: CohortProvenance
    concordance: Estimated = Field(description="Harrell's C")
    calibration_slope: Estimated
    observed_expected: list[ObservedExpected]


class Recalibration(_Record):
    """How a version was adjusted to another cohort: log hazard ratios and baseline scaled."""

    cohort: CohortProvenance
    from_version: ModelVersion
    slope: float
    baseline_scale: float


class EcogEffect(_Record):
    """One hazard ratio per point of ECOG with its 95 % limits, and where it comes from."""

    source: str
    hazard_ratio: float
    lower: float
    upper: float


class Manifest(_Record):
    """The manifest of an artifact folder; `files` holds the digest of every other file."""

    format_version: Literal[1]
    id: ModelId
    version: ModelVersion
    title: str
    covariates: list[str]
    ties: Literal["efron", "breslow"]
    ridge_penalty: float
    cohort: CohortProvenance
    validations: list[Validation]
    recalibration: Recalibration | None = None
    findings: list[Finding]
    ecog_effects: list[EcogEffect]
    seed: int
    library_versions: dict[str, str]
    files: dict[str, Sha256]

    @property
    def synthetic(self) -> bool:
        """Whether the training cohort was synthetic."""
        return self.cohort.synthetic

    @property
    def notice(self) -> str | None:
        """What every place that shows a prediction has to say of this model."""
        if self.cohort.synthetic:
            return SYNTHETIC_NOTICE
        return None if self.validations else NOT_VALIDATED_NOTICE
