"""The file of plain values: bytes depend on content alone, and nothing in it is ever run."""

import io
import zlib
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from model import plain_values
from model.errors import ArtifactError

numbers = arrays_of.arrays(
    st.sampled_from([np.float64, np.int64]), arrays_of.array_shapes(min_dims=0, min_side=0)
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | numbers,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return bool(alike and one.tobytes() == other.tobytes())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def refused(content: bytes) -> str:
    with pytest.raises(ArtifactError) as error:
        plain_values.load(content)
    return str(error.value)


def joblib_bytes(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


@settings(max_examples=150, deadline=None)
@given(plain)
def test_plain_values_are_read_back_as_they_were(value: Any):
    content = plain_values.dump(value)
    again = plain_values.load(content)
    assert same(value, again)
    assert plain_values.dump(again) == content


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abc", max_size=2), plain, max_size=5))
def test_joblib_itself_reads_what_is_written(value: dict[str, Any]):
    assert same(joblib.load(io.BytesIO(plain_values.dump(value))), value)


def test_many_values_are_read_back():
    value: Any = {
        "long": list(range(3000)),
        "wide": {str(i): float(i) for i in range(2500)},
        "text": "z" * 70_000,
        "shared": ["a" * 300] * 600,
        "big": np.arange(100_000.0).reshape(10, -1),
    }
    assert same(plain_values.load(plain_values.dump(value)), value)


def test_equal_values_give_equal_bytes_whatever_their_history():
    text = "".join(["haz", "ard"])
    array = np.arange(6.0).reshape(2, 3)
    one: Any = {"a": "hazard", "b": ["hazard", array], "c": (1, 2)}
    other: Any = {"a": text, "b": (text, np.asfortranarray(array)[:, :]), "c": [1, 2]}
    assert plain_values.dump(one) == plain_values.dump(other)
    strided = np.arange(12.0).reshape(2, 6)[:, ::2] / 2
    assert plain_values.dump({"b": strided}) == plain_values.dump({"b": array[:, :].copy()})


@pytest.mark.parametrize(
    "array",
    [
        np.array(["CANARY"]),
        np.array([b"CANARY"]),
        np.array([1 + 1j]),
        np.array([True]),
        np.zeros(2, dtype="f4"),
        np.zeros(2, dtype="i4"),
        np.zeros(2, dtype="u8"),
        np.zeros(2, dtype="datetime64[s]"),
        np.zeros(2, dtype=[("a", "f8"), ("b", "O")]),
        np.zeros(2, dtype="V8"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_of_anything_but_plain_numbers_are_refused(array: Any):
    assert refused(joblib_bytes({"x": array}))


@pytest.mark.parametrize("code", [">f8", ">i8"])
def test_a_foreign_byte_order_is_refused(code: str):
    content = joblib_bytes(np.arange(3).astype(code))
    assert refused(content) == "the model file holds numbers of a foreign byte order"


@pytest.mark.parametrize("compress", ["zlib", "gzip", "bz2", "lzma", "xz"])
def test_a_compressed_file_is_refused(compress: str):
    content = joblib_bytes({"x": np.arange(3.0)}, compress=(compress, 3))
    assert "cannot be read as plain values" in refused(content)
    assert "cannot be read" in refused(zlib.compress(plain_values.dump([1])))


def test_a_shape_beyond_the_file_is_refused():
    content = plain_values.dump(np.arange(200.0).reshape(200, 1))
    content = content[:2] + content[11:]  # without the frame, whose length would be wrong
    length = content.index(b"K\xc8K\x01\x86")
    for shape in (b"K\xc9K\x01\x86", b"J\xff\xff\xff\x7fK\x01\x86", b"K\xc8J\xff\xff\xff\xff\x86"):
        message = refused(content[:length] + shape + content[length + 5 :])
        assert message == "the model file ends within an array"
    huge = b"\x8a\x09" + b"\xff" * 8 + b"\x00" + b"K\x01\x86"
    assert "ends within" in refused(content[:length] + huge + content[length + 5 :])
    none = b"\x8a\x09" + b"\xff" * 8 + b"\x00" + b"K\x00\x86"
    assert refused(content[:length] + none + content[length + 5 :])


@pytest.mark.parametrize(
    "content", [b"", b".", b"\x80", b"\x80\x05.", b"N", b"CANARY", b"PK\x03\x04"]
)
def test_what_is_no_pickle_is_refused(content: bytes):
    assert "cannot be read as plain values" in refused(content)
    assert "CANARY" not in refused(content)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_bytes_are_changed_the_file_is_plain_or_refused(data: st.DataObject):
    content = bytearray(plain_values.dump({"a": [1.5, "b", None], "c": np.arange(4.0)}))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        value = plain_values.load(bytes(content))
    except ArtifactError:
        return
    assert isinstance(value, None | bool | int | float | str | list | dict | np.ndarray)


def test_a_file_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plain_values, "LARGEST_FILE_BYTES", 1000)
    assert refused(plain_values.dump("a" * 1000)) == "the model file is larger than 1000 bytes"
    assert plain_values.load(plain_values.dump("a" * 900)) == "a" * 900
