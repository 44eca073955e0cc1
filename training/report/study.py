"""The analysis that the study did, on this cohort: figures, route, Table 1."""

from collections.abc import Iterator

from model.analysis import Effect, EliminationStep, Figure, StudyAnalysis
from model.manifest import EcogEffect, Manifest
from model.patient import COVARIATES
from training.report.blocks import Block, Paragraph, Section, Subheading, Table
from training.report.numbers import (
    NONE,
    listed,
    name_of,
    number_of,
    p_value,
    ratio,
    ratio_limits,
    short_name_of,
    unit_of,
)
from training.study.figures import SIGNIFICANT_BELOW

_NO_STUDY = "The study's analysis was not repeated on this cohort."


def figures_section(manifest: Manifest, study: StudyAnalysis | None) -> Section:
    """Return the published, the reproduced and the served figures side by side."""
    blocks: list[Block] = []
    if study is not None and study.figures:
        blocks += _figures(study.figures)
    else:
        blocks.append(
            Paragraph("No published figures belong to this cohort, so there are none to compare.")
        )
    blocks += _ecog(manifest.ecog_effects)
    return Section("figures", "Published, reproduced, served", tuple(blocks))


def _figures(figures: list[Figure]) -> Iterator[Block]:
    compared = [figure for figure in figures if figure.published is not None]
    differing = [figure.label for figure in compared if figure.published != figure.reproduced]
    yield Paragraph(
        f"{len(differing)} of {len(compared)} published figures differ from what this cohort"
        f" gives: {listed(differing)}."
        if differing
        else f"All {len(compared)} published figures are reproduced; none differs."
    )
    yield Table(
        "The study's figures",
        ("Figure", "Published", "Reproduced", "Same", "Served by this model"),
        tuple(
            (
                figure.label,
                _in_words(figure.published),
                _in_words(figure.reproduced),
                _same(figure),
                _in_words(figure.served),
            )
            for figure in figures
        ),
    )


def _in_words(figure: str | None) -> str:
    """Return a figure; where it is a list of covariates, their names."""
    if figure is None:
        return NONE
    parts = figure.split(", ")
    if all(part in COVARIATES for part in parts):
        return ", ".join(short_name_of(name) for name in COVARIATES if name in parts)
    return figure


def _same(figure: Figure) -> str:
    if figure.published is None:
        return NONE
    return "yes" if figure.published == figure.reproduced else "no"


def _ecog(effects: list[EcogEffect]) -> Iterator[Block]:
    yield Subheading("The hazard ratio of ECOG, by model")
    yield Table(
        "Hazard ratio per point of ECOG",
        ("Source", "Hazard ratio", "95 % interval"),
        tuple(
            (
                effect.source,
                ratio(effect.hazard_ratio, 3),
                ratio_limits(effect.lower, effect.upper, 3),
            )
            for effect in effects
        ),
    )
    if len(effects) > 1:
        yield Paragraph(
            "The ratios differ because the models do. A model of many covariates without a"
            " penalty has more coefficients than its deaths support; a ridge shrinks all effects"
            " but that of ECOG, which then carries part of theirs; ECOG alone carries all that it"
            " is correlated with. This model serves the last ratio of the table."
        )


def route_section(study: StudyAnalysis | None) -> Section:
    """Return the study's route: univariate screen, all covariates, backward elimination."""
    return Section("route", "The study's route", tuple(_route(study)))


def _route(study: StudyAnalysis | None) -> Iterator[Block]:
    if study is None:
        yield Paragraph(_NO_STUDY)
        return
    yield Paragraph(
        "Screen each candidate, fit all of them together, remove the weakest until all are"
        " significant. It is repeated here because the study did it, and is not served: its"
        " choice of covariates is unstable, and its intervals do not know that a choice was made."
    )
    yield from _effects("Univariate Cox models, one for each candidate", study.univariate)
    yield from _effects("Multivariable Cox model of all candidates", study.multivariable)
    yield Subheading("Backward elimination, step by step")
    if not study.elimination:
        yield Paragraph("Elimination could not start: its first model has no maximum.")
        return
    yield Table(
        f"Each step removes the covariate with the largest p, if at least {SIGNIFICANT_BELOW}",
        ("Step", "Covariates", "Removed", "Its p", "ECOG: hazard ratio", "95 % interval", "p"),
        tuple(_step(place, step) for place, step in enumerate(study.elimination, start=1)),
    )
    last = study.elimination[-1]
    kept = [name_of(e.covariate) for e in last.effects if e.covariate != last.removed]
    yield Paragraph(f"Left at the end: {listed(kept) if kept else 'no covariate'}.")


def _effects(caption: str, effects: list[Effect]) -> Iterator[Block]:
    if not effects:
        yield Paragraph(f"{caption}: none could be estimated.")
        return
    yield Table(
        caption,
        ("Covariate", "Compares", "Hazard ratio", "95 % interval", "p"),
        tuple(
            (
                name_of(effect.covariate),
                unit_of(effect.covariate),
                ratio(effect.hazard_ratio),
                ratio_limits(effect.lower, effect.upper),
                p_value(effect.p_value),
            )
            for effect in effects
        ),
    )


def _step(place: int, step: EliminationStep) -> tuple[str, ...]:
    removed = next((e for e in step.effects if e.covariate == step.removed), None)
    ecog = next((e for e in step.effects if e.covariate == "ecog"), None)
    return (
        str(place),
        str(len(step.effects)),
        name_of(removed.covariate) if removed else "nothing: all are significant",
        p_value(removed.p_value if removed else None),
        ratio(ecog.hazard_ratio if ecog else None),
        ratio_limits(ecog.lower, ecog.upper) if ecog else NONE,
        p_value(ecog.p_value if ecog else None),
    )


def table_one_section(manifest: Manifest, study: StudyAnalysis | None) -> Section:
    """Return Table 1: the cohort, over all patients and by risk category."""
    title = "Table 1: the cohort"
    if study is None or not study.table_one:
        return Section("cohort", title, (Paragraph("The cohort was not described in a table."),))
    some_missing = any(row.missing for row in study.table_one)
    patients = number_of(manifest.cohort.patients, "patient")
    return Section(
        "cohort",
        title,
        (
            Table(
                f"{patients}: counts (%) or medians [quartiles], by risk category",
                ("", "All", *study.table_one_bands, *(["Missing"] if some_missing else [])),
                tuple(
                    (
                        row.label,
                        row.overall,
                        *row.by_band,
                        *([str(row.missing)] if some_missing else []),
                    )
                    for row in study.table_one
                ),
            ),
            *([] if some_missing else [Paragraph("No value is missing.")]),
        ),
    )
