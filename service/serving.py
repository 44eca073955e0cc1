"""From the environment to a service that answers: what `python -m service serve` does."""

import logging
import sys
from typing import NoReturn, TextIO, cast

import structlog
from prometheus_client import disable_created_metrics
from pydantic import ValidationError
from pydantic_settings import SettingsError

from model.errors import SignatureKeyError
from model.signature import PublicKey
from service.app import create_app
from service.audit.errors import StoreError
from service.audit.store import Store
from service.keys import KeysError, KeyStore
from service.log_lines import Lines, as_json
from service.registry import Registry
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


def settings() -> Settings:
    """Return the settings of the environment; without, say what is wrong with them and exit."""
    try:
        return Settings()
    except ValidationError as error:
        for e in error.errors(include_input=False):
            name = "_".join(map(str, e["loc"])).upper()
            _say(f"HSCT2_{name}: {e['msg']}" if name else e["msg"])
        raise SystemExit(2) from None
    except SettingsError as error:
        _say(f"{error}; a list is written as JSON")
        raise SystemExit(2) from None


def load_registry(configured: Settings) -> Registry:
    """Load the models; of a signed folder, with the key that the settings name, or exit."""
    return Registry.load(configured.models, configured.default_model, _public_key(configured))


def key_store(configured: Settings) -> KeyStore:
    """Return the API keys, or exit where their file is none."""
    store = KeyStore(configured.api_keys)
    try:
        store.all()
    except KeysError as error:
        fail(str(error))
    return store


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


def _public_key(configured: Settings) -> PublicKey | None:
    if configured.public_key is None:
        return None
    try:
        return PublicKey.from_pem(configured.public_key.read_bytes())
    except OSError as error:
        fail(f"HSCT2_PUBLIC_KEY: the file cannot be read ({error.strerror})")
    except SignatureKeyError as error:
        fail(f"HSCT2_PUBLIC_KEY: {error}")


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


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit."""
    _say(message)
    raise SystemExit(1)


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")
