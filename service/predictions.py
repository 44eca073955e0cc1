"""A prediction as it is asked for and answered over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from model.answer import PatientPrediction
from model.artifact import Artifact
from model.patient import Patient
from model.prediction import DEFAULT_HORIZONS_MONTHS, predict

HorizonMonths = Annotated[float, Field(gt=0, le=1200, allow_inf_nan=False)]


class PredictionQuery(BaseModel):
    """How a prediction is wanted."""

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
        return cls(
            id=manifest.id,
            version=manifest.version,
            sha256=artifact.sha256,
            synthetic=manifest.synthetic,
            notice=manifest.notice,
        )


class Prediction(PatientPrediction):
    """Predicted survival of one patient with its uncertainty, and where it comes from."""

    prediction_id: UUID
    created_at: datetime
    service_version: str
    subject_reference: str | None
    audited: bool = Field(description="whether it was stored before it was sent")
    model: ServedModel


def answer(
    artifact: Artifact,
    request: PredictionRequest,
    query: PredictionQuery,
    *,
    prediction_id: UUID,
    created_at: datetime,
    service_version: str,
    audited: bool,
) -> Prediction:
    """Predict for one patient and sign the answer with its origin."""
    predicted = predict(
        artifact.model,
        request,
        horizons_months=query.horizon_months,
        confidence_level=query.confidence_level,
        with_curve=query.curve,
    )
    origin: dict[str, Any] = {
        "prediction_id": prediction_id,
        "created_at": created_at,
        "service_version": service_version,
        "subject_reference": request.subject_reference,
        "audited": audited,
        "model": ServedModel.of(artifact),
    }
    return Prediction(**origin, **dict(predicted))
