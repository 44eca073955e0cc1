"""One Cox fit of twelve covariates, against the innermost function of R's `coxph`."""

from collections.abc import Iterator
from math import isclose

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # no stubs

from benchmarks.comparison import Contest, seconds
from benchmarks.data import cohort, give_to_r
from benchmarks.peer import RSession
from model.design import Design
from training.cox import fit_newton
from training.registry_cox import risk_sets_of

_REPETITIONS = {72: 200, 1_000: 50, 10_000: 5, 100_000: 1, 1_000_000: 1}


def contests(r: RSession) -> Iterator[Contest]:
    for n, times in _REPETITIONS.items():
        yield _contest(r, n, times)


def _contest(r: RSession, n: int, times: int) -> Contest:
    data = cohort(n)
    design = Design.of_cohort(data.names, data.numbers, 1).standardise(data.numbers)
    give_to_r(r, "d", design, data)
    r.ask("{ x <- as.matrix(d[1:12]); y <- Surv(d$time, d$death); nrow(x) }")
    expression = (
        'coxph.fit(x, y, NULL, NULL, NULL, coxph.control(), NULL, "efron", as.character(1:nrow(x)))'
    )
    theirs = float(r.ask(f"sprintf('%.17g', {expression}$coefficients[1])"))

    def fit() -> None:
        fitted = fit_newton(risk_sets_of(design, data.months, data.death)).coefficients
        assert isclose(fitted[0], theirs, rel_tol=1e-6)

    def ours() -> float:
        with threadpool_limits(1):
            return seconds(fit, times)

    return Contest(
        f"Cox fit, n = {n:,}, p = 12",
        "R survival::coxph.fit",
        ours,
        lambda: r.seconds(expression, times),
        goal=1.5,
    )
