"""The commands: serve predictions, predict for files, keep API keys, prove the audit store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml

from service import environment
from service.audit.commands import AuditPlace, audit_commands
from service.batch import command
from service.keys import KeyStore, Scope
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
    from service.serving import serve as serve_it  # it loads what no other command needs

    serve_it()


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
    command.predict_files(
        environment.load_registry(environment.settings()),
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
    from service.app import create_app

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
        environment.fail("there is no key of this id")


def _audit_place() -> AuditPlace:
    settings = environment.settings()
    if not settings.stores_predictions:
        environment.fail("HSCT2_AUDIT_URL=off: there is no store")
    return AuditPlace(settings.audit_url, settings.audit_key)


def _key_store() -> KeyStore:
    return environment.key_store(environment.settings())


app.add_typer(audit_commands(_audit_place), name="audit")
