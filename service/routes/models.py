"""``GET /v1/models``: what is served, and what it is worth."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import HTMLResponse

from model.artifact import Artifact
from service.access import CallerDependency
from service.headers import POLICY_HEADER, document_policy
from service.lifecycle import Lifecycle, ReloadedModels
from service.limits import LIMITED
from service.model_views import ModelDetail, ModelSummary, detail, summarise
from service.problems import (
    FORBIDDEN,
    INVALID_REQUEST,
    RELOAD_REFUSED,
    UNAUTHENTICATED,
    UNKNOWN_MODEL,
    ProblemError,
    documented,
)
from service.registry import Registry, ReloadError, UnknownModelError
from service.routes.concrete import ConcreteRoute

router = APIRouter(tags=["models"], route_class=ConcreteRoute)

ModelName = Annotated[
    str,
    Path(max_length=100, description="`id` or `id@version` of a model.", examples=["hsct2-os"]),
]
_OF_ONE = documented(UNAUTHENTICATED, FORBIDDEN, UNKNOWN_MODEL, INVALID_REQUEST, *LIMITED)


def resolve(registry: Registry, name: str | None) -> Artifact:
    """Return a served model, or raise the problem that there is none."""
    try:
        return registry.resolve(name)
    except UnknownModelError:
        served = ", ".join(registry.artifacts) or "none"
        raise ProblemError(UNKNOWN_MODEL, f"Served are: {served}.") from None


@router.get(
    "/v1/models",
    operation_id="list_models",
    summary="List the models that are served",
    responses=documented(UNAUTHENTICATED, FORBIDDEN, *LIMITED),
)
async def list_models(request: Request, _: CallerDependency) -> list[ModelSummary]:
    """Return every model and version, the default one marked."""
    registry: Registry = request.app.state.registry
    default = registry.resolve(None) if registry.is_ready else None
    return [summarise(a, is_default=a is default) for a in registry.artifacts.values()]


@router.post(
    "/v1/models/reload",
    operation_id="reload_models",
    summary="Read the folder of models again",
    responses=documented(UNAUTHENTICATED, FORBIDDEN, RELOAD_REFUSED, *LIMITED),
)
async def reload_models(request: Request, _: CallerDependency) -> ReloadedModels:
    """Replace the models at once; of an artifact that is refused, the old one stays.

    A request that has begun is answered by the model that it began with. SIGHUP does
    the same.
    """
    lifecycle: Lifecycle = request.app.state.lifecycle
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise ProblemError(FORBIDDEN, "A page of another site may not reload the models.")
    try:
        return await lifecycle.reload()
    except ReloadError as error:
        detail = f"What was served still is: {error}."
        raise ProblemError(RELOAD_REFUSED, detail) from None


@router.get(
    "/v1/models/{model}",
    operation_id="get_model",
    summary="Describe one model",
    responses=_OF_ONE,
)
async def get_model(request: Request, _: CallerDependency, model: ModelName) -> ModelDetail:
    """Return provenance, ECOG's effect, what was observed in each band, and the cohort's curve."""
    artifact = resolve(request.app.state.registry, model)
    registry: Registry = request.app.state.registry
    is_default = registry.is_ready and artifact is registry.resolve(None)
    return detail(artifact, is_default=is_default)


@router.get(
    "/v1/models/{model}/card",
    operation_id="get_model_card",
    summary="Read the card of one model",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ModelCard"}},
                "text/markdown": {"schema": {"type": "string"}},
            }
        },
        **_OF_ONE,
    },
)
async def get_model_card(
    request: Request,
    _: CallerDependency,
    model: ModelName,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Response:
    """Return the model card as JSON, or as Markdown where `Accept` names `text/markdown`."""
    documents = resolve(request.app.state.registry, model).documents
    headers = {"Vary": "Accept"}
    if "text/markdown" in accept:
        return Response(documents.card, headers=headers, media_type="text/markdown")
    return Response(documents.card_json, headers=headers, media_type="application/json")


@router.get(
    "/v1/models/{model}/report",
    operation_id="get_model_report",
    summary="Read the report of one model",
    response_class=HTMLResponse,
    responses=_OF_ONE,
)
async def get_model_report(request: Request, _: CallerDependency, model: ModelName) -> Response:
    """Return the report as one HTML page that refers to nothing outside itself."""
    report = resolve(request.app.state.registry, model).documents.report
    return HTMLResponse(report, headers={POLICY_HEADER: document_policy(report)})
