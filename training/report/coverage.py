"""How often the interval around one patient's survival holds the truth, where it is known."""

from training.coverage.record import SERVED, Cell, CoverageRecord
from training.report.blocks import Bullets, Paragraph, Section, Table, plot
from training.report.numbers import NONE, number_of, percent
from training.report.plots import CoverageDot, Label, coverage_plot


def coverage_section(record: CoverageRecord) -> Section:
    """Return the coverage of the candidate intervals in simulated cohorts."""
    dots = [
        CoverageDot(_setting(cell), str(cell.candidate), cell.coverage, cell.monte_carlo_error)
        for cell in record.cells
    ]
    truths = "; ".join(
        f"{truth.name} ({truth.datasets} cohorts"
        + (f", {truth.failed} could not be fitted)" if truth.failed else ")")
        for truth in record.truths
    )
    return Section(
        "coverage",
        "Coverage of the intervals",
        (
            Paragraph(
                f"Cohorts of {number_of(record.patients, 'patient')} were simulated from truths"
                " that we know, a model was fitted to each, and the interval around one patient's"
                " survival compared with that patient's true survival. A 95 % interval should"
                f" hold it in 95 of 100 cases. Truths: {truths}. Seed {record.seed}."
            ),
            _outcome(record),
            plot(
                coverage_plot(
                    Label(
                        "coverage",
                        "Coverage of the 95 % intervals in simulated cohorts",
                        " ".join(
                            f"{d.setting}, {d.candidate}: {percent(d.coverage, 1)}." for d in dots
                        ),
                    ),
                    dots,
                ),
                "Coverage of the candidates for the interval. Dashed: 95 %.",
            ),
            _table(record),
            *([Bullets(record.notes)] if record.notes else []),
        ),
    )


def _outcome(record: CoverageRecord) -> Paragraph:
    served = record.of(SERVED)
    missed = [cell for cell in served if not cell.reaches_target]
    target = (
        f"Served: {SERVED}. The target is at least 93 % where all is known of the patient and"
        " 90 % where some is not; more than 95 % is allowed, at the price of width."
    )
    if not missed:
        return Paragraph(f"{target} It is reached in each of {len(served)} settings.")
    named = "; ".join(f"{_setting(cell)}: {percent(cell.coverage, 1)}" for cell in missed)
    return Paragraph(
        f"{target} It is missed in {len(missed)} of {len(served)} settings ({named}).", strong=True
    )


def _setting(cell: Cell) -> str:
    return f"{cell.truth}; {cell.knowledge}; {cell.horizon_months:g} months"


def _table(record: CoverageRecord) -> Table:
    candidates = [*dict.fromkeys(cell.candidate for cell in record.cells)]
    settings: dict[tuple[str, str, float], dict[str, Cell]] = {}
    for cell in record.cells:
        setting = cell.truth, str(cell.knowledge), cell.horizon_months
        settings.setdefault(setting, {})[cell.candidate] = cell
    return Table(
        "Coverage (Monte-Carlo error) and mean width of the 95 % interval",
        (
            "Truth",
            "Known of the patient",
            "Months",
            *(f"{name}, served" if name == SERVED else str(name) for name in candidates),
        ),
        tuple(
            (truth, known, f"{months:g}", *(_covered(of.get(name)) for name in candidates))
            for (truth, known, months), of in settings.items()
        ),
    )


def _covered(cell: Cell | None) -> str:
    if cell is None:
        return NONE
    error = f"{100 * cell.monte_carlo_error:.1f}"
    return f"{percent(cell.coverage, 1)} ({error}), width {percent(cell.mean_width)}"
