"""The page has words in both languages for everything that the API can name."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model import manifest
from model.artifact import load
from model.patient import COVARIATES, Kind
from service import problems
from service.problems import ProblemType
from tests.server import ROOT

STRINGS = ROOT / "web" / "strings"
LANGUAGES = ("en", "tr")
SHIPPED = sorted((ROOT / "model" / "artifacts").iterdir())
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def strings_of(language: str) -> Any:
    return json.loads((STRINGS / f"{language}.json").read_text(encoding="utf-8"))


def flat(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, str):
        yield path, node
        return
    for key, value in node.items():
        yield from flat(value, (*path, key))


def codes_given_to(call: str, files: Iterator[Path]) -> set[str]:
    """Return every literal code with which a record is made in these sources."""
    codes: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == call:
                given = [k.value for k in node.keywords if k.arg == "code"] or node.args[:1]
                codes |= {str(g.value) for g in given if isinstance(g, ast.Constant)}
    return codes


def key_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


@pytest.fixture(params=LANGUAGES)
def strings(request: pytest.FixtureRequest) -> Any:
    return strings_of(request.param)


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    english, turkish = (list(dict(flat(strings_of(language)))) for language in LANGUAGES)
    assert english == turkish


def test_both_languages_fill_the_same_values_into_each_sentence() -> None:
    english, turkish = (dict(flat(strings_of(language))) for language in LANGUAGES)
    differing = [
        key
        for key in english
        if set(_PLACEHOLDER.findall(english[key])) != set(_PLACEHOLDER.findall(turkish[key]))
    ]
    assert differing == []


def test_nothing_is_left_untranslated() -> None:
    """Names that are the same in both languages are few and short."""
    english, turkish = (dict(flat(strings_of(language))) for language in LANGUAGES)
    same = {key: text for key, text in english.items() if text and text == turkish[key]}
    words = {key: re.sub(r"\{\w+\}", "", text).split() for key, text in same.items()}
    assert {key: same[key] for key, found in words.items() if len(found) > 3} == {}


def test_no_sentence_is_empty(strings: Any) -> None:
    empty = [key for key, text in flat(strings) if not text.strip() and key[-1] != "help"]
    assert empty == []


def test_no_sentence_holds_markup(strings: Any) -> None:
    assert [key for key, text in flat(strings) if re.search(r"</|<\w|&\w+;", text)] == []


def test_every_field_of_the_patient_has_a_label(strings: Any) -> None:
    assert set(strings["fields"]) == set(COVARIATES)
    assert all(field["label"] for field in strings["fields"].values())


def test_every_choice_has_words(strings: Any) -> None:
    choices = {choice for covariate in COVARIATES.values() for choice in covariate.choices}
    assert set(strings["choices"]) == choices


def test_every_grade_is_defined_in_words(strings: Any) -> None:
    (grade,) = (c for c in COVARIATES.values() if c.kind is Kind.GRADE)
    assert grade.accepted is not None
    low, high = grade.accepted
    assert list(strings["ecog"]) == [str(g) for g in range(int(low), int(high) + 1)]
    for words in strings["ecog"].values():
        assert words["name"]
        assert words["definition"]


def test_every_category_of_the_shipped_models_has_words(strings: Any) -> None:
    names = {band.name for folder in SHIPPED for band in load(folder).model.risk_bands.bands}
    assert set(strings["categories"]) == names


def test_every_notice_has_words(strings: Any) -> None:
    notices = {v for k, v in vars(manifest).items() if k.endswith("_NOTICE")}
    assert set(strings["notices"]) == notices


def test_every_warning_of_a_prediction_has_words(strings: Any) -> None:
    codes = codes_given_to("PredictionWarning", (ROOT / "model").glob("*.py"))
    assert len(codes) > 3
    assert set(strings["warnings"]) - {"title"} == codes


def test_every_problem_of_the_api_has_words(strings: Any) -> None:
    kinds = {p.name for p in vars(problems).values() if isinstance(p, ProblemType)}
    assert kinds - set(strings["problems"]) == set()


def test_every_finding_has_words(strings: Any) -> None:
    codes = codes_given_to("Finding", (ROOT / "training").rglob("*.py"))
    assert len(codes) > 5
    assert set(strings["model"]["finding"]) == codes


def test_what_the_shipped_models_name_has_words(strings: Any) -> None:
    words = strings["model"]
    for folder in SHIPPED:
        artifact = load(folder)
        validation, study = artifact.analysis.validation, artifact.analysis.study
        assert validation is not None
        assert study is not None
        assert {key_of(p.measure) for p in validation.performance} <= set(words["measure"])
        assert {key_of(f.label) for f in study.figures} <= set(words["figure"])
        assert {key_of(e.source) for e in artifact.manifest.ecog_effects} <= set(words["source"])
        assert {key_of(f.code) for f in artifact.manifest.findings} <= set(words["finding"])
