"""TRIPOD+AI items 20 to 27: results and discussion."""

from collections.abc import Iterator

from training.card.facts import Answer, Facts


def results(facts: Facts) -> Iterator[Answer]:
    """Answer the items 20a to 24."""
    external = facts.manifest.validations
    absent = "No evaluation on another cohort is recorded."
    censored = facts.cohort.patients - facts.cohort.deaths
    yield (
        "20a",
        "answered",
        " ".join(
            [
                f"{facts.cohort.patients} in the file, all of them used.",
                f"{facts.cohort.deaths} died, {censored} were censored.",
                *facts.outcomes,
            ]
        ),
    )
    table = "Table 1 is in the report." if facts.analysis.study else "No table of them is recorded."
    yield (
        "20b",
        "answered",
        (
            f"Ranges, means and spread of the covariates are in the specification. {table}"
            f" {facts.missing}"
        ),
    )
    yield (
        ("20c", "not_recorded", "Only the sizes and performance of other cohorts are recorded.")
        if external
        else ("20c", "not_applicable", absent)
    )
    others = "".join(
        f" {v.cohort.name}: {v.cohort.patients} patients, {v.cohort.deaths} deaths."
        for v in external
    )
    yield (
        "21",
        "answered",
        (
            f"Development, tuning and internal validation: the same {facts.cohort.patients} rows"
            f" with {facts.cohort.deaths} deaths.{others}"
        ),
    )
    yield (
        "22",
        "answered",
        (
            "The specification in this card, with a worked example; the artifact and the service"
            " give the same. Free to use and pass on (Apache-2.0)."
        ),
    )
    yield "23a", "answered", f"{facts.performance} {facts.validity} Subgroups were not examined."
    yield "23b", "not_applicable", "The cohort's file names no centres, so there are no clusters."
    yield (
        ("24", "answered", facts.recalibration)
        if facts.recalibration
        else ("24", "not_applicable", "This version was fitted, not updated.")
    )


def _values(facts: Facts) -> str:
    return "ECOG" if facts.is_ecog_alone else f"ECOG and up to {len(facts.labels) - 1} other values"


def discussion(facts: Facts) -> Iterator[Answer]:
    """Answer the items 25 to 27c."""
    served = facts.manifest.ecog_effects[-1:]
    ratio = "".join(
        f" Its hazard ratio per point is {e.hazard_ratio:.2f} ({e.lower:.2f} to {e.upper:.2f})."
        for e in served
    )
    yield (
        "25",
        "answered",
        f"Performance status decides the category.{ratio} What one patient's curve can be told"
        " to, its interval shows. Fairness between groups is unknown."
        + (" The cohort being synthetic, nothing follows for patients." if facts.synthetic else ""),
    )
    yield "26", "answered", "The list of limits in this card."
    yield (
        "27a",
        "answered",
        (
            "Values out of bounds are refused; values outside the training range are predicted"
            " with a warning. An unknown value is left out: it is expected from the known ones, its"
            " uncertainty widens the interval, and its share is shown. ECOG is required."
        ),
    )
    yield (
        "27b",
        "answered",
        (
            f"A person or a program enters {_values(facts)}; nothing is adjusted by hand."
            " Reading the answer takes a physician who knows transplantation and what an"
            " interval is."
        ),
    )
    yield (
        "27c",
        "answered",
        "Training on a real cohort, then validation at other centres, and a comparison of groups."
        if facts.synthetic
        else "Validation at other centres, recalibration where needed, and a comparison of groups.",
    )
