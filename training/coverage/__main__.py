"""``python -m training.coverage``: run the simulation and write its results."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from training.coverage.population import truths
from training.coverage.record import CoverageRecord
from training.coverage.simulation import (
    CHECKED_DATASETS,
    DATASETS,
    SEED,
    simulate_coverage,
)
from training.coverage.trial import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
console = Console()


def _print_record(record: CoverageRecord) -> None:
    table = Table("truth", "known", "months", "candidate", "coverage", "error", "width", "rmse")
    for cell in record.cells:
        numbers = (cell.coverage, cell.monte_carlo_error, cell.mean_width, cell.rmse)
        table.add_row(
            cell.truth,
            cell.knowledge.value,
            f"{cell.horizon_months:g}",
            cell.candidate.value,
            *(f"{number:.3f}" for number in numbers),
        )
    console.print(table)


@app.command()
def coverage(
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    datasets: Annotated[int, typer.Option(min=2, help="Data sets per truth.")] = DATASETS,
    checked: Annotated[
        int, typer.Option(min=0, help="Of these, fitted again with the search that fit makes.")
    ] = CHECKED_DATASETS,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    seed: Annotated[int, typer.Option(min=0)] = SEED,
) -> None:
    """Simulate how often each candidate's interval holds a patient's own survival."""
    checked = min(checked, datasets)
    with Progress(console=console) as progress:
        task = progress.add_task("data sets", total=len(truths()) * (datasets + checked))
        record = simulate_coverage(
            Settings(),
            seed=seed,
            datasets=datasets,
            checked=checked,
            jobs=jobs,
            advance=lambda: progress.advance(task),
        )
    _print_record(record)
    out.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
