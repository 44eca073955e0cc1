"""An Arrow IPC stream, read message by message as it arrives.

pyarrow's own reader pulls and would need a thread for each stream; it also believes the
lengths that a stream declares. Here each message's lengths are read first, and only whole
messages of a bounded size are given to pyarrow.
(https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format)
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from service.batch.arrow_columns import check_schema, rows_of_batch
from service.batch.errors import TooLargeError, UnreadableError
from service.batch.patients import ROWS_AT_ONCE, PatientRows

MOST_MESSAGE_BYTES = 64 * 2**20
"""Enough for half a million patients in one record batch."""
_MOST_DICTIONARY_BYTES = 4 * 2**20
_MOST_ROWS = 2**20
_CONTINUATION = b"\xff\xff\xff\xff"
_END = _CONTINUATION + bytes(4)
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
_BROKEN = "The body is not an Arrow IPC stream"


@dataclass(frozen=True)
class _Message:
    """A message and what its metadata declares."""

    kind: int
    rows: int
    compressed: bool
    content: memoryview


class ArrowReader:
    """Patients from the record batches of a stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._schema = b""
        self._described: pa.Schema | None = None
        self._dictionaries = b""
        self._names: list[str] = []
        self._next = 1
        self._ended = False

    def feed(self, data: bytes | bytearray) -> Iterator[PatientRows]:
        """Return the patients of the messages that are complete now.

        Raises
        ------
        ColumnsError, UnreadableError, TooLargeError
            If it cannot be read on.
        """
        self._buffer += data
        while not self._ended and (message := self._message()) is not None:
            yield from self._read(message)

    def end(self) -> Iterator[PatientRows]:
        """Check that the stream came to its end.

        Raises
        ------
        UnreadableError
            If it was cut off.
        """
        if not self._schema:
            raise UnreadableError(f"{_BROKEN}: it has no schema.")
        if not self._ended and self._buffer:
            raise UnreadableError("The Arrow stream ends within a message: it was cut off.")
        if not self._ended:
            raise UnreadableError("The Arrow stream has no end marker: it was cut off.")
        yield from ()

    def _message(self) -> _Message | None:
        buffer = self._buffer
        if len(buffer) < 8:
            return None
        if buffer[:4] != _CONTINUATION:
            raise UnreadableError(f"{_BROKEN}.")
        (length,) = struct.unpack_from("<i", buffer, 4)
        if length == 0:
            self._ended = True
            return None
        if not 0 < length <= _MOST_DICTIONARY_BYTES:
            raise UnreadableError(f"{_BROKEN}: a message declares an impossible length.")
        if len(buffer) < 8 + length:
            return None
        kind, rows, compressed, body = _declared(bytes(buffer[8 : 8 + length]))
        if not 0 <= body <= MOST_MESSAGE_BYTES or not 0 <= rows <= _MOST_ROWS:
            raise TooLargeError(
                f"A record batch may have {MOST_MESSAGE_BYTES} bytes and {_MOST_ROWS} rows:"
                " write smaller ones."
            )
        size = 8 + length + body
        if len(buffer) < size:
            return None
        whole = memoryview(buffer)
        self._buffer = bytearray(whole[size:])
        return _Message(kind, rows, compressed, whole[:size])

    def _read(self, message: _Message) -> Iterator[PatientRows]:
        if message.compressed:
            raise UnreadableError("The Arrow stream is compressed; send it without compression.")
        if message.kind == _SCHEMA and not self._schema:
            self._schema = bytes(message.content)
            with _reading():
                self._described = pa.ipc.open_stream(pa.py_buffer(self._schema + _END)).schema
                self._names = check_schema(self._described)
        elif message.kind == _DICTIONARY and self._schema:
            self._dictionaries += message.content
            if len(self._dictionaries) > _MOST_DICTIONARY_BYTES:
                raise TooLargeError("The dictionaries of the Arrow stream are too large.")
        elif message.kind == _RECORDS and self._schema:
            yield from self._rows(message)
        else:
            raise UnreadableError(f"{_BROKEN}: its messages are in no order.")

    def _rows(self, message: _Message) -> Iterator[PatientRows]:
        with _reading():
            batch = self._batch(message)
            batch.validate(full=True)
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            part = batch.slice(start, ROWS_AT_ONCE)
            with _reading():
                rows = rows_of_batch(part, self._names, self._next)
            yield rows
            self._next += part.num_rows

    def _batch(self, message: _Message) -> pa.RecordBatch:
        if not self._dictionaries:
            return pa.ipc.read_record_batch(pa.py_buffer(message.content), self._described)
        # Only a stream has dictionaries, so one is made of those that came and this message.
        content = b"".join((self._schema, self._dictionaries, message.content, _END))
        return pa.ipc.open_stream(pa.py_buffer(content)).read_next_batch()


@contextmanager
def _reading() -> Iterator[None]:
    """Keep pyarrow's messages here: they may hold values."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError):
        raise UnreadableError(f"{_BROKEN}: a message is damaged.") from None


def _declared(metadata: bytes) -> tuple[int, int, bool, int]:
    """Return kind, rows, whether it is compressed and length of the body that metadata declare.

    The metadata are a flatbuffer `Message`: version, header's type, header, body's length. A
    `RecordBatch` header: length, nodes, buffers, compression (format/Message.fbs).
    """
    try:
        (root,) = struct.unpack_from("<I", metadata, 0)
        kind_at, header_at, body_at = (_field(metadata, root, n) for n in (1, 2, 3))
        kind = metadata[kind_at] if kind_at else 0
        (body,) = struct.unpack_from("<q", metadata, body_at) if body_at else (0,)
        if kind != _RECORDS:
            return kind, 0, False, body
        header = header_at + struct.unpack_from("<I", metadata, header_at)[0]
        rows_at = _field(metadata, header, 0)
        (rows,) = struct.unpack_from("<q", metadata, rows_at) if rows_at else (0,)
        return kind, rows, bool(_field(metadata, header, 3)), body
    except (struct.error, IndexError):
        raise UnreadableError(f"{_BROKEN}: a message's metadata are damaged.") from None


def _field(metadata: bytes, table: int, number: int) -> int:
    """Return where a table's field is, 0 if it is absent."""
    (back,) = struct.unpack_from("<i", metadata, table)
    vtable = table - back
    if vtable < 0:
        raise IndexError
    (size,) = struct.unpack_from("<H", metadata, vtable)
    entry = 4 + 2 * number
    if entry >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, vtable + entry)
    return table + offset if offset else 0
