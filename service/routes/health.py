"""Whether the process lives, whether it can answer, and what it offers."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.access import CallerDependency
from service.audit.store import Store
from service.lifecycle import Lifecycle
from service.metrics import CONTENT_TYPE, Metrics
from service.problems import (
    FORBIDDEN,
    NOT_READY,
    OVERLOADED,
    UNAUTHENTICATED,
    ProblemError,
    documented,
)
from service.registry import Registry
from service.version import SERVICE_VERSION

router = APIRouter(tags=["service"])
_OPEN: dict[str, list[str]] = {"security": []}


class Liveness(BaseModel):
    """The process runs."""

    model_config = ConfigDict(frozen=True)

    status: Literal["alive"]


class Readiness(BaseModel):
    """The service can answer; which models it serves and which it refused."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ready"]
    service_version: str
    models: list[str]
    refused: dict[str, str]
    audit: Literal["on", "off", "failing"] = Field(
        description="whether predictions are stored; while failing none is answered"
    )


@router.get(
    "/livez",
    operation_id="get_liveness",
    summary="Ask whether the process lives",
    openapi_extra=_OPEN,
    responses=documented(),
)
async def get_liveness() -> Liveness:
    """Answer; no more is checked."""
    return Liveness(status="alive")


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Ask whether predictions can be answered",
    openapi_extra=_OPEN,
    responses=documented(NOT_READY),
)
async def get_readiness(request: Request) -> Readiness:
    """Return what is served, and why other artifacts were refused."""
    registry: Registry = request.app.state.registry
    store: Store | None = request.app.state.store
    lifecycle: Lifecycle = request.app.state.lifecycle
    if lifecycle.draining:
        raise ProblemError(NOT_READY, "The service is about to stop.")
    if not registry.is_ready:
        raise ProblemError(NOT_READY, "The default model is not served.")
    return Readiness(
        status="ready",
        service_version=SERVICE_VERSION,
        models=list(registry.artifacts),
        refused=dict(registry.refused),
        audit="off" if store is None else "on" if store.is_available else "failing",
    )


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Read the metrics of this process",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(UNAUTHENTICATED, FORBIDDEN),
    },
)
async def get_metrics(request: Request, _: CallerDependency) -> Response:
    """Return requests, predictions and models in Prometheus's text format."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE)


@router.get(
    "/openapi.yaml",
    operation_id="get_openapi_yaml",
    summary="Read this description as YAML",
    response_class=Response,
    openapi_extra=_OPEN,
    responses={
        200: {"content": {"application/yaml": {"schema": {"type": "object"}}}},
        **documented(OVERLOADED),
    },
)
async def get_openapi_yaml(request: Request) -> Response:
    """Return the OpenAPI description, the same as the committed file."""
    state = request.app.state
    if state.openapi_yaml is None:  # made once: it takes a tenth of a second
        import yaml  # nothing else of the service needs it

        described = request.app.openapi()
        state.openapi_yaml = yaml.safe_dump(
            described, sort_keys=False, allow_unicode=True, width=100
        )
    return Response(state.openapi_yaml, media_type="application/yaml")
