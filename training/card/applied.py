"""The headings of CHAI's applied model card (schema 0.2), answered in our words."""

from collections.abc import Iterator, Sequence

from model.card import AppliedEntry, AppliedSection, Uses
from training.card.facts import Facts

APPLIED_HEADINGS = (
    "Basic information",
    "Release information",
    "Summary",
    "Uses and directions",
    "Warnings",
    "Trust ingredients: AI system facts",
    "Trust ingredients: transparency",
    "Key metrics: usefulness, usability and efficacy",
    "Key metrics: fairness and equity",
    "Key metrics: safety and reliability",
    "Resources",
    "Bibliography",
)

_Entries = Sequence[tuple[str, str]]


def applied_sections(facts: Facts, uses: Uses, limits: Sequence[str]) -> Iterator[AppliedSection]:
    """Yield the sections in the order of `APPLIED_HEADINGS`."""
    answers: tuple[_Entries, ...] = (
        _basic(facts),
        _release(facts),
        _summary(facts),
        _uses(uses),
        _warnings(facts, limits),
        _system(facts),
        _transparency(facts),
        _usefulness(facts),
        _fairness(facts),
        _safety(facts),
        _resources(facts),
        _bibliography(),
    )
    for heading, entries in zip(APPLIED_HEADINGS, answers, strict=True):
        yield AppliedSection(
            heading=heading, entries=[AppliedEntry(heading=h, text=text) for h, text in entries]
        )


def _basic(facts: Facts) -> _Entries:
    trainer = "the project itself" if facts.synthetic else facts.cohort.institution
    return (
        ("Model name", f"{facts.manifest.id}: {facts.manifest.title}"),
        ("Developer", f"Method and software: the hsct2-risk project. Trained by {trainer}."),
        ("Contact", "Whoever runs the service that hands out this card."),
    )


def _release(facts: Facts) -> _Entries:
    stage = "Research model, real cohort"
    if facts.synthetic:
        stage = "Demonstration, not for clinical decisions"
    return (
        ("Stage", stage),
        (
            "Date",
            (
                "Not stated on purpose: no file of an artifact holds a date, so that training again"
                " gives the same bytes. The version and the digests identify a release."
            ),
        ),
        ("Version", facts.manifest.version),
        ("Availability", "Wherever a centre runs the service itself; there is no public service."),
        ("EHR compatibility", "CDS Hooks 2.0 and FHIR R4 are the service's; the model knows none."),
        ("Regulatory approval", "None: it has not been submitted to any authority."),
    )


def _summary(facts: Facts) -> _Entries:
    return (
        ("Summary", f"{facts.model_type}. {facts.size[0].upper()}{facts.size[1:]}."),
        (
            "Keywords",
            (
                "acute leukaemia, second allogeneic transplantation, overall survival,"
                " ECOG performance status, Cox regression, prediction interval"
            ),
        ),
    )


def _uses(uses: Uses) -> _Entries:
    return (
        ("Intended use and workflow", f"{uses.intended_use} {uses.workflow}"),
        ("Primary users", f"{'; '.join(uses.users)}."),
        ("How to use", uses.how_to_use),
        ("Target population", uses.target_population),
        ("Out of scope", f"{'; '.join(uses.out_of_scope)}."),
    )


def _warnings(facts: Facts, limits: Sequence[str]) -> _Entries:
    return (
        ("Known risks and limits", " ".join(limits)),
        (
            "Known biases and ethical considerations",
            (
                "A poor prognosis can turn into a self-fulfilling one where it leads to withholding"
                " treatment. Who is offered a second transplant at all depends on access to care,"
                " which the cohort cannot show. ECOG is a judgement and differs between observers."
            ),
        ),
        (
            "Clinical risk level",
            "None is admissible: the notice forbids clinical use."
            if facts.synthetic
            else "High: it speaks of survival and of an invasive treatment. Not to be used without"
            " a physician's judgement.",
        ),
    )


def _system(facts: Facts) -> _Entries:
    return (
        (
            "Outcome and output",
            (
                "Death from any cause after HSCT2. Survival at chosen horizons with limits, curve,"
                " median, restricted mean, risk category, contributions and warnings."
            ),
        ),
        ("Model type", f"{facts.model_type}."),
        ("Foundation models", "None; no generative or pretrained part."),
        (
            "Input data source",
            "Entered by hand, sent by a program or read from a FHIR record at the point of care.",
        ),
        (
            "Types of input and output",
            f"Structured values in ({'; '.join(facts.labels)}), JSON out.",
        ),
        ("Development data", _development(facts)),
        (
            "Bias mitigation",
            (
                "Sex, ethnicity, income and residence are not covariates. Beyond that none was"
                " attempted: the cohort is too small to compare groups."
            ),
        ),
        (
            "Ongoing maintenance",
            (
                "A model never changes in place. New data or a validation give a new version; the"
                " service reports the versions it serves."
            ),
        ),
        (
            "Security",
            (
                "The artifact holds plain numbers and is read by a loader that admits nothing else;"
                " SHA-256 digests, and optionally a signature, show alteration."
            ),
        ),
        ("Transparency", "The full specification and a worked example are part of this card."),
    )


def _development(facts: Facts) -> str:
    origin = facts.of_the_cohort(
        "Generated rows; demographics and representativeness are those that were chosen.",
        "demographics beyond the covariates or how its patients represent others",
    )
    return f"{facts.cohort.name}: {facts.size}. {facts.missing} {origin}"


def _transparency(facts: Facts) -> _Entries:
    return (
        ("Funding", facts.of_the_cohort("None is recorded.", "funding")),
        (
            "Third parties",
            (
                "Open-source libraries, listed with their versions under provenance; no third"
                " party's model, data or service takes part in a prediction."
            ),
        ),
        ("Stakeholders consulted", "None is recorded."),
    )


def _usefulness(facts: Facts) -> _Entries:
    decision = facts.analysis.validation is not None and facts.analysis.validation.decision
    return (
        ("Goal", "To order patients by prognosis and to state probabilities that come true."),
        ("Result", facts.performance),
        ("Interpretation", facts.validity),
        *_testing(facts),
        (
            "Clinical utility",
            "A decision curve is part of the report; no study of decisions or outcomes was made."
            if decision
            else "Not examined: no study of decisions or outcomes was made.",
        ),
    )


def _testing(facts: Facts) -> _Entries:
    validation = facts.analysis.validation
    internal = (
        "No internal validation is recorded."
        if validation is None
        else f"{validation.resamples} bootstrap resamples ({validation.failed} failed), with the"
        " whole procedure of fitting in each; optimism is taken away, and the limits are shifted"
        " by it."
    )
    names = ", ".join(v.cohort.name for v in facts.manifest.validations)
    return (
        ("Kind of test", internal),
        ("Test data", f"The training cohort{f', and {names}' if names else ' only'}."),
    )


def _fairness(facts: Facts) -> _Entries:
    return (
        ("Goal", "To predict equally well for every group of patients."),
        ("Result", "Not measured: sex, ethnicity and social position are not read from a cohort."),
        (
            "Interpretation",
            (
                "Unknown, which is not the same as fair. A centre that records these should compare"
                " calibration between groups before use."
            ),
        ),
        ("Kind of test", "None."),
        ("Test data", f"None: {facts.cohort.patients} rows do not support subgroups."),
    )


def _safety(facts: Facts) -> _Entries:
    return (
        ("Goal", "To say nothing rather than something unsupported."),
        (
            "Result",
            (
                f"No number beyond {facts.model.cox.last_months:g} months; warnings outside the"
                " range of the training values, for scarce ECOG grades, for few patients at risk"
                " and where category and curve disagree; values out of bounds are refused."
            ),
        ),
        ("Interpretation", facts.interval),
        (
            "Kind of test",
            (
                "Predictions are compared with R's survival package; this card's numbers give the"
                " service's predictions."
            ),
        ),
        ("Test data", "Public survival data and generated cohorts, for the arithmetic only."),
    )


def _resources(facts: Facts) -> _Entries:
    return (
        ("Evaluation references", "The artifact's report and this card."),
        ("Clinical trial", "None."),
        (
            "Peer-reviewed publications",
            "None of this model. The study that its method answers to is in the bibliography.",
        ),
        ("Reimbursement", "Not applicable: nobody is billed for a prediction."),
        (
            "Consent or disclosure",
            facts.of_the_cohort("Not applicable: no row is a patient.", "consent"),
        ),
    )


def _bibliography() -> _Entries:
    return (
        ("Study", "Transfusion and Apheresis Science 2025;64(4): second transplant, 72 patients."),
        ("Reporting", "Collins and others 2024, TRIPOD+AI, doi:10.1136/bmj-2023-078378."),
        (
            "Outcomes elsewhere",
            (
                "EBMT 2024, doi:10.1038/s41408-024-01060-4; Christopeit 2013, J Clin Oncol 31:3259;"
                " Kharfan-Dabaja 2018, doi:10.1001/jamaoncol.2018.2091."
            ),
        ),
        (
            "Interval",
            "Kalbfleisch and Prentice 2002, The Statistical Analysis of Failure Time Data, 4.3.",
        ),
        (
            "Penalty",
            (
                "Verweij and van Houwelingen 1993, Cross-validation in survival analysis,"
                " Statistics in Medicine 12:2305-2314."
            ),
        ),
    )
