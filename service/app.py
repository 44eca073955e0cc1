"""The application: settings in, an ASGI app out."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service import problems
from service.access import Gate
from service.idempotency import Answers
from service.keys import KeyStore
from service.openapi import describe
from service.registry import Registry
from service.request_log import RequestLog
from service.routes import health, models, predictions
from service.settings import Settings
from service.version import SERVICE_VERSION


def create_app(settings: Settings, registry: Registry) -> FastAPI:
    """Return the service for these settings and models.

    All state of the app is on `app.state`: settings, registry, gate, answers.
    """
    app = FastAPIOffline(
        title="hsct2-risk",
        version=SERVICE_VERSION,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the query in its Location
        separate_input_output_schemas=False,
    )
    app.state.settings = settings
    app.state.registry = registry
    app.state.gate = Gate(settings.auth, KeyStore(settings.api_keys))
    app.state.answers = Answers()
    for router in (predictions.router, models.router, health.router):
        app.include_router(router)
    problems.install(app)
    app.add_middleware(RequestLog, answered_hosts=settings.answered_hosts)
    describe(app)
    return app
