"""Services to be compared with, each on a port of its own: ``python -m benchmarks.serving_peers``.

`echo` is bare FastAPI that validates a patient and sends an answer made before; `naive` is what
a first version looks like: a joblib'd scikit-survival model behind a DataFrame.
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response


def echo(answer: Path) -> FastAPI:
    from model.patient import Patient  # the naive service is to import what it needs only

    app, body = FastAPI(), answer.read_bytes()

    @app.post("/v1/predictions")
    async def predict(patient: Patient) -> Response:  # noqa: ARG001  it is validated
        return Response(body, media_type="application/json")

    return app


def naive(model: Path) -> FastAPI:
    import joblib
    import pandas as pd

    from model.patient import Patient

    app, fitted = FastAPI(), joblib.load(model)

    @app.post("/v1/predictions")
    async def predict(patient: Patient) -> dict[str, list[float]]:
        row = as_numbers(pd.DataFrame([patient.model_dump()]))
        [curve] = fitted.predict_survival_function(row)
        return {"months": curve.x.tolist(), "probability": curve.y.tolist()}

    return app


def as_numbers(table: Any) -> Any:
    """Code the choices of a data frame as 0 and 1, as the naive model was fitted."""
    coded = table.assign(
        disease=table["disease"] == "ALL",
        conditioning=table["conditioning"] == "myeloablative",
    )
    return coded.astype(float)


if __name__ == "__main__":
    _, kind, port, file = sys.argv
    made = {"echo": echo, "naive": naive}[kind](Path(file))
    uvicorn.run(made, port=int(port), http="h11", access_log=False, log_level="warning")
