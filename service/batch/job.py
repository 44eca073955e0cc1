"""A job over files: what it is, which of its parts are done, and how one is done."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.prediction import PrognosticModel
from service.batch.answer import PredictedRows
from service.batch.arrow_columns import check_schema, rows_of_batch
from service.batch.csv_rows import CsvReader
from service.batch.errors import BatchError, UnreadableError
from service.batch.forms import Form
from service.batch.json_rows import NdjsonReader
from service.batch.part_output import PartOutput, write_json
from service.batch.parts import Part, input_files, parts_of
from service.batch.patients import ROWS_AT_ONCE, PatientRows
from service.batch.predicting import predict_rows
from service.version import SERVICE_VERSION

MANIFEST = "job.json"
_DONE = ".done.json"
_READ_BYTES = 2**20


class OtherJobError(BatchError):
    """The folder holds the output of another job."""


@dataclass(frozen=True)
class Done:
    """What became of a part; `failure` says why it could not be predicted."""

    part: str
    rows: int
    errors: int
    failure: str | None = None


@dataclass(frozen=True)
class Piece:
    """Neighbouring rows of a part, predicted.

    A part's last piece has no rows: it tells that the part ended, or why it cannot be read on.
    """

    part: Part
    rows: PredictedRows | None
    failure: BatchError | None = None


@dataclass(frozen=True)
class Job:
    """Files to predict, with which model, how, and where to.

    Attributes
    ----------
    form : of the output; None: each file in its own
    """

    source: Path
    folder: Path
    model: PrognosticModel
    model_name: str
    model_sha256: str
    horizons_months: tuple[float, ...]
    confidence_level: float
    form: Form | None

    def open(self) -> list[Part]:
        """Make the output's folder, or go on in one of this very job; return all parts.

        Raises
        ------
        UnreadableError
            If there is nothing to read.
        OtherJobError
            If the folder is of another job, or the input has changed since.
        """
        files = input_files(self.source)
        described = self._described(files)
        manifest = self.folder / MANIFEST
        if manifest.exists():
            self._must_be(manifest, described)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise OtherJobError(f"{self.folder}: the folder is not empty, and not of a job")
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(manifest, described)
        return list(parts_of(files))

    def done(self, part: Part) -> Done | None:
        """Return what became of a part that is done."""
        try:
            return Done(**json.loads((self.folder / f"{part.name}{_DONE}").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def predict(self, part: Part) -> Done:
        """Predict a part and keep it; a part that is done already is left as it is.

        Raises
        ------
        OSError
            If it cannot be kept.
        """
        return self.done(part) or next(self.keep(self.predicted([part])))

    def predicted(self, parts: Iterable[Part]) -> Generator[Piece]:
        """Read parts, one after the other, and predict their rows."""
        months = list(self.horizons_months)
        for part in parts:
            try:
                for rows in _read(part):
                    yield Piece(part, predict_rows(self.model, rows, months, self.confidence_level))
            except BatchError as error:
                yield Piece(part, None, error)
            else:
                yield Piece(part, None)

    def keep(
        self, pieces: Iterable[Piece], on_rows: Callable[[int], None] = lambda _: None
    ) -> Iterator[Done]:
        """Write the pieces of parts, as `predicted` gives them, and keep each part once whole.

        Raises
        ------
        OSError
            If a part cannot be kept.
        """
        for part, of_part in groupby(pieces, key=attrgetter("part")):
            try:
                yield self._kept(part, of_part, on_rows)
            except BatchError as error:
                yield Done(part.name, 0, 0, f"{part.file.name}: {error}")

    def _kept(self, part: Part, pieces: Iterable[Piece], on_rows: Callable[[int], None]) -> Done:
        form = self.form or part.form
        with PartOutput(self.folder, part.name, form, list(self.horizons_months)) as output:
            for piece in pieces:
                if piece.failure is not None:
                    raise piece.failure
                if piece.rows is not None:
                    output.write(piece.rows)
                    on_rows(len(piece.rows))
            output.keep()
        done = Done(part.name, output.rows, output.errors)
        write_json(self.folder / f"{part.name}{_DONE}", asdict(done))
        return done

    def _described(self, files: list[Path]) -> dict[str, Any]:
        listed = [[f.name, (s := f.stat()).st_size, s.st_mtime_ns] for f in files]
        return {
            "input": hashlib.sha256(json.dumps(listed).encode()).hexdigest(),
            "files": len(files),
            "model": self.model_name,
            "model_sha256": self.model_sha256,
            "horizon_months": list(self.horizons_months),
            "confidence_level": self.confidence_level,
            "format": self.form.value if self.form else "as the input",
            "service_version": SERVICE_VERSION,
        }

    def _must_be(self, manifest: Path, described: dict[str, Any]) -> None:
        try:
            before = json.loads(manifest.read_bytes())
        except (OSError, ValueError):
            raise OtherJobError(f"{manifest}: cannot be read") from None
        changed = [name for name in described if before.get(name) != described[name]]
        if changed:
            raise OtherJobError(
                f"{self.folder}: holds the output of another job, of which {', '.join(changed)}"
                " differ; take another folder"
            )


def _read(part: Part) -> Iterator[PatientRows]:
    if part.form is Form.PARQUET:
        yield from _read_parquet(part)
        return
    reader = CsvReader() if part.form is Form.CSV else NdjsonReader()
    try:
        with part.file.open("rb") as file:
            while data := file.read(_READ_BYTES):
                yield from reader.feed(data)
        yield from reader.end()
    except OSError as error:
        raise UnreadableError(f"cannot be read ({error.strerror})") from None


def _read_parquet(part: Part) -> Iterator[PatientRows]:
    first = part.first_row
    try:
        # Without buffering ahead, no more than some pages of each column are in memory.
        with pq.ParquetFile(part.file, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            names = check_schema(file.schema_arrow)
            groups = list(part.row_groups)
            for batch in file.iter_batches(ROWS_AT_ONCE, groups, names, use_threads=False):
                yield rows_of_batch(batch, names, first)
                first += batch.num_rows
    except (pa.ArrowException, OSError):
        raise UnreadableError("not a whole Parquet file") from None
