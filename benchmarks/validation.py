"""Bootstrap validation of the unpenalised model, against R's `rms::validate`.

Ours gives every measure, the calibration curves and the decision curve; R's gives
concordance, slope and likelihood indices. Worker processes are started before, as R is.
"""

from collections.abc import Iterator

from benchmarks.comparison import Contest, seconds
from benchmarks.data import cohort, give_to_r
from benchmarks.peer import RSession
from model.design import Design
from training.fit import Options
from training.validation.internal import validate_internally

_RESAMPLES = 1_000
_PATIENTS = 72


def contests(r: RSession) -> Iterator[Contest]:
    data = cohort(_PATIENTS)
    design = Design.of_cohort(data.names, data.numbers, 1).standardise(data.numbers)
    give_to_r(r, "d", design, data)
    terms = " + ".join(f"x{k + 1}" for k in range(design.shape[1]))
    r.ask(f"{{ f <- cph(Surv(time, death) ~ {terms}, d, x = TRUE, y = TRUE); set.seed(1); 1 }}")

    def validate() -> None:
        validate_internally(
            data,
            Options(penalty=0.0),
            resamples=_RESAMPLES,
            seed=1,
            jobs=2,
            on_progress=lambda _: None,
        )

    yield Contest(
        f"bootstrap validation, {_RESAMPLES:,} resamples, n = {_PATIENTS}, p = 12",
        "R rms::validate",
        lambda: seconds(validate),
        lambda: r.seconds(f"validate(f, B = {_RESAMPLES})"),
        goal=0.5,
    )
