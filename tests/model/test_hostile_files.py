"""Files made to run something, to crash or to fill the memory: refused, and nothing is run."""

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from model import plain_values
from tests.model.test_plain_values import joblib_bytes, refused, same

CHECKOUT = Path(__file__).parents[2]
WRAPPER = b"\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93"
DTYPE = b"\x8c\x05numpy\x8c\x05dtype\x93"


class Runs:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def hostile(sentinel: Path) -> dict[str, bytes]:
    command = f"touch {sentinel}"
    evaluated = f"open({str(sentinel)!r}, 'w')"
    runs = Runs(os.system, command)
    within_array = np.array([runs], dtype=object)
    quoted = evaluated.encode()
    python_2 = b"c__builtin__\neval\n(S" + repr(evaluated).encode() + b"\ntR."
    return {
        "os.system": joblib_bytes(runs),
        "within a list": joblib_bytes({"cox": [1.0, {"a": runs}]}),
        "as a key": pickle.dumps({Runs(eval, evaluated): 1}),
        "protocol 0": pickle.dumps(runs, protocol=0),
        "protocol 2": pickle.dumps(runs, protocol=2),
        "object array": joblib_bytes(within_array),
        "object array in a model": joblib_bytes({"cox": {"coefficients": within_array}}),
        "bare object array": pickle.dumps(within_array),
        "global of eval": python_2,
        "renamed module": b"cbuiltins\neval\n(V" + quoted + b"\ntR.",
        "instance opcode": b"(V" + quoted + b"\nibuiltins\neval\n.",
        "object opcode": b"(cbuiltins\neval\nV" + quoted + b"\no.",
        "stack global": b"\x80\x05\x8c\x08builtins\x8c\x04eval\x93\x8c"
        + bytes([len(quoted)])
        + quoted
        + b"\x85R.",
        "dotted name": b"\x80\x05\x8c\x05numpy\x8c\x13ndarray.__class__.x\x93.",
        "dotted attribute": b"\x80\x05\x8c\x05numpy\x8c\x0cdtype.__base__\x93.".replace(
            b"\x0c", bytes([len(b"dtype.__base__")])
        ),
        "persistent id": b"Vos.system\nQ.",
        "persistent id of text": b"Pos.system\n.",
        "extension": b"\x80\x02\x82\x01.",
        "extensions": b"\x80\x02\x83\x01\x00.\x84\x01\x00\x00\x00.",
        "numpy loads": joblib_bytes(Runs(np.load, str(sentinel))),
        "joblib loads": joblib_bytes(Runs(joblib.load, str(sentinel))),
        "getattr": joblib_bytes(Runs(getattr, "", "join")),
        "next buffer": b"\x80\x05\x97.",
        "after the stop": plain_values.dump([runs.call[1]])[:-1] + pickle.dumps(runs)[2:],
        "joblib's own array class": b"\x80\x05" + WRAPPER + b")\x81}(\x8c\x01xNub.",
        "bytes": pickle.dumps(b"CANARY"),
        "a set": pickle.dumps({1, 2}),
        "a tuple": pickle.dumps((1.0, 2.0)),
        "a complex number": pickle.dumps(1j),
        "a number of numpy": pickle.dumps(np.float64(1)),
        "a class": b"\x80\x05\x8c\x05numpy\x8c\x07ndarray\x93.",
        "a class in a list": b"\x80\x05]\x8c\x05numpy\x8c\x07ndarray\x93a.",
        "a dtype": pickle.dumps(np.dtype("f8")),
    }


NAMES = list(hostile(Path("/x")))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_run_and_the_file_is_refused(name: str, tmp_path: Path):
    sentinel = tmp_path / "ran"
    assert refused(hostile(sentinel)[name]).startswith("the model file ")
    assert not sentinel.exists()


@pytest.mark.parametrize("name", ["os.system", "object array", "global of eval", "stack global"])
def test_the_hostile_files_would_run_where_pickles_are_trusted(name: str, tmp_path: Path):
    sentinel = tmp_path / "ran"
    script = "import io, sys, joblib; joblib.load(io.BytesIO(sys.stdin.buffer.read()))"
    content = hostile(sentinel)[name]
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], input=content, check=False)
    assert sentinel.exists()


DEEP = 300_000
DOUBLED = b"".join(b"](h%ch%ce\x94" % (i, i) for i in range(200))
BOMBS = {
    "nested lists": b"\x80\x05" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",
    "nested dictionaries": b"\x80\x05" + b"}\x8c\x01a" * DEEP + b"N" + b"s" * DEEP + b".",
    "nested tuple": b"\x80\x05)" + b"\x85" * DEEP + b".",
    "nested tuple as a key": b"\x80\x05})" + b"\x85" * DEEP + b"Ns.",
    "nested tuple among keys": b"\x80\x05}()" + b"\x85" * DEEP + b"Nu.",
    "nested tuple as a dtype": b"\x80\x05\x8c\x05numpy\x8c\x05dtype\x93)"
    + b"\x85" * DEEP
    + b"\x85R.",
    "a list of itself": b"\x80\x05]\x94h\x00a.",
    "doubling lists": b"\x80\x05]\x94"
    + b"".join(b"](h%ch%ce\x94" % (i, i) for i in range(200))
    + b".",
    "a large bytearray": b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".",
    "a large text": b"\x80\x05X\xff\xff\xff\x7fa.",
    "a large frame": b"\x80\x05\x95" + (1 << 62).to_bytes(8, "little") + b"N.",
    "a far memo": b"\x80\x05Nr\xff\xff\xff\x7f.",
    "a large integer": b"\x80\x05\x8b\xff\xff\xff\x7f\x01.",
}
HARMLESS = {
    *("nested lists", "nested dictionaries", "a list of itself", "doubling lists"),
    "a large frame",
}
"""Plain values, however odd: what reads them next has to know them."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_neither_crashes_nor_fills_the_memory(name: str, tmp_path: Path):
    # In a process of its own: what fails here would be a crash, not an exception.
    (tmp_path / "bomb").write_bytes(BOMBS[name])
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from model import plain_values
        from model.errors import ArtifactError
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
        try:
            plain_values.load(Path(sys.argv[1]).read_bytes())
        except ArtifactError as error:
            print(error)
        else:
            print("plain")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert peak < 1 << 20, peak
    """)
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bomb")],
        cwd=CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr[-500:]
    assert run.stdout.startswith("plain" if name in HARMLESS else "the model file ")


def test_a_file_cannot_change_how_the_next_one_is_read():
    sound = plain_values.dump({"x": np.arange(3.0)})
    for name in (WRAPPER, DTYPE):
        for attribute in (b"\x8c\x04read", b"\x8c\x05dtype", b"\x8c\x08__init__"):
            # BUILD with a state for slots: setattr on whatever is on the stack.
            assert refused(b"\x80\x05" + name + b"N}" + attribute + b"Ns\x86b.")
    assert same(plain_values.load(sound), {"x": np.arange(3.0)})


def test_an_array_that_stands_for_its_own_dtype_is_refused():
    # Numpy would take any object with an attribute `dtype` for a dtype.
    shape = b"\x8c\x05shapeK\x02\x85\x8c\x05order\x8c\x01C"
    dtype = DTYPE + b"\x8c\x02f8\x85R"
    sound = WRAPPER + b")\x81}(" + shape + b"\x8c\x05dtype" + dtype + b"ub\x00" + bytes(16)
    assert same(plain_values.load(b"\x80\x05" + sound + b"."), np.zeros(2))
    posing = WRAPPER + b")\x81"
    for stand_in in (posing, b"\x8c\x02f8", b"N", DTYPE):
        content = sound.replace(dtype, stand_in)
        assert refused(b"\x80\x05" + content + b".")
