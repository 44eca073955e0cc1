"""What a job is made of: files, and parts of them that are predicted and kept one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from service.batch.errors import UnreadableError
from service.batch.forms import Form

SUFFIXES = {
    ".csv": Form.CSV,
    ".ndjson": Form.NDJSON,
    ".jsonl": Form.NDJSON,
    ".parquet": Form.PARQUET,
}
_ROWS_OF_A_PART = 500_000


@dataclass(frozen=True)
class Part:
    """A file, or some row groups of a Parquet file.

    Attributes
    ----------
    name : of its output, without a suffix
    first_row : number of its first row within its file, from 1
    row_groups : those of a Parquet file; empty means the whole of another file
    weight : its share of the work, bytes
    """

    name: str
    file: Path
    form: Form
    first_row: int
    row_groups: tuple[int, ...]
    weight: int


def input_files(source: Path) -> list[Path]:
    """Return the files of a job: the one named, or those in the folder named.

    Raises
    ------
    UnreadableError
        If there is none of a form that is read.
    """
    if source.is_dir():
        found = sorted(p for p in source.iterdir() if p.suffix in SUFFIXES and p.is_file())
    else:
        found = [source] if source.is_file() and source.suffix in SUFFIXES else []
    if not found:
        raise UnreadableError(f"{source}: no file that ends in {', '.join(SUFFIXES)}")
    return found


def parts_of(files: list[Path]) -> Iterator[Part]:
    """Divide files into parts; a Parquet file that cannot be read is one part, which fails."""
    stems = [file.stem for file in files]
    for file in files:
        name = file.stem if stems.count(file.stem) == 1 else file.name.replace(".", "-")
        form = SUFFIXES[file.suffix]
        if form is Form.PARQUET:
            yield from _parts_of_parquet(file, name)
        else:
            yield Part(name, file, form, 1, (), file.stat().st_size)


def _parts_of_parquet(file: Path, name: str) -> Iterator[Part]:
    try:
        footer = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        yield Part(name, file, Form.PARQUET, 1, (), file.stat().st_size)
        return
    groups: list[int] = []
    rows = weight = 0
    first = 1
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        groups.append(number)
        rows += group.num_rows
        weight += group.total_byte_size
        if rows >= _ROWS_OF_A_PART:
            yield Part(f"{name}-{groups[0]:05}", file, Form.PARQUET, first, tuple(groups), weight)
            first += rows
            groups, rows, weight = [], 0, 0
    if groups or first == 1:
        at = groups[0] if groups else 0
        yield Part(f"{name}-{at:05}", file, Form.PARQUET, first, tuple(groups), weight)
