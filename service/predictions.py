"""A prediction as it is asked for and answered over HTTP."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.answer import PatientPrediction, PredictionWarning
from model.artifact import Artifact
from model.patient import Patient
from model.prediction import DEFAULT_HORIZONS_MONTHS, Computed, compute

HorizonMonths = Annotated[float, Field(gt=0, le=1200, allow_inf_nan=False)]


class SurvivalQuery(BaseModel):
    """How survival is wanted, of one patient or of many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        None,
        max_length=100,
        description="`id` or `id@version` of the model; default the service's.",
        examples=["hsct2-os"],
    )
    horizon_months: Annotated[
        list[HorizonMonths],
        Field(
            default_factory=lambda: list(DEFAULT_HORIZONS_MONTHS),
            min_length=1,
            max_length=50,
            description="Times at which survival is wanted, months; repeat it for several."
            " Default 6, 12 and 24.",
        ),
    ]
    confidence_level: float = Field(
        0.95, ge=0.5, le=0.999, description="Confidence level of all intervals."
    )


class PredictionQuery(SurvivalQuery):
    """How a prediction is wanted."""

    curve: bool = Field(True, description="Whether the whole curve is wanted.")


class PredictionRequest(Patient):
    """The patient, with an optional reference of the caller's own."""

    model_config = ConfigDict(
        title="Patient",
        json_schema_extra={
            "examples": [
                {"ecog": 1},
                {"ecog": 2, "age_years": 41, "disease": "AML", "hemoglobin_g_dl": 8.9},
            ]
        },
    )

    subject_reference: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Opaque to the service; never a name or number that identifies a person.",
    )

    @classmethod
    def of_json(cls, content: bytes) -> Self | None:
        """Return a valid patient from JSON in one pass; None for what has to be explained.

        A repeated key is not JSON of ours: as no value is an object, there are as many
        colons as keys, unless a text holds one, which another look will tell.
        """
        try:
            patient = cls.model_validate_json(content)
        except ValidationError:
            return None
        return patient if content.count(b":") == len(patient.model_fields_set) else None


class ServedModel(BaseModel):
    """The model that made a prediction."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: str
    sha256: str = Field(description="of the manifest, which holds the digests of all files")
    synthetic: bool
    notice: str | None = Field(description="what every place that shows a prediction must say")

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Identify an artifact."""
        manifest = artifact.manifest
        return cls._of(
            manifest.id, manifest.version, artifact.sha256, manifest.synthetic, manifest.notice
        )

    @classmethod
    @lru_cache(maxsize=64)
    def _of(cls, name: str, version: str, sha256: str, synthetic: bool, notice: str | None) -> Self:
        return cls(id=name, version=version, sha256=sha256, synthetic=synthetic, notice=notice)


class Prediction(PatientPrediction):
    """Predicted survival of one patient with its uncertainty, and where it comes from."""

    prediction_id: UUID
    created_at: datetime
    service_version: str
    subject_reference: str | None
    audited: bool = Field(description="whether it was stored before it was sent")
    model: ServedModel


@dataclass(frozen=True)
class Answer:
    """What will be a `Prediction`: the numbers, and where they come from."""

    computed: Computed
    prediction_id: str
    created_at: datetime
    service_version: str
    subject_reference: str | None
    audited: bool
    model: ServedModel

    @property
    def warnings(self) -> list[PredictionWarning]:
        """The warnings of the prediction."""
        return self.computed.warnings

    def json(self) -> str:
        """Return the `Prediction` as JSON."""
        prediction = self.computed.plain | {
            "prediction_id": self.prediction_id,
            "created_at": self.created_at,
            "service_version": self.service_version,
            "subject_reference": self.subject_reference,
            "audited": self.audited,
            "model": self.model,
        }
        return orjson.dumps(prediction, default=vars, option=orjson.OPT_UTC_Z).decode()


def answer(
    artifact: Artifact,
    request: PredictionRequest,
    query: PredictionQuery,
    *,
    prediction_id: str,
    created_at: datetime,
    service_version: str,
    audited: bool,
) -> Answer:
    """Predict for one patient and sign the answer with its origin."""
    computed = compute(
        artifact.model,
        request,
        horizons_months=tuple(query.horizon_months),
        confidence_level=query.confidence_level,
        with_curve=query.curve,
    )
    return Answer(
        computed,
        prediction_id,
        created_at,
        service_version,
        request.subject_reference,
        audited,
        ServedModel.of(artifact),
    )
