"""``python -m service audit``: prove, show, export, erase, prune, back up, restore, replay."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy import Connection

from model import artifact
from model.errors import Hsct2Error
from service.audit import backup as copies
from service.audit import export as exports
from service.audit import feedback, lookup, retention
from service.audit import verify as verification
from service.audit.database import reading
from service.audit.errors import StoreError
from service.audit.heads import Head, logged_heads, read_heads
from service.audit.records import StoredPrediction
from service.audit.replay import ReplayReport
from service.audit.replay import replay as replay_rows
from service.audit.signing import PublicKeys, Signer, read_public_key


@dataclass(frozen=True)
class AuditPlace:
    """Where the store is, and the key that signs its heads."""

    url: str
    key_file: Path


class Format(StrEnum):
    """What `export` writes."""

    NDJSON = "ndjson"
    PARQUET = "parquet"


PublicKeyOption = Annotated[
    list[Path] | None,
    typer.Option(help="File of a public key that also may have signed; repeat for several."),
]


def audit_commands(place: Callable[[], AuditPlace]) -> typer.Typer:
    """Return the commands on the store that `place` names when one of them runs."""
    app = typer.Typer(no_args_is_help=True, help="Prove, read and keep the audit store.")

    @app.callback()
    def configure(context: typer.Context) -> None:
        context.obj = place  # not called yet: help needs no settings

    for command in (verify, show, export, erase, prune, backup, restore, replay):
        app.command()(command)
    return app


def verify(
    context: typer.Context,
    heads: Annotated[
        list[Path] | None,
        typer.Option(help="Log file that holds heads; repeat it for those of all replicas."),
    ] = None,
    public_key: PublicKeyOption = None,
) -> None:
    """Check that the store holds what was written to it, all of it, in order."""
    with _told():
        where = _place(context)
        keys = _public_keys(where.key_file, public_key or [])
        logged = [head for path in heads or [] for head in _logged(path)]
        with reading(where.url) as connection:
            rows = _tracked(connection, "verifying")
            report = verification.check(read_heads(connection), rows, keys, logged)
    _print_report(report)
    if not report.is_sound:
        raise typer.Exit(1)


def show(
    context: typer.Context,
    prediction_id: Annotated[str, typer.Argument(help="The id that the answer carried.")],
) -> None:
    """Print what is stored of one prediction, patient's values and feedback included."""
    with _told(), reading(_place(context).url) as connection:
        row = lookup.find(connection, prediction_id)
        said = feedback.of_card(connection, prediction_id)
    if row is None:
        _fail("there is no prediction of this id")
    shown = exports.as_json(row)
    if said:
        shown["feedback"] = said
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="File to write, readable by its owner only.")],
    format: Annotated[Format, typer.Option(help="Form of the file.")] = Format.NDJSON,  # noqa: A002  the option's name
) -> None:
    """Write all rows, the patients' values included, to a new file."""
    with _told():
        with reading(_place(context).url) as connection:
            rows = _tracked(connection, "exporting")
            written = _export(rows, out, format)
        typer.echo(f"{written} rows written", err=True)


def erase(
    context: typer.Context,
    subject: Annotated[
        str, typer.Option(help="Subject reference; - reads it from standard input.")
    ],
) -> None:
    """Erase the values of a subject; the chain still verifies. Prints the heads, to log."""
    reference = sys.stdin.read().rstrip("\n") if subject == "-" else subject
    with _told():
        where = _place(context)
        done = retention.erase(where.url, _signer(where.key_file), reference)
    _print_heads(done.heads)
    typer.echo(f"{done.rows} rows erased", err=True)


def prune(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option(help="A date (2026-01-31, UTC) or an age in days (365d).")
    ],
    public_key: PublicKeyOption = None,
) -> None:
    """Remove old rows and sign the gap. Prints the heads, to log."""
    with _told():
        where = _place(context)
        keys = _public_keys(where.key_file, public_key or [])
        moment = _moment(older_than, datetime.now(UTC))
        done = retention.prune(where.url, _signer(where.key_file), keys, moment)
    _print_heads(done.heads)
    typer.echo(f"{done.rows} rows removed", err=True)


def backup(
    context: typer.Context, target: Annotated[Path, typer.Argument(help="File to make.")]
) -> None:
    """Copy the store while it runs: a SQLite file, or JSON lines of PostgreSQL's rows."""
    with _told():
        copies.backup(_place(context).url, target)


def restore(
    context: typer.Context, source: Annotated[Path, typer.Argument(help="What `backup` made.")]
) -> None:
    """Make the store from a backup, where there is none yet."""
    with _told():
        copies.restore(_place(context).url, source)


def replay(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Folder of the model to score with.")],
) -> None:
    """Score what was asked before with a model, and print how the answers shift."""
    with _told():
        loaded = artifact.load(model)
        with reading(_place(context).url) as connection:
            report = replay_rows(_tracked(connection, "replaying"), loaded)
    _print_replay(report)
    if not report.is_reproduced:
        _fail("the model did not give its own answers again")


def _place(context: typer.Context) -> AuditPlace:
    place: AuditPlace = context.obj()
    return place


def _export(rows: Iterable[StoredPrediction], out: Path, form: Format) -> int:
    try:
        os.close(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise StoreError("the file exists already") from None
    except OSError as error:
        raise StoreError(f"the file cannot be written ({error.strerror})") from None
    try:
        if form is Format.PARQUET:
            return exports.write_parquet(rows, out)
        with out.open("w", encoding="utf-8") as file:
            return exports.write_ndjson(rows, file)
    except BaseException as error:
        out.unlink()  # a part of the rows must not pass for all
        if isinstance(error, OSError):
            raise StoreError(f"the file cannot be written ({error.strerror})") from None
        raise


def _tracked(connection: Connection, label: str) -> Iterator[StoredPrediction]:
    rows = lookup.in_chain_order(connection)
    if not sys.stderr.isatty():
        yield from rows
        return
    total = lookup.count(connection)
    with typer.progressbar(rows, total, label, file=sys.stderr) as tracked:
        yield from tracked


def _signer(key_file: Path) -> Signer:
    if not key_file.exists():
        raise StoreError("there is no key of this store; the service makes one when it starts")
    return Signer.of_file(key_file)


def _public_keys(key_file: Path, others: Sequence[Path]) -> PublicKeys:
    public = key_file.with_name(key_file.name + ".pub")
    own = [path for path in (key_file, public) if path.exists()][:1]
    if not own and not others:
        raise StoreError("there is no key of this store; name its public key")
    return PublicKeys(map(read_public_key, chain(own, others)))


def _logged(path: Path) -> Sequence[Head]:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            heads = list(logged_heads(lines))
    except OSError as error:
        raise StoreError(f"the log cannot be read ({error.strerror})") from None
    if not heads:
        raise StoreError("the log holds no head")
    return heads


def _moment(text: str, now: datetime) -> datetime:
    try:
        if text.endswith("d"):
            return now - timedelta(days=int(text[:-1]))
        given = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise StoreError("give a date as 2026-01-31, or an age in days as 365d") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _print_heads(heads: Iterable[Head]) -> None:
    for head in heads:
        typer.echo(json.dumps(head.as_log()))


def _print_report(report: verification.Report) -> None:
    typer.echo(
        f"{report.rows} rows ({report.erased} erased, {report.pruned} pruned before them),"
        f" {report.writers} writers, {report.heads} heads"
    )
    for writer, rows in report.unsigned.items():
        typer.echo(f"writer {writer}: unsigned tail of {rows} rows")
    for problem in report.problems:
        where = f"writer {problem.writer} " if problem.writer else ""
        typer.echo(f"{problem.finding.value}: {where}at {problem.sequence}: {problem.message}")
    typer.echo("sound" if report.is_sound else f"{len(report.problems)} problems")


def _print_replay(report: ReplayReport) -> None:
    categories = [
        {"stored": stored, "new": new, "predictions": count}
        for (stored, new), count in report.categories.items()
    ]
    typer.echo(json.dumps({**asdict(report), "categories": categories}, indent=2))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Hsct2Error as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
