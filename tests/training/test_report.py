"""The report: self-contained, valid, the same each time, and it says what it must."""

import base64
import hashlib
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from model.analysis import Analysis, Effect, TableOneRow
from model.manifest import (
    SYNTHETIC_NOTICE,
    CohortProvenance,
    Estimated,
    Finding,
    Manifest,
    ObservedExpected,
    Recalibration,
    Validation,
)
from model.patient import Patient
from model.prediction import predict
from tests.training.analyses import coverage, reported
from training.coverage.record import CoverageRecord
from training.report import render_report
from training.report.numbers import (
    decimal,
    listed,
    months,
    months_with_limits,
    name_of,
    p_equals,
    p_value,
    percent,
    percent_with_limits,
    ratio,
    ratio_limits,
    significant,
    unit_of,
    value_of,
)

pytestmark = pytest.mark.slow  # whole reports are drawn

HOSTILE = """<script>alert('x')</script>"&amp;<b>"""
VOID = {"meta", "br", "hr", "img", "link", "input", "col", "wbr"}


class Page(HTMLParser):
    """A page as a list of elements and its text, refusing what is not balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.in_tag: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute of {tag} is there twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"{tag} closes itself outside SVG"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.texts.append(data)
        if data.strip():
            self.in_tag.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def html(**changes: Any) -> str:
    report = reported(**changes)
    return render_report(report.manifest, report.model, report.analysis, coverage())


@cache
def page(**changes: Any) -> Page:
    return Page(html(**changes))


def rendered(
    manifest: Manifest | None = None,
    analysis: Analysis | None = None,
    simulated: CoverageRecord | None = None,
) -> Page:
    """Render the small model with another manifest or analysis."""
    report = reported(only_ecog=True)
    return Page(
        render_report(
            manifest or report.manifest, report.model, analysis or report.analysis, simulated
        )
    )


def provenance(**changes: Any) -> CohortProvenance:
    return reported(only_ecog=True).manifest.cohort.model_copy(update=changes)


def test_nothing_outside_the_file_is_referred_to():
    for tag, attributes in page().elements:
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, name)
        assert not any(name.startswith("on") for name in attributes)
    assert not {"script", "link", "iframe", "object", "img", "form"} & {
        tag for tag, _ in page().elements
    }
    assert "@import" not in html()
    assert re.findall(r"url\((?!#)", html()) == []


def test_the_file_forbids_itself_everything_but_its_one_style_sheet():
    (style,) = re.findall(r"<style>(.*?)</style>", html(), flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = next(m["content"] for m in page().of("meta") if m.get("http-equiv"))
    assert policy is not None
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert not any("style" in attributes for _, attributes in page().elements)


def test_every_identity_is_unique_and_every_reference_has_its_target():
    identities = [a["id"] for _, a in page().elements if "id" in a]
    assert len(identities) == len({*identities})
    for _, attributes in page().elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert {*(attributes.get(name) or "").split()} <= {*identities}
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in identities


def test_headings_are_in_order():
    levels = [int(tag[1]) for tag, _ in page().elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_is_readable_by_machine():
    assert page().of("html") == [{"lang": "en"}]
    assert all(attributes.get("scope") in ("col", "row") for attributes in page().of("th"))
    assert len(page().of("table")) == len(page().of("caption"))
    svgs = page().of("svg")
    assert len(svgs) == 10
    assert all(svg["role"] == "img" for svg in svgs)
    assert len(page().of("desc")) == len(svgs)


def test_sections_come_in_the_order_of_their_contents():
    sections = [attributes["id"] for attributes in page().of("section")]
    links = [(attributes["href"] or "")[1:] for attributes in page().of("a")]
    assert sections == links
    assert sections == [
        "summary",
        "figures",
        "route",
        "cohort",
        "survival",
        "model",
        "assumptions",
        "validation",
        "missing",
        "coverage",
        "findings",
        "limits",
        "provenance",
    ]


def test_equal_arguments_give_equal_bytes():
    report = reported()
    again = render_report(report.manifest, report.model, report.analysis, coverage())
    assert again == html()


@pytest.mark.parametrize(
    "number",
    [
        "2.142 2.139 no 1.713",
        "1.061 to 4.326",
        "11.3 (7.2 to not reached)",
        "11.3 (1.0 to 22.9)",
        "31.4 (26.5 to 38.6)",
        "45.5 [36,54] 44.1 47.3 3",
        "p < 0.001",
        "λ = 12",
        "318.84",
        "p = 0.461",
        "3.92 (0.048)",
        "−0.47 0.68",
        "−2.22",
        "997 resamples, 3 failed",
        "0.721 0.053 0.668 0.587 to 0.746",
        "predicted 24 %, observed 21 %",
        "16 of 72 patients (22 %)",
        "13 18 % 0.37",
        "95.3 % (0.5), width 41 %",
        "20250604",
        "5e" * 32,
        "3.12.4",
    ],
)
def test_a_number_of_the_analysis_is_in_the_report(number: str):
    cells = re.sub(r"\s+", " ", " ".join(text for _, text in page().in_tag))
    assert number in cells


def test_the_examples_are_the_predictions_of_the_model():
    model = reported().model
    at = predict(model, Patient(ecog=2)).survival.horizons[1]
    assert percent_with_limits(at.probability, at.lower, at.upper).replace("\xa0", " ") in (
        page().text
    )


def test_what_was_observed_in_a_category_stands_beside_it():
    for band in reported().model.risk_bands.bands:
        assert band.observed is not None
        at = band.observed.at(12.0, 0.95)
        assert at is not None
        shown = percent_with_limits(at.estimate, at.lower, at.upper).replace("\xa0", " ")
        assert shown in page().text


def test_published_figures_that_are_not_reproduced_are_named():
    assert (
        "1 of 2 published figures differ from what this cohort gives: ECOG, per point: hazard"
        in page().text
    )
    study = reported(only_ecog=True).analysis.study
    assert study is not None
    same = study.model_copy(update={"figures": study.figures[:1]})
    analysis = reported(only_ecog=True).analysis.model_copy(update={"study": same})
    assert "All 1 published figures are reproduced" in rendered(analysis=analysis).text


def test_a_synthetic_cohort_is_said_on_screen_and_on_every_printed_page():
    assert page().text.count(SYNTHETIC_NOTICE) == 3
    assert "Circular by construction" in page().text
    assert "Circular figures." in page().text
    assert re.search(r"@bottom-left { content: \"hsct2-os 1\.0\.0\. Demonstration", html())


def test_a_real_cohort_that_nobody_validated_says_so():
    manifest = reported(only_ecog=True).manifest
    real = rendered(manifest.model_copy(update={"cohort": provenance(synthetic=False)}))
    assert "Not validated: no validation on another cohort is recorded." in real.text
    assert "ynthetic cohort" not in real.text
    assert "Circular" not in real.text


def test_a_validated_model_of_a_real_cohort_has_no_notice():
    cohort = provenance(synthetic=False)
    other = Validation(
        cohort=cohort.model_copy(update={"name": "Other centre"}),
        concordance=Estimated(estimate=0.6127, lower=0.5418, upper=0.6831),
        calibration_slope=Estimated(estimate=0.834, lower=0.41, upper=1.26),
        observed_expected=[
            ObservedExpected(
                horizon_months=12, ratio=Estimated(estimate=1.118, lower=0.87, upper=1.43)
            )
        ],
    )
    manifest = reported(only_ecog=True).manifest.model_copy(
        update={"cohort": cohort, "validations": [other]}
    )
    real = rendered(manifest)
    assert "Other centre" in real.text
    for number in ("0.61 (0.54 to 0.68)", "0.83 (0.41 to 1.26)", "12 months: 1.12 (0.87 to 1.43)"):
        assert number in real.text
    assert not any(a.get("class") in ("notice", "strong") for _, a in real.elements)


def test_a_recalibrated_version_says_from_what_and_to_what():
    other = Recalibration(
        cohort=provenance(name="Other centre"),
        from_version="1.0.0",
        slope=0.8123,
        baseline_scale=1.317,
    )
    manifest = reported(only_ecog=True).manifest.model_copy(update={"recalibration": other})
    text = rendered(manifest).text
    assert "recalibrated from version 1.0.0 to Other centre (No hospital), synthetic" in text
    assert "log hazard ratios times 0.812, baseline hazard times 1.317" in text


def test_a_part_that_is_not_known_is_said_to_be_absent():
    bare = rendered(analysis=Analysis())
    assert "coverage" not in [attributes["id"] for attributes in bare.of("section")]
    for sentence in (
        "The study's analysis was not repeated on this cohort.",
        "The cohort was not described in a table.",
        "Other forms of the ECOG effect than per point were not examined.",
        "Proportional hazards and influence were not examined for this model.",
        "The model was not validated internally: no resample was drawn.",
        "nothing was imputed",
    ):
        assert sentence in bare.text


def test_empty_parts_of_an_analysis_are_said_to_be_empty():
    analysis = reported(only_ecog=True).analysis
    assert analysis.study is not None
    assert analysis.assumptions is not None
    assert analysis.validation is not None
    study: dict[str, object] = {
        "univariate": [],
        "multivariable": [],
        "elimination": [],
        "figures": [],
    }
    assumptions: dict[str, object] = {"proportional_hazards": [], "schoenfeld": [], "influence": []}
    emptied = analysis.model_copy(
        update={
            "study": analysis.study.model_copy(update={**study, "log_rank_p": None}),
            "assumptions": analysis.assumptions.model_copy(update=assumptions),
            "validation": analysis.validation.model_copy(
                update={"calibration": [], "decision": None, "failed": 0}
            ),
        }
    )
    text = rendered(analysis=emptied).text
    assert "No published figures belong to this cohort" in text
    assert "Multivariable Cox model of all candidates: none could be estimated." in text
    assert "Elimination could not start" in text
    assert "none failed" in text
    assert "Decision curve" not in text


def test_the_strongest_penalty_means_no_support_beyond_ecog():
    path = reported().analysis.penalty_path
    assert path is not None
    assert "No support beyond ECOG" not in page().text
    end = path.model_copy(update={"chosen": path.strengths[-1]})
    analysis = reported(only_ecog=True).analysis.model_copy(update={"penalty_path": end})
    assert "No support beyond ECOG" in rendered(analysis=analysis).text


def test_coverage_says_whether_the_target_is_reached():
    assert "It is reached in each of 18 settings." in page().text
    # All known: .943 / .923 / .910 against .93; partly unknown: the same against .90.
    missed = rendered(simulated=coverage(shift=-0.03)).text
    assert "It is missed in 4 of 18 settings" in missed
    assert "moderate; all known; 12 months: 91.0 %" in missed


def test_ecog_alone_is_said_to_speak_of_the_average_patient():
    alone = rendered().text
    assert "average patient with this ECOG grade" in alone
    assert "Immortal-time bias" not in alone
    assert "Immortal-time bias" in page().text
    assert "average patient" not in page().text


def test_a_name_is_text_whatever_it_looks_like():
    report = reported(only_ecog=True)
    study = report.analysis.study
    assert study is not None
    row = TableOneRow(label=HOSTILE, overall=HOSTILE, by_band=[HOSTILE, HOSTILE], missing=0)
    hostile = rendered(
        report.manifest.model_copy(
            update={
                "title": HOSTILE,
                "cohort": provenance(name=HOSTILE, institution=HOSTILE),
                "findings": [Finding(code="a_code", message=HOSTILE)],
            }
        ),
        report.analysis.model_copy(update={"study": study.model_copy(update={"table_one": [row]})}),
    )
    assert hostile.of("script") == []
    assert hostile.of("b") == []
    assert hostile.text.count(HOSTILE) == 2 + 4 + 2 + 1


def test_an_effect_without_end_is_written_as_such():
    report = reported(only_ecog=True)
    study = report.analysis.study
    assert study is not None
    endless = Effect(covariate="ecog", hazard_ratio=3e7, lower=1e-9, upper=1e300, p_value=0.99)
    changed = study.model_copy(update={"multivariable": [endless], "univariate": [endless]})
    text = rendered(analysis=report.analysis.model_copy(update={"study": changed})).text
    assert "> 1000" in text
    assert "< 0.01 to > 1000" in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (ratio(2.1416), "2.14"),
        (ratio(2.1416, 3), "2.142"),
        (ratio(None), "–"),
        (ratio(0.0049), "< 0.01"),
        (ratio_limits(0.5, 1234), "0.50 to > 1000"),
        (p_value(0.00099), "< 0.001"),
        (p_value(0.001), "0.001"),
        (p_value(0.0339), "0.034"),
        (p_value(None), "–"),
        (p_equals(0.034), "p = 0.034"),
        (p_equals(0.0001), "p < 0.001"),
        (percent(0.3549), "35 %"),
        (percent(None), "–"),
        (percent_with_limits(1.0, None, None), "100 % (no interval)"),
        (percent_with_limits(None, None, None), "–"),
        (months(None), "not reached"),
        (months_with_limits(11, 7.23, None), "11.0 (7.2 to not reached)"),
        (decimal(-0.0004, 3), "0.000"),
        (decimal(-1.5, 1), "−1.5"),
        (significant(4400.7), "4400"),
        (significant(0.04412), "0.0441"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (listed(["a"]), "a"),
        (name_of("global"), "global"),
        (unit_of("ecog"), "per point"),
        (unit_of("age_years"), "per year"),
        (unit_of("disease"), "ALL against AML"),
        (unit_of("post_transplant_cyclophosphamide"), "yes against no"),
        (unit_of("ldh_u_l"), "per unit of its natural logarithm"),
        (value_of("post_transplant_cyclophosphamide", False), "no"),
        (value_of("conditioning", "reduced_intensity"), "reduced intensity"),
        (value_of("ferritin_ng_ml", 1139.7), "1140 ng/mL"),
    ],
)
def test_a_number_is_written_in_one_way(written: str, expected: str):
    assert written.replace("\xa0", " ") == expected
