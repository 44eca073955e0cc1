"""Whether the process lives, whether it can answer, and what it offers."""

from typing import Literal

import yaml
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from service.problems import NOT_READY, ProblemError, documented
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
    if not registry.is_ready:
        raise ProblemError(NOT_READY, "The default model is not served.")
    return Readiness(
        status="ready",
        service_version=SERVICE_VERSION,
        models=list(registry.artifacts),
        refused=dict(registry.refused),
    )


@router.get(
    "/openapi.yaml",
    operation_id="get_openapi_yaml",
    summary="Read this description as YAML",
    response_class=Response,
    openapi_extra=_OPEN,
    responses={
        200: {"content": {"application/yaml": {"schema": {"type": "object"}}}},
        **documented(),
    },
)
async def get_openapi_yaml(request: Request) -> Response:
    """Return the OpenAPI description, the same as the committed file."""
    text = yaml.safe_dump(request.app.openapi(), sort_keys=False, allow_unicode=True, width=100)
    return Response(text, media_type="application/yaml")
