"""The items of TRIPOD+AI (Collins 2024, BMJ 385:e078378), answered for one model.

The topics are our short labels, not the statement's text. What only the owner of a
cohort can know is said to be not recorded, rather than guessed.
"""

from collections.abc import Callable, Iterator

from model.card import ReportingAnswer, Uses
from training.card.facts import Answer, Facts
from training.card.tripod_methods import methods
from training.card.tripod_results import discussion, results

TOPICS: tuple[tuple[str, str, str], ...] = (
    ("1", "Title", "what is predicted, in whom, and at which stage"),
    ("2", "Abstract", "structured summary"),
    ("3a", "Introduction", "clinical setting and reason for a model"),
    ("3b", "Introduction", "target population, purpose and users"),
    ("3c", "Introduction", "known inequalities in health"),
    ("4", "Introduction", "aims"),
    ("5a", "Methods", "where the data come from and whom they represent"),
    ("5b", "Methods", "dates of the data"),
    ("6a", "Methods", "setting and centres"),
    ("6b", "Methods", "who was eligible"),
    ("6c", "Methods", "treatments"),
    ("7", "Methods", "preparation and checks of the data"),
    ("8a", "Methods", "outcome and horizon"),
    ("8b", "Methods", "judges of a subjective outcome"),
    ("8c", "Methods", "blinding of the outcome"),
    ("9a", "Methods", "choice of the candidates"),
    ("9b", "Methods", "definition and timing of the covariates"),
    ("9c", "Methods", "judges of subjective covariates"),
    ("10", "Methods", "sample size"),
    ("11", "Methods", "missing values"),
    ("12a", "Methods", "use and division of the data"),
    ("12b", "Methods", "form of the covariates"),
    ("12c", "Methods", "kind of model, building and tuning"),
    ("12d", "Methods", "differences between clusters"),
    ("12e", "Methods", "measures of performance"),
    ("12f", "Methods", "updating after evaluation"),
    ("12g", "Methods", "how predictions were computed for evaluation"),
    ("13", "Methods", "class imbalance"),
    ("14", "Methods", "fairness"),
    ("15", "Methods", "output and categories"),
    ("16", "Methods", "training against evaluation data"),
    ("17", "Methods", "ethics approval and consent"),
    ("18a", "Open science", "funding"),
    ("18b", "Open science", "competing interests"),
    ("18c", "Open science", "protocol"),
    ("18d", "Open science", "registration"),
    ("18e", "Open science", "availability of the data"),
    ("18f", "Open science", "availability of the code"),
    ("19", "Open science", "involvement of patients and the public"),
    ("20a", "Results", "flow of patients, events and follow-up"),
    ("20b", "Results", "characteristics of the patients"),
    ("20c", "Results", "evaluation data compared with training data"),
    ("21", "Results", "patients and events in each analysis"),
    ("22", "Results", "the full model"),
    ("23a", "Results", "performance with intervals"),
    ("23b", "Results", "performance between clusters"),
    ("24", "Results", "result of updating"),
    ("25", "Discussion", "interpretation"),
    ("26", "Discussion", "limitations"),
    ("27a", "Discussion", "poor or absent input"),
    ("27b", "Discussion", "what users do and must know"),
    ("27c", "Discussion", "next steps"),
)

_PARTS: tuple[Callable[[Facts], Iterator[Answer]], ...] = (methods, results, discussion)


def tripod_items(facts: Facts, uses: Uses) -> Iterator[ReportingAnswer]:
    """Yield the 52 items in the statement's order, each with its answer."""
    answers = [*_introduction(facts, uses), *(answer for part in _PARTS for answer in part(facts))]
    for (number, section, topic), (answered, status, text) in zip(TOPICS, answers, strict=True):
        assert number == answered, f"the answer to item {answered} stands where {number} belongs"
        yield ReportingAnswer(
            number=number, section=section, topic=topic, status=status, answer=text
        )


def _introduction(facts: Facts, uses: Uses) -> Iterator[Answer]:
    yield (
        "1",
        "answered",
        f"{facts.manifest.title}: development of a prognostic model of death from any cause after"
        " a second allogeneic transplant in relapsed acute leukaemia, by regression"
        + ("." if not facts.manifest.validations else ", with evaluation on other cohorts."),
    )
    yield "2", "answered", "The summary at the head of this card."
    yield (
        "3a",
        "answered",
        (
            "A second allogeneic transplant is a last curative chance that most patients do not"
            " survive for long: about a quarter live two years in older series, about a third in"
            " recent ones. Performance status recurs among the factors of published series; none"
            " that we know serves an interval around one patient's curve."
        ),
    )
    yield (
        "3b",
        "answered",
        f"{uses.target_population} {uses.intended_use} Users: {'; '.join(uses.users)}.",
    )
    yield (
        "3c",
        "answered",
        (
            "Access to transplantation and to donors differs with origin, income and distance to a"
            " centre; patients who were never referred are in no transplant cohort. The model can"
            " neither show nor correct that."
        ),
    )
    yield (
        "4",
        "answered",
        "To develop a model that states each patient's survival with an honest interval"
        + (
            "; on this cohort, to demonstrate the method only."
            if facts.synthetic
            else ", and to correct its apparent performance for optimism."
            if facts.analysis.validation
            else "."
        ),
    )
