"""The application: settings in, an ASGI app out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from service import problems
from service.access import gate
from service.audit.database import open_writer
from service.audit.store import Store
from service.cds.answering import advisor
from service.chart.units import convert
from service.envelope import Envelope
from service.idempotency import Answers
from service.lifecycle import Lifecycle
from service.limits import Limits, Rates
from service.metrics import Metrics
from service.openapi import describe
from service.predictor import Predictor
from service.registry import Registry
from service.replay import SeenInDatabase, SeenInMemory, SeenTokens
from service.routes import batch, cds, fhir, health, models, page, predictions
from service.routes.direct import Direct
from service.settings import Settings
from service.version import SERVICE_VERSION


def create_app(settings: Settings, registry: Registry, store: Store | None = None) -> FastAPI:
    """Return the service for these settings, models and audit store.

    The app closes the store when it stops, once every request is answered. All its
    state is on `app.state`: settings, registry, store, gate, answers, page, rates, metrics,
    predictor, batches, advisor, lifecycle.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = None
        if settings.cds_issuers or settings.cds_fhir_servers:
            # The first card would else wait for the library of units, for seconds.
            loading = asyncio.create_task(asyncio.to_thread(convert, "g/L", "g/dL"))
        yield
        if loading is not None:
            await loading
        if store is not None:
            await asyncio.to_thread(store.close)

    app = FastAPIOffline(
        lifespan=lifespan,
        title="hsct2-risk",
        version=SERVICE_VERSION,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the query in its Location
        separate_input_output_schemas=False,
    )
    app.state.settings = settings
    app.state.registry = registry
    app.state.gate = gate(settings, _seen_tokens(settings, store))
    app.state.store = store
    app.state.answers = Answers(store)
    app.state.openapi_yaml = None
    app.state.page = page.read_page()
    app.state.rates = Rates(settings.requests_per_minute)
    app.state.metrics = Metrics(lambda: app.state.registry, store)
    app.state.predictor = Predictor(store, app.state.metrics)
    app.state.batches = asyncio.Semaphore(settings.max_batches)
    app.state.advisor = advisor(settings, app.state.predictor)
    app.state.lifecycle = Lifecycle(app, app.state.metrics)
    for router in (
        batch.router,
        predictions.router,
        fhir.router,
        cds.router,
        models.router,
        health.router,
        page.router,
    ):
        app.include_router(router)
    problems.install(app)
    _wrap(app, settings)
    describe(app)
    return app


def _seen_tokens(settings: Settings, store: Store | None) -> SeenTokens:
    """Remember used tokens where all replicas look; without a store, in this process."""
    if store is None or not (settings.auth == "jwt" or settings.cds_issuers):
        return SeenInMemory()
    return SeenInDatabase(open_writer(settings.audit_url))


def _wrap(app: FastAPI, settings: Settings) -> None:
    """Put the middleware around the app, from the innermost to the outermost."""
    app.add_middleware(Direct)
    app.add_middleware(
        Limits, max_in_flight=settings.max_in_flight, body_seconds=settings.body_seconds
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key"],
            expose_headers=[
                "Idempotency-Replayed",
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "X-Request-Id",
            ],
        )
    app.add_middleware(Envelope, answered_hosts=settings.answered_hosts, metrics=app.state.metrics)
