"""A card for a chart of a thousand Observations, from request to answer, against its limit."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from tests.server import Server
from tests.service.cds.calls import PATIENT_VIEW
from tests.service.cds.charts import bundle, observation, patient_view, prefetch

LIMIT_SECONDS = 0.5
OBSERVATIONS = 1_000
_CALLS = 200


@dataclass(frozen=True)
class Latency:
    """How long a call takes that finds nobody else there."""

    what: str
    calls: int
    median_seconds: float
    p95_seconds: float
    limit_seconds: float
    bytes_sent: int


def latency(calls: int = _CALLS) -> Latency:
    """Call a service of its own over loopback, one call after the other."""
    body = json.dumps(patient_view(prefetch(**_observations()))).encode()
    headers = {"Content-Type": "application/json"}
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "log") as server,
        server.client() as client,
    ):
        seconds = []
        for call in range(calls + 1):
            began = perf_counter()
            response = client.post(PATIENT_VIEW, content=body, headers=headers)
            if call:  # the first one loads the library of units
                seconds.append(perf_counter() - began)
            assert len(response.raise_for_status().json()["cards"]) == 1
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    what = f"CDS card, prefetch of {OBSERVATIONS:,} Observations"
    return Latency(what, calls, median(seconds), p95, LIMIT_SECONDS, len(body))


def _observations() -> dict[str, object]:
    """Return the Observations of three years, spread over what is measured most."""
    measured = {
        "hemoglobin_g_dl": ("718-7", 89, "g/L"),
        "lymphocytes_10e9_l": ("731-0", 0.8, "10*9/L"),
        "ldh_u_l": ("2532-0", 4.3, "ukat/L"),
        "ferritin_ng_ml": ("2276-4", 1150, "ug/L"),
    }
    each = OBSERVATIONS // len(measured)
    return {
        key: bundle(*(observation(*values, days=1 + 4 * n) for n in range(each)))
        for key, values in measured.items()
    }
