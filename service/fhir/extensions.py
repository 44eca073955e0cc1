"""What R4 has no element for: an interval, what was imputed, and coded warnings."""

from collections.abc import Iterator, Sequence

from model.answer import Horizon
from service.chart.reading import Issue
from service.fhir import systems, words
from service.fhir.elements import Extension
from service.predictions import Prediction


def interval(horizon: Horizon, level: float) -> Extension | None:
    """Return the interval of the risk of death, in percent; None where there is none.

    The upper limit of survival is the lower one of the risk. A limit can be absent alone.
    """
    limits: list[Extension] = [
        {"url": name, "valueDecimal": words.percent(1 - survival)}
        for name, survival in (("lower", horizon.upper), ("upper", horizon.lower))
        if survival is not None
    ]
    if not limits:
        return None
    confidence: Extension = {"url": "confidenceLevel", "valueDecimal": words.percent(level)}
    return {"url": systems.INTERVAL_EXTENSION, "extension": [*limits, confidence]}


def of_assessment(prediction: Prediction, issues: Sequence[Issue]) -> list[Extension]:
    """Return what was imputed, and every warning of the prediction and about the chart."""
    return [*_imputed(prediction), *_warnings(prediction, issues)]


def _imputed(prediction: Prediction) -> Iterator[Extension]:
    for one in prediction.imputed:
        yield {
            "url": systems.IMPUTED_EXTENSION,
            "extension": [
                {"url": "covariate", "valueCode": one.covariate},
                {"url": "expected", "valueDecimal": one.expected},
                {"url": "meaning", "valueString": one.meaning},
                {"url": "varianceShare", "valueDecimal": words.percent(one.variance_share)},
            ],
        }


def _warnings(prediction: Prediction, issues: Sequence[Issue]) -> Iterator[Extension]:
    for warning in prediction.warnings:
        yield _warning(warning.code, warning.field, warning.message)
    for issue in issues:
        yield _warning(issue.code, issue.covariate, issue.text)


def _warning(code: str, covariate: str | None, text: str) -> Extension:
    parts: list[Extension] = [{"url": "code", "valueCode": code}]
    if covariate:
        parts.append({"url": "covariate", "valueCode": covariate})
    parts.append({"url": "text", "valueString": text})
    return {"url": systems.WARNING_EXTENSION, "extension": parts}
