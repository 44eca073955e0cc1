"""What a reader has to know before trusting a number: missing values, findings, limits, origin."""

from collections.abc import Iterator

from model.analysis import Imputation
from model.manifest import Manifest
from model.prediction import PrognosticModel
from training.card.facts import MEASURED_LATE
from training.report.blocks import Block, Bullets, Paragraph, Section, Table
from training.report.numbers import decimal, listed, name_of, number_of, percent


def missing_section(manifest: Manifest, imputation: Imputation | None) -> Section:
    """Return how incomplete the cohort was and what was done about it."""
    title = "Missing values"
    if imputation is None:
        text = "No covariate of this model has a missing value in the cohort; nothing was imputed."
        return Section("missing", title, (Paragraph(text),))
    patients = manifest.cohort.patients
    share = imputation.incomplete_patients / patients
    return Section(
        "missing",
        title,
        (
            Paragraph(
                f"{imputation.incomplete_patients} of {patients} patients ({percent(share)}) had a"
                f" missing value. Nobody was left out: {imputation.imputations} completed cohorts"
                " were drawn, death and follow-up being part of the imputation model, and pooled by"
                " Rubin's rules. ECOG is never imputed."
            ),
            Table(
                "Missing values by covariate",
                ("Covariate", "Missing", "Share", "Relative increase of variance"),
                tuple(
                    (
                        name_of(of.covariate),
                        str(of.missing),
                        percent(of.missing / patients),
                        decimal(imputation.relative_variance_increase.get(of.covariate), 2),
                    )
                    for of in imputation.covariates
                ),
            ),
        ),
    )


def findings_section(manifest: Manifest) -> Section:
    """Return what was found while the cohort was read and the model fitted."""
    if not manifest.findings:
        return Section("findings", "Findings", (Paragraph("Nothing unusual was found."),))
    return Section(
        "findings",
        "Findings",
        (
            Paragraph("Found while the cohort was read and the model fitted:"),
            Table(
                "Findings",
                ("Finding", "What it means here"),
                tuple((finding.code, finding.message) for finding in manifest.findings),
            ),
        ),
    )


def limits_section(manifest: Manifest, model: PrognosticModel) -> Section:
    """Return what the model and its figures do not show."""
    return Section("limits", "Limits", tuple(_limits(manifest, model)))


def _limits(manifest: Manifest, model: PrognosticModel) -> Iterator[Block]:
    if manifest.notice:
        yield Paragraph(manifest.notice, strong=True)
    yield Bullets(tuple(_limit_items(manifest, model)))


def _limit_items(manifest: Manifest, model: PrognosticModel) -> Iterator[str]:
    if manifest.synthetic:
        yield (
            "Circular figures. The synthetic cohort was made to give the study's published figures,"
            " and everything the study did not publish is our assumption. Performance measured on"
            " it validates nothing and is not the study's."
        )
    late = [name_of(name) for name in MEASURED_LATE if name in manifest.covariates]
    if late:
        yield (
            f"Immortal-time bias. These may be known only after follow-up began: {listed(late)}."
            " A patient who died early cannot have a late value, so such a value can look"
            " protective without being so."
        )
    yield (
        "Time origin. Time runs from HSCT2. A prediction made earlier leaves out the patients who"
        " die, or become unfit, before the transplant: it is survival given that HSCT2 happens."
    )
    yield (
        "What the interval contains: the uncertainty of the coefficients"
        + (" (with the penalty as prior)" if manifest.ridge_penalty > 0 else "")
        + " and of the baseline hazard, and what is unknown of the patient."
    )
    yield (
        "What it does not contain: that the model is wrong (hazards that are not proportional,"
        " effects that are not linear, covariates that are absent), that your patients differ from"
        " the cohort, that values are measured with error, that treatment has changed since."
    )
    if manifest.covariates == ["ecog"]:
        yield (
            "ECOG alone: the interval is for the average patient of that grade. A patient's own"
            " survival, given all else about them, lies outside it far more often than 1 in 20."
        )
    yield (
        f"End. Nothing is predicted beyond {model.cox.last_months:g} months, the last time with"
        " at least 5 patients at risk."
    )
    yield (
        "Size. "
        f"{number_of(manifest.cohort.deaths, 'death')} for"
        f" {number_of(len(manifest.covariates), 'covariate')}"
        f" ({manifest.cohort.deaths / len(manifest.covariates):.1f} each). Wide intervals are the"
        " honest answer to that."
    )


def provenance_section(manifest: Manifest) -> Section:
    """Return where the model comes from, exactly enough to make it again."""
    cohort = manifest.cohort
    rows = [
        ("Model", f"{manifest.id} {manifest.version}"),
        ("Cohort", cohort.name),
        ("Institution", cohort.institution),
        ("Synthetic", "yes: no row is a patient" if cohort.synthetic else "no"),
        ("End of follow-up", cohort.end_of_follow_up or "not declared"),
        ("Patients, deaths", f"{cohort.patients}, {cohort.deaths}"),
        ("SHA-256 of the cohort's rows", cohort.sha256),
        ("Covariates", ", ".join(manifest.covariates)),
        ("Ties", manifest.ties),
        ("Ridge penalty", f"{manifest.ridge_penalty:.6g}"),
        ("Seed", str(manifest.seed)),
        *((f"Library: {name}", text) for name, text in sorted(manifest.library_versions.items())),
    ]
    return Section(
        "provenance",
        "Provenance",
        (Table("Where this model comes from", ("", "Value"), tuple(rows)),),
    )
