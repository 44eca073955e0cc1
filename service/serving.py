"""From the environment to a service that answers: what `python -m service serve` does."""

import logging
import sys
from typing import TextIO, cast

import structlog
from prometheus_client import disable_created_metrics

from service.app import create_app
from service.audit.errors import StoreError
from service.audit.store import Store
from service.environment import fail, key_store, load_registry, settings
from service.log_lines import Lines, as_json
from service.server import Server
from service.settings import Settings


def serve() -> None:
    """Serve predictions until a signal ends it."""
    configured = settings()
    if configured.auth == "api-key":
        key_store(configured)  # a file that is none fails now, not at each request
    _log_as_json()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each one
    registry = load_registry(configured)
    for folder, reason in registry.refused.items():
        structlog.get_logger("start").error("artifact refused", folder=folder, reason=reason)
    if not registry.is_ready:
        fail(f"the default model {configured.default_model} is not in {configured.models}")
    structlog.get_logger("start").info(
        "serving", host=configured.host, port=configured.port, models=list(registry.artifacts)
    )
    Server(create_app(configured, registry, _audit_store(configured)), configured).run()


def _audit_store(configured: Settings) -> Store | None:
    log = structlog.get_logger("audit")
    if not configured.stores_predictions:
        log.warning("predictions are not stored: HSCT2_AUDIT_URL=off")
        return None
    try:
        return Store.open(
            configured.audit_url,
            configured.audit_key,
            on_head=lambda head: log.info("audit head", **head.as_log()),
        )
    except StoreError as error:
        fail(str(error))


def _log_as_json() -> None:
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer(as_json)],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Lines(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    # uvicorn's own lines, in the same form; its traceback of a failure could hold values.
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_without_traceback)
    server = logging.getLogger("uvicorn")
    server.addHandler(handler)
    server.setLevel(logging.INFO)
    server.propagate = False


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = record.exc_text = None
    return True
