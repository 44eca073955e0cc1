"""What MLflow loads: the naive model as a Python function of a data frame."""

from typing import Any

import joblib
import mlflow


class Naive(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # only in MLflow's own environment
    """Survival curves of a joblib'd scikit-survival model."""

    def load_context(self, context: Any) -> None:
        self._fitted = joblib.load(context.artifacts["model"])

    def predict(self, context: Any, model_input: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        coded = model_input.assign(
            disease=model_input["disease"] == "ALL",
            conditioning=model_input["conditioning"] == "myeloablative",
        )
        curves = self._fitted.predict_survival_function(coded.astype(float))
        return [{"months": c.x.tolist(), "probability": c.y.tolist()} for c in curves]


mlflow.models.set_model(Naive())
