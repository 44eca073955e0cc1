"""What Prometheus reads of the service: counts and times, no value of any patient."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.audit.store import Store
from service.predictions import Answer
from service.registry import Registry

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_OUT_OF_RANGE = "outside_training_range"


class Metrics:
    """The metrics of one app, on a registry of its own.

    A label is a route's template, a model, a category or a name of ours: never an
    address, a caller or anything that was submitted.
    """

    def __init__(self, models: Callable[[], Registry], store: Store | None) -> None:
        self._registry = CollectorRegistry()
        # Finding a metric by its labels takes longer than counting; there are few of each.
        self._requests = cache(
            Counter(
                "hsct2_requests",
                "Requests that were answered.",
                ["route", "method", "status"],
                registry=self._registry,
            ).labels
        )
        self._seconds = cache(
            Histogram(
                "hsct2_request_seconds",
                "Time from a request's head to the end of its answer.",
                ["route"],
                buckets=_SECONDS,
                registry=self._registry,
            ).labels
        )
        self._in_flight = Gauge(
            "hsct2_requests_in_flight",
            "Requests that are being received or answered.",
            registry=self._registry,
        )
        self._predictions = cache(
            Counter(
                "hsct2_predictions",
                "Predictions that were made.",
                ["model", "category"],
                registry=self._registry,
            ).labels
        )
        self._imputations = cache(
            Counter(
                "hsct2_imputations",
                "Predictions in which a covariate was unknown.",
                ["covariate"],
                registry=self._registry,
            ).labels
        )
        self._out_of_range = cache(
            Counter(
                "hsct2_out_of_range_inputs",
                "Predictions in which a covariate was outside the range of the training values.",
                ["covariate"],
                registry=self._registry,
            ).labels
        )
        self._warnings = cache(
            Counter(
                "hsct2_warnings",
                "Warnings that predictions carried.",
                ["code"],
                registry=self._registry,
            ).labels
        )
        self._reloads = Counter(
            "hsct2_model_reloads",
            "Reloads of the folder of models; refused: what was served before stayed.",
            ["outcome"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Served(models))
        if store is not None:
            self._registry.register(_Audited(store))

    def predicted(self, answer: Answer) -> None:
        """Count a prediction, what was imputed in it and its warnings."""
        model, category = answer.model, answer.computed.category.risk.category
        self._predictions(f"{model.id}@{model.version}", category).inc()
        for covariate in answer.computed.imputed:
            self._imputations(covariate).inc()
        for warning in answer.warnings:
            self._warnings(warning.code).inc()
            if warning.code == _OUT_OF_RANGE:
                self._out_of_range(str(warning.field)).inc()

    def predicted_rows(
        self,
        model: str,
        categories: Mapping[str, int],
        imputed: Mapping[str, int],
        out_of_range: Mapping[str, int],
    ) -> None:
        """Count the predictions of a part of a batch, by category and by covariate."""
        for category, count in categories.items():
            self._predictions(model, category).inc(count)
        for covariate, count in imputed.items():
            self._imputations(covariate).inc(count)
        for covariate, count in out_of_range.items():
            self._out_of_range(covariate).inc(count)

    def reloaded(self, *, accepted: bool) -> None:
        """Count a reload of the models."""
        self._reloads.labels("accepted" if accepted else "refused").inc()

    def began(self) -> None:
        """Count a request as in flight."""
        self._in_flight.inc()

    def answered(self, route: str, method: str, status: int | None, seconds: float) -> None:
        """Count a request that is no longer in flight."""
        self._in_flight.dec()
        self._requests(route, method, str(status or "none")).inc()
        self._seconds(route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _Served(Collector):
    """The models as they are served when somebody looks."""

    def __init__(self, models: Callable[[], Registry]) -> None:
        self._models = models

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without looking at the models, which may not be there yet."""
        yield GaugeMetricFamily("hsct2_model_info", "")
        yield GaugeMetricFamily("hsct2_refused_artifacts", "")

    def collect(self) -> Iterator[Metric]:
        """Return one 1 for each model, and how many artifacts were refused."""
        registry = self._models()
        info = GaugeMetricFamily(
            "hsct2_model_info",
            "1 for each model that is served.",
            labels=["model", "sha256", "synthetic", "default"],
        )
        default = registry.resolve(None) if registry.is_ready else None
        for name, artifact in registry.artifacts.items():
            flags = (artifact.manifest.synthetic, artifact is default)
            info.add_metric([name, artifact.sha256, *(str(f).lower() for f in flags)], 1)
        yield info
        yield GaugeMetricFamily(
            "hsct2_refused_artifacts",
            "Artifacts in the folder of models that are not served; /readyz gives the reasons.",
            value=len(registry.refused),
        )


class _Audited(Collector):
    """The audit store as it is when somebody looks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Return how far the store is behind, and whether it can be written."""
        yield GaugeMetricFamily(
            "hsct2_audit_lag_seconds",
            "Time that the oldest prediction not yet durable has waited.",
            value=self._store.lag_seconds,
        )
        yield GaugeMetricFamily(
            "hsct2_audit_waiting_rows",
            "Predictions that wait to be stored, and to be answered after that.",
            value=self._store.waiting_rows,
        )
        yield GaugeMetricFamily(
            "hsct2_audit_available",
            "1 where the last attempt to store succeeded, else 0.",
            value=float(self._store.is_available),
        )
