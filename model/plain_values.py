"""joblib files that hold plain values only, written and read without running anything.

A joblib file is a pickle, and a pickle can name any function to call. The reader
here knows three names, all of which describe an array of numbers, and hands out
stand-ins even for those; whatever else a file asks for is refused.
"""

import io
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from sys import intern
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from model.errors import ArtifactError

LARGEST_FILE_BYTES = 256 * 2**20

_Unpickler: Any = pickle._Unpickler  # written in Python, so each of its steps can be refused
_DTYPES = {"f8": np.dtype(np.float64), "i8": np.dtype(np.int64)}

_OPCODES = (
    *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK),
    *(pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.SHORT_BINUNICODE, pickle.BINUNICODE),
    *(pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.TUPLE),
    *(pickle.STACK_GLOBAL, pickle.NEWOBJ, pickle.REDUCE, pickle.BUILD),
)
"""What `dump` writes. The others would let a small file ask for any amount of memory."""

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"] | NDArray[Any]


def dump(value: Plain) -> bytes:
    """Serialise plain values; equal values give equal bytes."""
    import joblib  # to read needs nothing of it, and the service starts sooner without

    buffer = io.BytesIO()
    joblib.dump(_canonical(value), buffer, protocol=5)
    return buffer.getvalue()


def load(content: bytes) -> Plain:
    """Read what `dump` wrote.

    Raises
    ------
    ArtifactError
        If the content is not a joblib file of plain values, or is too large.
    """
    if len(content) > LARGEST_FILE_BYTES:
        raise ArtifactError(f"the model file is larger than {LARGEST_FILE_BYTES} bytes")
    try:
        value = _PlainUnpickler(content).load()
        _refuse_anything_else(value)
    except ArtifactError:
        raise
    except Exception as error:  # a hostile pickle can raise whatever it likes
        raise ArtifactError(
            f"the model file cannot be read as plain values ({type(error).__name__})"
        ) from None
    plain: Plain = value
    return plain


def _canonical(value: Any) -> Any:
    """Rebuild a value so that its pickle depends on nothing but its content."""
    if isinstance(value, str):
        return intern(str(value))
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return np.array(value, dtype=_DTYPES[value.dtype.str[1:]], order="C")
    if isinstance(value, Sequence):
        return [_canonical(item) for item in value]
    return value


class _NoClass:
    """Stands for numpy.ndarray, which a file names but never needs to call."""


class _DtypeName:
    """Stands for a dtype; the byte order that pickle sets on it is little-endian or refused."""

    def __init__(self, code: str, *_: object) -> None:
        if type(code) is not str or code not in _DTYPES:
            raise ArtifactError("the model file holds an array that is not of plain numbers")
        self.dtype = _DTYPES[code]

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] != "<":
            raise ArtifactError("the model file holds numbers of a foreign byte order")


class _PlainArray:
    """Stands for joblib's array wrapper: reads the bytes that follow it in the file."""

    shape: tuple[int, ...]
    dtype: _DtypeName
    order: str

    def read(self, content: io.BytesIO, remaining: int) -> NDArray[Any]:
        if type(self.dtype) is not _DtypeName:
            raise ArtifactError("the model file holds an array that is not of plain numbers")
        dtype = self.dtype.dtype
        size = math.prod(int(length) for length in self.shape) * dtype.itemsize
        padding = content.read(1)[0]
        content.read(padding)
        if not 0 <= size <= remaining or min(self.shape, default=0) < 0:
            raise ArtifactError("the model file ends within an array")
        array = np.frombuffer(content.read(size), dtype=dtype).copy()
        return array.reshape(self.shape, order="F" if self.order == "F" else "C")


class _PlainUnpickler(_Unpickler):  # type: ignore[misc]  # its steps are not typed
    _NAMES: ClassVar[dict[tuple[str, str], type]] = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): _PlainArray,
        ("numpy", "ndarray"): _NoClass,
        ("numpy", "dtype"): _DtypeName,
    }

    dispatch: ClassVar[dict[int, Callable[["_PlainUnpickler"], None]]] = {
        code[0]: _Unpickler.dispatch[code[0]] for code in _OPCODES
    }

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._size = len(content)
        super().__init__(self._content)

    def find_class(self, module: str, name: str) -> type:
        try:
            return self._NAMES[module, name]
        except KeyError:
            raise ArtifactError(
                "the model file asks for something other than plain values; nothing was run"
            ) from None

    def load_setitem(self) -> None:
        self._check_keys([self.stack[-2]])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._check_keys(self.stack[::2])
        super().load_setitems()

    def _check_keys(self, keys: list[object]) -> None:
        # Before they are hashed: to hash a deeply nested tuple overflows the C stack.
        if any(type(key) is not str for key in keys):
            raise ArtifactError("the model file holds a key that is not text")

    def load_build(self) -> None:
        if type(self.stack[-2]) not in (_PlainArray, _DtypeName):  # a class would stay changed
            raise ArtifactError("the model file holds something other than plain values")
        super().load_build()
        if isinstance(self.stack[-1], _PlainArray):
            array = self.stack.pop()
            self.stack.append(array.read(self._content, self._size - self._content.tell()))

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.BUILD[0]] = load_build


def _refuse_anything_else(value: object) -> None:
    """Check every value once, however often it is shared."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif type(item) is list:
            waiting += item
        elif item is not None and type(item) not in (bool, int, float, str, np.ndarray):
            raise ArtifactError("the model file holds something other than plain values")
