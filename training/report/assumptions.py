"""Whether the model's assumptions hold: proportional hazards and influence."""

import math
from collections.abc import Iterator

from model.analysis import Assumptions, Influence, ProportionalHazardsTest, Schoenfeld
from model.manifest import Manifest
from training.report.blocks import Block, Paragraph, Section, Subheading, Table, plot
from training.report.numbers import (
    NONE,
    decimal,
    listed,
    name_of,
    number_of,
    p_value,
    short_name_of,
)
from training.report.plots import Label, schoenfeld_plot

_REJECTED_BELOW = 0.05
_SCALES = {"km": "1 − S(t)", "rank": "rank of t", "identity": "t", "log": "log t"}


def assumptions_section(manifest: Manifest, assumptions: Assumptions | None) -> Section:
    """Return the tests of proportional hazards, their plot, and the influential patients."""
    blocks: tuple[Block, ...] = (
        Paragraph("Proportional hazards and influence were not examined for this model."),
    )
    if assumptions is not None:
        blocks = (
            Paragraph(
                "Examined in the model of all covariates without a penalty: a penalised"
                " coefficient has no such test."
            ),
            *_tests(assumptions.proportional_hazards),
            *_residuals(assumptions.schoenfeld),
            *_influence(manifest, assumptions.influence),
        )
    return Section("assumptions", "Assumptions", blocks)


def _tests(tests: list[ProportionalHazardsTest]) -> Iterator[Block]:
    if not tests:
        return
    yield Subheading("Proportional hazards")
    rejected = [test for test in tests if test.p_value < _REJECTED_BELOW]
    terms = [name_of(term) for term in dict.fromkeys(test.term for test in rejected)]
    yield Paragraph(
        f"Proportional hazards are rejected at 0.05 by {len(rejected)} of {len(tests)} tests, of:"
        f" {listed(terms)}. One test in twenty rejects by chance alone."
        if rejected
        else f"None of {len(tests)} tests rejects proportional hazards at 0.05. In a small cohort"
        " that is weak evidence that they hold."
    )
    scales = [*dict.fromkeys(test.transform for test in tests)]
    by_term: dict[str, dict[str, ProportionalHazardsTest]] = {}
    for test in tests:
        by_term.setdefault(test.term, {})[test.transform] = test
    yield Table(
        "Score test of proportional hazards (R's cox.zph), by the time scale on which the"
        " coefficient may change: χ² (p)",
        ("Term", "df", *(_SCALES.get(scale, scale) for scale in scales)),
        tuple(
            (
                name_of(term),
                str(next(iter(of.values())).degrees_of_freedom),
                *(_test(of.get(scale)) for scale in scales),
            )
            for term, of in by_term.items()
        ),
    )


def _test(test: ProportionalHazardsTest | None) -> str:
    return f"{test.chi_square:.2f} ({p_value(test.p_value)})" if test else NONE


def _residuals(residuals: list[Schoenfeld]) -> Iterator[Block]:
    if not residuals or not residuals[0].months:
        return
    yield plot(
        schoenfeld_plot(
            Label(
                "schoenfeld",
                "Scaled Schoenfeld residuals over time",
                f"One panel for each of {number_of(len(residuals), 'covariate')}. A level smooth"
                " line means a constant effect; the table of tests above says which are not level.",
            ),
            residuals,
            [short_name_of(of.covariate) for of in residuals],
        ),
        "Scaled Schoenfeld residuals, each shifted by its coefficient, per unit. Solid: local"
        " linear smooth. Dashed: the constant coefficient that the model assumes.",
    )


def _influence(manifest: Manifest, patients: list[Influence]) -> Iterator[Block]:
    if not patients:
        return
    yield Subheading("Influential patients")
    notable = 2 / math.sqrt(manifest.cohort.patients)
    beyond = sum(abs(patient.dfbetas_ecog) > notable for patient in patients)
    yield Paragraph(
        "How far each coefficient would move, in its standard errors, if the patient were left out."
        f" A change beyond 2/√n = {decimal(notable, 2)} is worth a look:"
        f" ECOG's coefficient would move that far for {beyond} of the {len(patients)} listed. The"
        " martingale residual is deaths observed minus expected: far below 0 lived longer than"
        " predicted."
    )
    yield Table(
        "The most influential patients, by row of the cohort in canonical order",
        (
            "Row",
            "ECOG: change in SE",
            "Largest change in SE",
            "In the coefficient of",
            "Martingale residual",
        ),
        tuple(
            (
                str(patient.row),
                decimal(patient.dfbetas_ecog, 2),
                decimal(patient.largest_dfbetas, 2),
                name_of(patient.largest_covariate),
                decimal(patient.martingale, 2),
            )
            for patient in patients
        ),
    )
