"""How the predictions of a batch are wanted."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from model.prediction import DEFAULT_HORIZONS_MONTHS
from service.predictions import HorizonMonths


class BatchQuery(BaseModel):
    """As for a single prediction; there is no curve in a narrow answer."""

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

    @property
    def horizons_months(self) -> list[float]:
        """The times, each once, in the order in which they were asked for."""
        return list(dict.fromkeys(self.horizon_months))
