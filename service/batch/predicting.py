"""From checked rows to the narrow answer; the arithmetic is `model.column_prediction`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.column_prediction import predict_columns
from model.prediction import PrognosticModel
from service.batch.answer import PredictedRows
from service.batch.patients import NAMES, PatientRows


def predict_rows(
    model: PrognosticModel,
    rows: PatientRows,
    horizons_months: Sequence[float],
    confidence_level: float,
) -> PredictedRows:
    """Predict for neighbouring rows of a batch."""
    predicted = predict_columns(
        model,
        rows.columns,
        horizons_months=horizons_months,
        confidence_level=confidence_level,
    )
    return PredictedRows(
        first=rows.first,
        categories=predicted.categories,
        category=predicted.category,
        survival=predicted.survival,
        lower=predicted.lower,
        upper=predicted.upper,
        imputed=_in_the_order_of_a_patient(predicted.imputed, model.cox.design.names),
        errors=rows.errors,
    )


def _in_the_order_of_a_patient(
    imputed: NDArray[np.uint16], names: Sequence[str]
) -> NDArray[np.uint16]:
    """Let each bit stand for the same covariate, whichever covariates a model has."""
    if tuple(names) == NAMES[: len(names)]:
        return imputed
    moved = np.zeros_like(imputed)
    for bit, name in enumerate(names):
        moved |= ((imputed >> np.uint16(bit)) & np.uint16(1)) << np.uint16(NAMES.index(name))
    return moved
