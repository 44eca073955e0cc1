"""A Parquet file that is held in memory, checked by its footer before anything is decoded."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from service.batch.arrow_columns import check_schema, rows_of_batch
from service.batch.errors import TooLargeError, UnreadableError
from service.batch.patients import ROWS_AT_ONCE, PatientRows

MOST_BYTES = 64 * 2**20
MOST_DECODED_BYTES = 1024 * 2**20
MOST_ROW_GROUP_BYTES = 256 * 2**20
MOST_ROWS = 20_000_000
_FOOTER_BYTES = 4 * 2**20


class ParquetReader:
    """Patients from a file that has to be there as a whole, as its footer is at its end."""

    def __init__(self) -> None:
        self._content = bytearray()

    def feed(self, data: bytes | bytearray) -> Iterator[PatientRows]:
        """Keep what came."""
        self._content += data
        yield from ()

    def end(self) -> Iterator[PatientRows]:
        """Return the patients.

        Raises
        ------
        ColumnsError, UnreadableError, TooLargeError
            If it cannot be read, or would be too large once decoded.
        """
        content, self._content = bytes(self._content), bytearray()
        try:
            yield from _rows(content)
        except (pa.ArrowException, OSError, ValueError):
            raise UnreadableError("The body is not a whole Parquet file.") from None


def _rows(content: bytes) -> Iterator[PatientRows]:
    file = pq.ParquetFile(
        pa.BufferReader(content),
        thrift_string_size_limit=_FOOTER_BYTES,
        thrift_container_size_limit=_FOOTER_BYTES // 16,
        arrow_extensions_enabled=False,
    )
    names = check_schema(file.schema_arrow)
    check_sizes(file.metadata)
    first = 1
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=names, use_threads=False):
        batch.validate(full=True)
        yield rows_of_batch(batch, names, first)
        first += batch.num_rows


def check_sizes(footer: pq.FileMetaData) -> None:
    """Refuse a file whose footer declares more than is decoded at once.

    Raises
    ------
    TooLargeError
        Also where what it declares is impossible.
    """
    groups = [file_bytes(footer, number) for number in range(footer.num_row_groups)]
    rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    if (
        not 0 <= footer.num_rows <= MOST_ROWS
        or sum(rows) != footer.num_rows
        or any(count < 0 for count in (*groups, *rows))
        or sum(groups) > MOST_DECODED_BYTES
        or any(size > MOST_ROW_GROUP_BYTES for size in groups)
    ):
        raise TooLargeError(
            f"A Parquet file may have {MOST_ROWS} rows, {MOST_DECODED_BYTES} bytes when decoded"
            f" and {MOST_ROW_GROUP_BYTES} in a row group."
        )


def file_bytes(footer: pq.FileMetaData, group: int) -> int:
    """Return how many bytes a row group declares to have when decoded."""
    columns = footer.row_group(group)
    sizes = [columns.column(n).total_uncompressed_size for n in range(columns.num_columns)]
    return -1 if any(size < 0 for size in sizes) else sum(sizes)
