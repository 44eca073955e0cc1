"""Run the benchmarks: ``python -m benchmarks [--runs N] [--only NAME] [--json FILE]``."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import batch, cds, fitting, prediction, serving, validation
from benchmarks.comparison import Comparison, Contest, compare
from benchmarks.peer import PeerMissingError, RSession
from benchmarks.versions import versions

SUITES: dict[str, Callable[[RSession], Iterable[Contest]]] = {
    "prediction": prediction.contests,
    "fitting": fitting.contests,
    "validation": validation.contests,
    "serving": serving.contests,
    "batch": batch.contests,
    "serving-mlflow": serving.mlflow_contests,
}
OPTIONAL = {"serving-mlflow"}  # only where asked for: it installs half a gigabyte
ALONE = {"cds": cds.latency}  # a limit in seconds, and no peer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, taken in turns")
    parser.add_argument("--only", choices=sorted({*SUITES, *ALONE}), help="one suite")
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()

    def is_wanted(name: str) -> bool:
        return name == arguments.only or (arguments.only is None and name not in OPTIONAL)

    results: list[Comparison] = []
    try:
        with RSession() as r:
            for name, contests in SUITES.items():
                if is_wanted(name):
                    results += [compare(contest, arguments.runs) for contest in contests(r)]
            found = versions(r)
    except PeerMissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    if results:
        print(_table(results))
    print(f"on {found['file system']}, an fsync takes {found['fsync, milliseconds']} ms")
    report = {
        "versions": found,
        "results": [vars(result) for result in results],
        "latencies": [vars(measure()) for name, measure in ALONE.items() if is_wanted(name)],
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _table(results: list[Comparison]) -> str:
    lines = [
        "| what | ours | peer | theirs | ratio (below 1: ours takes less) | goal: at most | runs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r.what} | {r.ours:.3g} {r.unit} | {r.peer} | {r.theirs:.3g} {r.unit}"
        f" | {r.ratio:.3g} | {_goal(r)} | {r.runs} |"
        for r in results
    ]
    return "\n".join(lines)


def _goal(result: Comparison) -> str:
    if result.goal is None:
        return ""
    return f"{result.goal:.2g} {'reached' if result.ratio <= result.goal else 'not reached'}"


if __name__ == "__main__":
    sys.exit(main())
