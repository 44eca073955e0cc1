"""``python -m service predict``: predictions for files on disk."""

import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, Protocol

import typer

from model.prediction import DEFAULT_HORIZONS_MONTHS
from service.batch.errors import BatchError
from service.batch.forms import Form
from service.registry import Registry, UnknownModelError

_SECONDS_BETWEEN_LINES = 5.0


class Format(StrEnum):
    """What the output can be."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


_FORMS = {Format.CSV: Form.CSV, Format.NDJSON: Form.NDJSON, Format.PARQUET: Form.PARQUET}


class Shown(Protocol):
    """What shows how far a job is."""

    def rows(self, count: int) -> None: ...  # noqa: D102
    def part(self, weight: int) -> None: ...  # noqa: D102


def predict_files(
    registry: Registry,
    source: Path,
    out: Path,
    model: str | None,
    horizon_months: list[float] | None,
    confidence_level: float,
    form: Format | None,
    workers: int,
    cluster: str | None,
) -> None:
    """Predict for files, and go on where an interrupted job stopped."""
    # pyarrow is loaded here, not when another command starts.
    from service.batch import running
    from service.batch.job import Job
    from service.batch.part_output import write_json

    try:
        artifact = registry.resolve(model)
    except UnknownModelError:
        _fail("there is no such model; HSCT2_MODELS names the folder of models")
    manifest = artifact.manifest
    months = tuple(dict.fromkeys(horizon_months or DEFAULT_HORIZONS_MONTHS))
    chosen = _FORMS[form] if form else None
    job = Job(
        source=source.resolve(),
        folder=out.resolve(),
        model=artifact.model,
        model_name=f"{manifest.id}@{manifest.version}",
        model_sha256=artifact.sha256,
        horizons_months=months,
        confidence_level=confidence_level,
        form=chosen,
    )
    try:
        parts = job.open()
        finished = [done for part in parts if (done := job.done(part)) is not None]
        names = {done.part for done in finished}
        waiting = [part for part in parts if part.name not in names]
        typer.echo(
            f"{len(parts)} parts, {len(finished)} of them done before; a job over files is not"
            " stored in the audit store",
            err=True,
        )
        weights = {part.name: part.weight for part in parts}
        before = sum(weights[name] for name in names)
        with _shown(sum(weights.values()), before) as shown:
            if cluster:
                results = running.run_on_cluster(job, waiting, cluster, shown.rows)
            elif workers > 1:
                results = running.run_in_processes(job, waiting, workers, shown.rows)
            else:
                results = running.run_here(job, waiting, shown.rows)
            for done in results:
                finished.append(done)
                shown.part(weights[done.part])
        failures = sorted(done.failure for done in finished if done.failure)
        summary = {
            "rows": sum(done.rows for done in finished),
            "errors": sum(done.errors for done in finished),
            "parts": len(finished) - len(failures),
            "failed": failures,
            "complete": not failures,
        }
        write_json(out / "summary.json", summary)
    except BatchError as error:
        _fail(str(error))
    except OSError as error:
        told = error.strerror or error
        _fail(f"{error.filename or out}: {told}; what is done is kept, start again to go on")
    typer.echo(
        f"{summary['rows']} patients, {summary['errors']} of them with errors (*.errors.ndjson)",
        err=True,
    )
    if failures:
        _fail("\n".join(failures))


@contextmanager
def _shown(total: int, done: int) -> Iterator[Shown]:
    if not sys.stderr.isatty():
        yield _Lines(total, done)
        return
    # Loaded here: the service would start later for a bar that it never draws.
    console = importlib.import_module("rich.console")
    bars = importlib.import_module("rich.progress")
    columns = (
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[rate]}"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console.Console(stderr=True)) as progress:
        yield _Bar(progress, total, done)


class _Rate:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._rows = 0

    def add(self, rows: int) -> str:
        self._rows += rows
        seconds = max(time.monotonic() - self._started, 1e-3)
        return f"{self._rows / seconds:,.0f} patients/s"


class _Bar:
    def __init__(self, progress: Any, total: int, done: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total, completed=done, rate="")
        self._rate = _Rate()

    def rows(self, count: int) -> None:
        self._progress.update(self._task, rate=self._rate.add(count))

    def part(self, weight: int) -> None:
        self._progress.advance(self._task, weight)


class _Lines:
    """Plain lines, some seconds apart, for a log."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done, self._began_at = total, done, done
        self._started = self._told = time.monotonic()
        self._rate = _Rate()
        self._text = ""

    def rows(self, count: int) -> None:
        self._text = self._rate.add(count)
        self._tell()

    def part(self, weight: int) -> None:
        self._done += weight
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_LINES:
            return
        self._told = now
        share = self._done / max(self._total, 1)
        made = self._done - self._began_at
        left = (self._total - self._done) * (now - self._started) / made if made else None
        remaining = "" if left is None else f", {left:,.0f} s left"
        typer.echo(f"{share:.0%}, {self._text}{remaining}", err=True)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


Source = Annotated[
    Path,
    typer.Argument(metavar="IN", help="CSV, NDJSON or Parquet file, or a folder of them."),
]
Out = Annotated[
    Path, typer.Argument(metavar="OUT", help="Folder for the output; the same one to go on.")
]
ModelOption = Annotated[
    str | None, typer.Option(help="`id` or `id@version`; default the service's.")
]
HorizonOption = Annotated[
    list[float] | None,
    typer.Option(min=0.001, max=1200, help="Months; repeat for several. Default 6, 12 and 24."),
]
LevelOption = Annotated[float, typer.Option(min=0.5, max=0.999, help="Of all intervals.")]
FormatOption = Annotated[Format | None, typer.Option(help="Of the output; default as the input.")]
WorkersOption = Annotated[int, typer.Option(min=1, help="Processes; each takes a part at a time.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        help="Address (tcp://...) of a Dask scheduler, whose workers see the same files and"
        " run this version with one thread each."
    ),
]
