"""``python -m training``: make, check and fit a cohort."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from model.errors import CohortError, FitError
from model.manifest import Finding
from training.cohort import Cohort, read_cohort
from training.cox import Ties
from training.fit import Options, check_cohort
from training.release import Release, release
from training.simulate import (
    SHIPPED_SEED,
    SimulationError,
    csv_text,
    declaration_text,
    simulate,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Fit prognostic models to a cohort of patients after a second transplant.",
)
console = Console()
errors = Console(stderr=True)

CohortFile = Annotated[
    Path, typer.Argument(help="NAME.csv; NAME.cohort.json beside it declares the cohort.")
]
Covariates = Annotated[
    str | None, typer.Option(help="Comma-separated covariates to use; default all there are.")
]


@app.command(name="simulate")
def simulate_command(
    out: Annotated[Path, typer.Option(help="The CSV to write; its declaration stands beside it.")],
    seed: Annotated[int, typer.Option(min=0, help="First seed to try.")] = SHIPPED_SEED,
) -> None:
    """Make the synthetic cohort whose analysis gives the published study's figures."""
    with Progress(console=console) as bars:
        bar = bars.add_task("annealing", total=1.0)
        try:
            cohort = simulate(
                seed,
                lambda at: bars.update(bar, completed=at.fraction, description=f"seed {at.seed}"),
            )
        except SimulationError as error:
            _fail(str(error))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(csv_text(cohort))
    out.with_suffix(".cohort.json").write_text(declaration_text(cohort))
    console.print(f"{out}: {cohort.declaration.name}, seed {cohort.declaration.seed}")


@app.command()
def check(cohort_file: CohortFile, covariates: Covariates = None) -> None:
    """Read a cohort, report everything wrong with it, and stop."""
    cohort = _read(cohort_file, covariates)
    try:
        cohort = check_cohort(cohort)
    except FitError as error:
        _fail(f"{error.code}: {error}")
    console.print(
        f"{len(cohort.months)} patients, {int(cohort.death.sum())} deaths,"
        f" {len(cohort.names)} covariates: {', '.join(cohort.names)}"
    )
    _print_findings(cohort.findings)


@app.command()
def fit(
    cohort_file: CohortFile,
    out: Annotated[Path, typer.Option(help="Folder for the artifacts, one folder each.")],
    covariates: Covariates = None,
    ties: Annotated[Ties, typer.Option(help="How deaths at one time are handled.")] = Ties.EFRON,
    alpha: Annotated[
        float | None,
        typer.Option(min=0, help="Ridge penalty of all but ECOG; default by cross-validation."),
    ] = None,
    bands: Annotated[
        str, typer.Option(help="Risk bands of ECOG, as name:lowest-highest,...")
    ] = Options.bands,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cross-validation.")] = Options.seed,
    model_version: Annotated[
        str, typer.Option(help="Semantic version of the models.", metavar="X.Y.Z")
    ] = "1.0.0",
) -> None:
    """Fit the served models to a cohort and write them as artifacts."""
    cohort = _read(cohort_file, covariates)
    options = Options(ties=ties, penalty=alpha, bands=bands, seed=seed)
    try:
        with console.status("fitting"):
            releases = list(release(cohort, out, options, model_version))
    except FitError as error:
        _fail(f"{error.code}: {error}")
    for written in releases:
        _print_release(written)


def _read(cohort_file: Path, covariates: str | None) -> Cohort:
    try:
        cohort = read_cohort(cohort_file)
    except CohortError as error:
        for problem in error.problems:
            errors.print(problem, markup=False, highlight=False, soft_wrap=True)
        _fail(f"{cohort_file.name} cannot be used: {len(error.problems)} problems")
    if covariates is None:
        return cohort
    wanted = tuple(name.strip() for name in covariates.split(","))
    unknown = [name for name in wanted if name not in cohort.names]
    if unknown or "ecog" not in wanted:
        _fail(f"--covariates takes ecog and any of {', '.join(cohort.names)}")
    return cohort.with_covariates(wanted)


def _print_release(written: Release) -> None:
    manifest = written.artifact.manifest
    console.print(f"\n{written.folder}: {manifest.id} {manifest.version}, {written.comparison}")
    if manifest.notice:
        console.print(manifest.notice)
    table = Table("ECOG, per point", "hazard ratio", "95 % interval")
    for effect in manifest.ecog_effects:
        table.add_row(
            effect.source,
            f"{effect.hazard_ratio:.3f}",
            f"{effect.lower:.3f} to {effect.upper:.3f}",
        )
    console.print(table)
    _print_findings(manifest.findings)


def _print_findings(findings: tuple[Finding, ...] | list[Finding]) -> None:
    for finding in findings:
        console.print(f"{finding.code}: {finding.message}", markup=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
