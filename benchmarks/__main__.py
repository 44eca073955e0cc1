"""Run the benchmarks: ``python -m benchmarks [--runs N] [--only NAME] [--json FILE]``."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import cds, fitting, prediction, validation
from benchmarks.comparison import Comparison, compare
from benchmarks.peer import PeerMissingError, RSession
from benchmarks.versions import versions

SUITES = {
    "prediction": prediction.contests,
    "fitting": fitting.contests,
    "validation": validation.contests,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, taken in turns")
    parser.add_argument("--only", choices=sorted((*SUITES, "cds")), help="one suite")
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    if arguments.only == "cds":  # it has no peer in R
        print(json.dumps(vars(cds.latency()), indent=2))
        return 0
    results: list[Comparison] = []
    try:
        with RSession() as r:
            for name, contests in SUITES.items():
                if arguments.only in (None, name):
                    results += [compare(contest, arguments.runs) for contest in contests(r)]
            found = versions(r)
    except PeerMissingError as missing:
        print(missing, file=sys.stderr)
        return 1
    print(_table(results))
    report: dict[str, object] = {"versions": found, "results": [vars(result) for result in results]}
    if arguments.only is None:
        report["cds"] = vars(cds.latency())
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _table(results: list[Comparison]) -> str:
    lines = [
        "| what | ours, s | peer | theirs, s | ratio (below 1: ours is faster) |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r.what} | {r.ours_seconds:.3g} | {r.peer} | {r.peer_seconds:.3g} | {r.ratio:.2g} |"
        for r in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
