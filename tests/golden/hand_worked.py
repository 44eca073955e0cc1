"""Therneau's example, small enough to be solved on paper, solved on paper.

The data are the first test set of the validation report of R's `survival`; the
derivation is ours. Seven rows, of which one has no status and takes no part:

    time    9   3   1   1   6   6   8
    status  1   -   1   0   1   1   0
    x       0   2   1   1   1   0   0

Write r = exp(beta), the weight of a patient with x = 1; one with x = 0 weighs 1. Deaths
happen at three times:

    time  who dies           at risk            total weight   its part with x = 1
    1     x = 1              three of each x    3r + 3         3r
    6     x = 1 and x = 0    x = 1, 0, 0, 0     r + 3          r
    9     x = 0              x = 0              1              0

The tie at 6 is where the two methods differ. Breslow uses the total r + 3 for both
deaths. Efron uses it for the first, and for the second takes off half the weight of
the two who die, (r + 1)/2, which leaves (r + 5)/2, of which r/2 has x = 1.

For each death let p be the share of the weight that has x = 1. Then the score is the
sum of x - p over the deaths, the information the sum of p(1 - p), the log-likelihood
the sum of beta x - log(total), and the hazard the sum of 1/total. The variance of the
cumulative hazard of a patient with covariate x is

    exp(2 beta x) (VH + q^2 / information)

with VH the sum of 1/total^2 and q the sum of (x - p)/total. The variance of survival is
that times S^2, S = exp(-r^x H).
"""

from dataclasses import dataclass
from functools import partial
from math import acos, cos, exp, log, sqrt

TIME = (9, 3, 1, 1, 6, 6, 8)
STATUS = (1, None, 1, 0, 1, 1, 0)
X = (0, 2, 1, 1, 1, 0, 0)
DEATH_TIMES = (1, 6, 9)


@dataclass(frozen=True)
class HandWorked:
    """The answers; the tuples run over `DEATH_TIMES`."""

    coefficient: float
    score_at_zero: float
    information_at_zero: float
    information: float
    log_likelihood_at_zero: float
    log_likelihood: float
    cumulative_hazard: tuple[float, float, float]
    variance_of_survival_at_0: tuple[float, float, float]
    variance_of_survival_at_1: tuple[float, float, float]


def breslow() -> HandWorked:
    """Return the answers for Breslow's method."""
    # Deaths' p: r/(r+1), then r/(r+3) twice, then 0. Two of the four deaths have x = 1, so
    #   score = 2 - r/(r+1) - 2r/(r+3).
    # Times (r+1)(r+3):
    #   2(r^2+4r+3) - (r^2+3r) - (2r^2+2r) = -r^2 + 3r + 6 = 0,
    # whose positive root is
    r = (3 + sqrt(33)) / 2
    # p(1-p): r/(r+1)^2, then 3r/(r+3)^2 twice, then 0.
    information = r / (r + 1) ** 2 + 6 * r / (r + 3) ** 2
    h1 = 1 / (3 * r + 3)
    h6 = h1 + 2 / (r + 3)
    h9 = h6 + 1
    v1 = 1 / (3 * r + 3) ** 2
    v6 = v1 + 2 / (r + 3) ** 2
    v9 = v6 + 1
    # The sum of p/total; q at x is x H minus this. The last death adds nothing: p = 0.
    a1 = r / (3 * (r + 1) ** 2)
    a6 = a1 + 2 * r / (r + 3) ** 2
    a9 = a6
    variance = partial(_variance_of_survival, r, information)
    return HandWorked(
        coefficient=log(r),
        # At r = 1: 2 - 1/2 - 2/4.
        score_at_zero=1,
        # At r = 1: 1/4 + 6/16.
        information_at_zero=5 / 8,
        information=information,
        # At r = 1 the totals are 6, 4, 4, 1, with product 96.
        log_likelihood_at_zero=-log(96),
        log_likelihood=2 * log(r) - log(3 * r + 3) - 2 * log(r + 3),
        cumulative_hazard=(h1, h6, h9),
        variance_of_survival_at_0=(
            variance(x=0, h=h1, v=v1, a=a1),
            variance(x=0, h=h6, v=v6, a=a6),
            variance(x=0, h=h9, v=v9, a=a9),
        ),
        variance_of_survival_at_1=(
            variance(x=1, h=h1, v=v1, a=a1),
            variance(x=1, h=h6, v=v6, a=a6),
            variance(x=1, h=h9, v=v9, a=a9),
        ),
    )


def efron() -> HandWorked:
    """Return the answers for Efron's method."""
    # Deaths' p: r/(r+1); then r/(r+3) and (r/2)/((r+5)/2) = r/(r+5); then 0. So
    #   score = 2 - r/(r+1) - r/(r+3) - r/(r+5).
    # Times (r+1)(r+3)(r+5):
    #   2(r^3+9r^2+23r+15) - (r^3+8r^2+15r) - (r^3+6r^2+5r) - (r^3+4r^2+3r)
    #   = -r^3 + 23r + 30 = 0.
    # The cubic r^3 - 23r - 30 has no square term: with r = 2m cos(u), m^2 = 23/3, it says
    # 2m^3 cos(3u) = 30, and its one positive root is the u with 3u = arccos(15/m^3).
    m = sqrt(23 / 3)
    r = 2 * m * cos(acos(15 / m**3) / 3)
    # p(1-p): r/(r+1)^2, 3r/(r+3)^2, 5r/(r+5)^2, 0.
    information = r / (r + 1) ** 2 + 3 * r / (r + 3) ** 2 + 5 * r / (r + 5) ** 2
    h1 = 1 / (3 * r + 3)
    h6 = h1 + 1 / (r + 3) + 2 / (r + 5)
    h9 = h6 + 1
    v1 = 1 / (3 * r + 3) ** 2
    v6 = v1 + 1 / (r + 3) ** 2 + 4 / (r + 5) ** 2
    v9 = v6 + 1
    # The sum of p/total, as above; the second death at 6 gives r/(r+5) times 2/(r+5).
    a1 = r / (3 * (r + 1) ** 2)
    a6 = a1 + r / (r + 3) ** 2 + 2 * r / (r + 5) ** 2
    a9 = a6
    variance = partial(_variance_of_survival, r, information)
    return HandWorked(
        coefficient=log(r),
        # At r = 1: 2 - 1/2 - 1/4 - 1/6.
        score_at_zero=13 / 12,
        # At r = 1: 1/4 + 3/16 + 5/36.
        information_at_zero=83 / 144,
        information=information,
        # At r = 1 the totals are 6, 4, 3, 1, with product 72.
        log_likelihood_at_zero=-log(72),
        log_likelihood=2 * log(r) - log(3 * r + 3) - log(r + 3) - log((r + 5) / 2),
        cumulative_hazard=(h1, h6, h9),
        variance_of_survival_at_0=(
            variance(x=0, h=h1, v=v1, a=a1),
            variance(x=0, h=h6, v=v6, a=a6),
            variance(x=0, h=h9, v=v9, a=a9),
        ),
        variance_of_survival_at_1=(
            variance(x=1, h=h1, v=v1, a=a1),
            variance(x=1, h=h6, v=v6, a=a6),
            variance(x=1, h=h9, v=v9, a=a9),
        ),
    )


def _variance_of_survival(
    r: float, information: float, *, x: int, h: float, v: float, a: float
) -> float:
    weight = r**x
    q = x * h - a
    return exp(-2 * weight * h) * weight**2 * (v + q**2 / information)
