"""Two ways to the same result, timed in turns, so that a busy machine slows both."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True)
class Contest:
    """What is done, by us and by a peer; each runs it once and returns its seconds.

    `unit` says what is returned where it is not seconds; `goal` is the largest ratio of ours
    to the peer's that is aimed at; `most_runs` is for what takes long.
    """

    what: str
    peer: str
    ours: Callable[[], float]
    theirs: Callable[[], float]
    unit: str = "s"
    goal: float | None = None
    most_runs: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Medians of a contest, and the ratio of ours to the peer's."""

    what: str
    peer: str
    unit: str
    runs: int
    ours: float
    theirs: float
    ratio: float
    goal: float | None


def compare(contest: Contest, runs: int) -> Comparison:
    """Run both once unmeasured, then in turns."""
    runs = min(runs, contest.most_runs or runs)
    contest.ours()
    contest.theirs()
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(contest.ours())
        theirs.append(contest.theirs())
    a, b = median(ours), median(theirs)
    return Comparison(contest.what, contest.peer, contest.unit, runs, a, b, a / b, contest.goal)


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return how long one of several repetitions takes."""
    start = perf_counter()
    for _ in range(times):
        work()
    return (perf_counter() - start) / times
