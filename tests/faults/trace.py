"""What strace wrote of a process: the order in which bytes were written, synced and sent."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which

_CALLS = "write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync"
_LONGEST = 65_536
_CALL = re.compile(r"(?P<thread>\d+) +(?P<name>\w+)\(\d+<(?P<file>[^>]*)>(?P<rest>.*)")
_RESUMED = re.compile(r"(?P<thread>\d+) +<\.\.\. \w+ resumed>.* = (?P<result>-?\d+)")
_RESULT = re.compile(r"\) += (-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def why_not(folder: Path) -> str | None:
    """Return why nothing can be traced here, or None if it can."""
    if which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-f", "-o", str(folder / "tried"), "true"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        return "this machine forbids to trace processes"
    return None


def command(trace: Path) -> list[str]:
    """Return what to put before a command to trace it, the tracer being its child."""
    options = ["-D", "-f", "-y", "-xx", "-s", str(_LONGEST), "-e", f"trace={_CALLS}"]
    return ["strace", *options, "-e", "signal=none", "-o", str(trace)]


@dataclass
class Call:
    """A call on an open file.

    Attributes
    ----------
    began, ended : lines of the trace; what never ended has -1
    """

    name: str
    file: str
    content: bytes
    began: int
    ended: int = -1
    failed: bool = False


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """Return the calls in the order in which they began, once all are known to the end."""
    begun: dict[str, Call] = {}
    found: list[Call] = []
    for number, line in enumerate(lines):
        if resumed := _RESUMED.match(line):
            call = begun.pop(resumed["thread"], None)
            if call is not None:
                call.ended, call.failed = number, resumed["result"].startswith("-")
        elif match := _CALL.match(line):
            call = Call(match["name"], _text(match["file"]), _content(match["rest"]), number)
            found.append(call)
            if result := _RESULT.search(match["rest"]):
                call.ended, call.failed = number, result[1].startswith("-")
            else:
                begun[match["thread"]] = call
    yield from found


def _text(hexadecimal: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), hexadecimal)


def _content(arguments: str) -> bytes:
    strings = _STRING.findall(arguments)
    return b"".join(bytes.fromhex(s.replace("\\x", "")) for s in strings)
