"""``python -m service``: serve predictions, print the API's description, keep API keys."""

import os

# Two BLAS threads make matrices of a dozen columns many times slower; read when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
import uvicorn
import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError

from service.app import create_app
from service.keys import KeysError, KeyStore, Scope
from service.registry import Registry
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
        _store()  # a file that is none fails now, not at each request
    _log_as_json()
    registry = Registry.load(settings.models, settings.default_model)
    for folder, reason in registry.refused.items():
        structlog.get_logger("start").error("artifact refused", folder=folder, reason=reason)
    if not registry.is_ready:
        _fail(f"the default model {settings.default_model} is not in {settings.models}")
    structlog.get_logger("start").info(
        "serving", host=settings.host, port=settings.port, models=list(registry.artifacts)
    )
    uvicorn.run(
        create_app(settings, registry),
        host=settings.host,
        port=settings.port,
        # httptools drops the body of a request that offers to upgrade to HTTP/2.
        http="h11",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
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
    key, text = _store().create(name, scope or [Scope.PREDICT], datetime.now(UTC))
    typer.echo(text)
    typer.echo(f"id {key.id}, scopes {', '.join(key.scopes)}; it is not shown again", err=True)


@keys.command("list")
def list_keys() -> None:
    """List the keys, without the keys."""
    for key in _store().all():
        typer.echo(f"{key.id}\t{key.created_at:%Y-%m-%d}\t{','.join(key.scopes)}\t{key.name}")


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")]) -> None:
    """Revoke a key; a running service refuses it from its next request on."""
    if not _store().revoke(key_id):
        _fail("there is no key of this id")


def _store() -> KeyStore:
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
        processors=[*processors, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
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


if __name__ == "__main__":
    app()
