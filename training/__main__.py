"""``python -m training``: from a cohort file to an artifact with its report."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from model import artifact
from model.analysis import Analysis, Effect, StudyAnalysis
from model.artifact import Artifact
from model.errors import ArtifactError, CohortError, FitError, SignatureKeyError
from model.manifest import Finding, Validation
from training import signing
from training.analysing import MOST_VALIDATED, RESAMPLES, Resampling
from training.cohort import Cohort, read_cohort
from training.cox import Ties
from training.fit import Options, check_cohort
from training.release import Release, document, models_of, release
from training.simulation.simulate import (
    SHIPPED_SEED,
    SimulationError,
    csv_text,
    declaration_text,
    simulate,
)
from training.validation.external import covariates_unknown, validate_externally
from training.versions import write_next_version

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
ArtifactFolder = Annotated[Path, typer.Argument(help="An artifact's folder.")]
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
    bootstrap: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"Resamples of the validation, 0 for none; default {RESAMPLES}"
            f" up to {MOST_VALIDATED} patients, else none.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes of the validation.")] = 2,
    model_version: Annotated[
        str, typer.Option(help="Semantic version of the models.", metavar="X.Y.Z")
    ] = "1.0.0",
) -> None:
    """Fit the served models to a cohort, validate them and write them as artifacts."""
    cohort = _read(cohort_file, covariates)
    options = Options(ties=ties, penalty=alpha, bands=bands, seed=seed)
    resamples = bootstrap
    if resamples is None:
        resamples = RESAMPLES if len(cohort.months) <= MOST_VALIDATED else 0
    with Progress(console=console) as bars:
        bar = bars.add_task("validating", total=resamples * len(models_of(cohort)))
        resampling = Resampling(resamples, jobs, lambda done: bars.advance(bar, done))
        try:
            releases = list(release(cohort, out, options, resampling, model_version))
        except FitError as error:
            _fail(f"{error.code}: {error}")
    for written in releases:
        _print_release(written)
    console.print(f"\n{len(cohort.months)} patients, {int(cohort.death.sum())} deaths")


@app.command()
def report(
    artifact_folder: ArtifactFolder,
    out: Annotated[Path, typer.Option(help="The HTML file to write, outside the artifact.")],
) -> None:
    """Render the report of an artifact anew; the artifact itself is not touched."""
    loaded = _load(artifact_folder)
    if out.resolve().is_relative_to(artifact_folder.resolve()):
        _fail("the report of an artifact is part of it: write the new one elsewhere")
    out.write_text(document(loaded.manifest, loaded.model, loaded.analysis).report)
    console.print(f"{out}: report of {loaded.manifest.id} {loaded.manifest.version}")


@app.command()
def validate(
    artifact_folder: ArtifactFolder,
    cohort_file: CohortFile,
    out: Annotated[
        Path | None, typer.Option(help="Write a new version that records the validation.")
    ] = None,
    recalibrate: Annotated[
        bool,
        typer.Option("--recalibrate", help="Adjust that version's baseline and slope."),
    ] = False,
    model_version: Annotated[
        str | None, typer.Option(help="Version to write; default the next.", metavar="X.Y.Z")
    ] = None,
) -> None:
    """Validate an artifact on another cohort, and offer a recalibrated version of it."""
    loaded, cohort = _load(artifact_folder), _read(cohort_file, None)
    if recalibrate and out is None:
        _fail("--recalibrate makes a new version: say where by --out")
    try:
        validation = validate_externally(loaded, cohort)
        _print_validation(loaded, validation, cohort)
        if out is None:
            return
        written = write_next_version(
            loaded, cohort, validation, out, recalibrated=recalibrate, version=model_version
        )
    except (FitError, ArtifactError) as error:
        _fail(str(error))
    console.print(f"{out}: {written.manifest.id} {written.manifest.version}")


@app.command(name="sign")
def sign_command(
    artifact_folder: Annotated[
        Path | None, typer.Argument(help="The artifact to sign; not needed to make a key.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Private key: Ed25519, PEM.")] = None,
    new_key: Annotated[
        Path | None, typer.Option(help="Make a key in this file, its public key beside it.")
    ] = None,
) -> None:
    """Sign an artifact, so that a service with the public key serves it."""
    if (key is None) == (new_key is None) or (new_key is None and artifact_folder is None):
        _fail("give an artifact and --key FILE, or --new-key FILE")
    try:
        private = signing.read_key(key) if key else signing.new_key(new_key or Path())
    except SignatureKeyError as error:
        _fail(f"{(key or new_key or Path()).name}: {error}")
    if new_key is not None:
        console.print(
            f"{new_key}: keep it; {signing.public_file(new_key)}: hand it out", soft_wrap=True
        )
    if artifact_folder is None:
        return
    try:
        manifest = signing.sign(artifact_folder, private).manifest
    except ArtifactError as error:
        _fail(f"{artifact_folder.name}: {error}")
    console.print(f"{artifact_folder}: {manifest.id} {manifest.version} is signed", soft_wrap=True)


def _load(folder: Path) -> Artifact:
    try:
        return artifact.load(folder)
    except ArtifactError as error:
        _fail(f"{folder.name}: {error}")


def _print_validation(loaded: Artifact, validation: Validation, cohort: Cohort) -> None:
    manifest = loaded.manifest
    console.print(f"{manifest.id} {manifest.version} on {validation.cohort.name}")
    table = Table("measure", "estimate", "95 % interval")
    rows = [
        ("Harrell's C", validation.concordance),
        ("calibration slope", validation.calibration_slope),
        *(
            (f"observed / expected deaths, {of.horizon_months:g} months", of.ratio)
            for of in validation.observed_expected
        ),
    ]
    for measure, value in rows:
        table.add_row(measure, f"{value.estimate:.3f}", f"{value.lower:.3f} to {value.upper:.3f}")
    console.print(table)
    absent = covariates_unknown(loaded, cohort)
    if absent:
        console.print(f"unknown in this cohort: {', '.join(absent)}", soft_wrap=True)
    if validation.cohort.sha256 == manifest.cohort.sha256:
        console.print("this is the training cohort: the figures are apparent ones")


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
    study = written.artifact.analysis.study
    if study is not None and study.figures:
        figures = Table("figure", "published", "reproduced", "served")
        for figure in study.figures:
            figures.add_row(figure.label, figure.published, figure.reproduced, figure.served)
        console.print(figures)
    if study is not None:
        _print_route(study)
    _print_performance(written.artifact.analysis)
    _print_findings(manifest.findings)


def _print_route(study: StudyAnalysis) -> None:
    table = Table("the study's route", "univariate", "p", "all covariates", "p", "removed as")
    removed = [step.removed for step in study.elimination if step.removed]
    together = {effect.covariate: effect for effect in study.multivariable}
    for alone in study.univariate:
        name = alone.covariate
        table.add_row(
            name,
            *_ratio(alone),
            *(_ratio(together[name]) if name in together else ("", "")),
            str(removed.index(name) + 1) if name in removed else "",
        )
    console.print(table)
    for label, interval in (
        ("median survival, log-log limits", study.median_survival_log_log),
        ("median survival, the study's method", study.median_survival_study),
        ("median follow-up, reverse Kaplan-Meier", study.median_follow_up),
    ):
        limits = [
            "not reached" if value is None else f"{value:.1f}"
            for value in (interval.estimate, interval.lower, interval.upper)
        ]
        console.print(f"{label}: {limits[0]} ({limits[1]} to {limits[2]}) months")
    if study.log_rank_p is not None:
        console.print(f"log-rank test between risk bands: p = {study.log_rank_p:.2g}")


def _ratio(effect: Effect) -> tuple[str, str]:
    ratio = f"{effect.hazard_ratio:.2f} ({effect.lower:.2f} to {effect.upper:.2f})"
    return ratio, f"{effect.p_value:.3f}"


def _print_performance(analysis: Analysis) -> None:
    if analysis.validation is None:
        return
    validation = analysis.validation
    failed = f", {validation.failed} failed" if validation.failed else ""
    table = Table(
        f"performance, {validation.resamples} resamples{failed}",
        "months",
        "apparent",
        "optimism",
        "corrected",
        "95 % interval",
    )
    for row in validation.performance:
        table.add_row(
            row.measure,
            "" if row.horizon_months is None else f"{row.horizon_months:g}",
            f"{row.apparent:.3f}",
            f"{row.optimism:.3f}",
            f"{row.corrected:.3f}",
            f"{row.lower:.3f} to {row.upper:.3f}",
        )
    console.print(table)


def _print_findings(findings: tuple[Finding, ...] | list[Finding]) -> None:
    for finding in findings:
        console.print(f"{finding.code}: {finding.message}", markup=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
