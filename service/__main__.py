"""``python -m service``: serve predictions, keep API keys, prove the audit store."""

import os

# Two BLAS threads make matrices of a dozen columns many times slower; read when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn, TextIO, cast

import structlog
import typer
import yaml
from prometheus_client import disable_created_metrics
from pydantic import ValidationError
from pydantic_settings import SettingsError

from model.errors import SignatureKeyError
from model.signature import PublicKey
from service.app import create_app
from service.audit.commands import AuditPlace, audit_commands
from service.audit.errors import StoreError
from service.audit.store import Store
from service.batch import command
from service.keys import KeysError, KeyStore, Scope
from service.log_lines import Lines, as_json
from service.registry import Registry
from service.server import Server
from service.settings import SHIPPED_MODELS, Settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Predicted survival after a second transplant, over HTTP.",
)
keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(keys, name="keys")


@app.command()
def serve() -> None:
    """Serve predictions; the environment configures it (see the README's table)."""
    settings = _settings()
    if settings.auth == "api-key":
        _key_store()  # a file that is none fails now, not at each request
    _log_as_json()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each one
    registry = Registry.load(settings.models, settings.default_model, _public_key(settings))
    for folder, reason in registry.refused.items():
        structlog.get_logger("start").error("artifact refused", folder=folder, reason=reason)
    if not registry.is_ready:
        _fail(f"the default model {settings.default_model} is not in {settings.models}")
    structlog.get_logger("start").info(
        "serving", host=settings.host, port=settings.port, models=list(registry.artifacts)
    )
    Server(create_app(settings, registry, _audit_store(settings)), settings).run()


@app.command()
def predict(
    source: command.Source,
    out: command.Out,
    model: command.ModelOption = None,
    horizon_months: command.HorizonOption = None,
    confidence_level: command.LevelOption = 0.95,
    format: command.FormatOption = None,  # noqa: A002  the option's name
    workers: command.WorkersOption = 1,
    cluster: command.ClusterOption = None,
) -> None:
    """Predict for files of patients, without audit; start again to go on where it stopped."""
    settings = _settings()
    registry = Registry.load(settings.models, settings.default_model, _public_key(settings))
    command.predict_files(
        registry,
        source,
        out,
        model,
        horizon_months,
        confidence_level,
        format,
        workers,
        cluster,
    )


@app.command()
def openapi(
    out: Annotated[Path | None, typer.Option(help="File to write; default the terminal.")] = None,
) -> None:
    """Print the OpenAPI description as YAML."""
    registry = Registry({}, {}, default="")
    described = create_app(Settings(models=SHIPPED_MODELS), registry).openapi()
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Repeat for several; default predict.")
    ] = None,
) -> None:
    """Make a key and print it, once; only its hash is stored."""
    key, text = _key_store().create(name, scope or [Scope.PREDICT], datetime.now(UTC))
    typer.echo(text)
    typer.echo(f"id {key.id}, scopes {', '.join(key.scopes)}; it is not shown again", err=True)


@keys.command("list")
def list_keys() -> None:
    """List the keys, without the keys."""
    for key in _key_store().all():
        typer.echo(f"{key.id}\t{key.created_at:%Y-%m-%d}\t{','.join(key.scopes)}\t{key.name}")


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]) -> None:
    """Revoke a key; a running service refuses it from its next request on."""
    if not _key_store().revoke(key_id):
        _fail("there is no key of this id")


def _audit_store(settings: Settings) -> Store | None:
    log = structlog.get_logger("audit")
    if not settings.stores_predictions:
        log.warning("predictions are not stored: HSCT2_AUDIT_URL=off")
        return None
    try:
        return Store.open(
            settings.audit_url,
            settings.audit_key,
            on_head=lambda head: log.info("audit head", **head.as_log()),
        )
    except StoreError as error:
        _fail(str(error))


def _audit_place() -> AuditPlace:
    settings = _settings()
    if not settings.stores_predictions:
        _fail("HSCT2_AUDIT_URL=off: there is no store")
    return AuditPlace(settings.audit_url, settings.audit_key)


def _public_key(settings: Settings) -> PublicKey | None:
    if settings.public_key is None:
        return None
    try:
        return PublicKey.from_pem(settings.public_key.read_bytes())
    except OSError as error:
        _fail(f"HSCT2_PUBLIC_KEY: the file cannot be read ({error.strerror})")
    except SignatureKeyError as error:
        _fail(f"HSCT2_PUBLIC_KEY: {error}")


def _key_store() -> KeyStore:
    store = KeyStore(_settings().api_keys)
    try:
        store.all()
    except KeysError as error:
        _fail(str(error))
    return store


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        for e in error.errors(include_input=False):
            name = "_".join(map(str, e["loc"])).upper()
            typer.echo(f"HSCT2_{name}: {e['msg']}" if name else e["msg"], err=True)
        raise typer.Exit(2) from None
    except SettingsError as error:
        typer.echo(f"{error}; a list is written as JSON", err=True)
        raise typer.Exit(2) from None


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


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


app.add_typer(audit_commands(_audit_place), name="audit")

if __name__ == "__main__":
    app()
