"""The card says what a model is, and its numbers alone give the model's predictions."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from model.analysis import Analysis, Assumptions, ProportionalHazardsTest
from model.card import ModelCard
from model.manifest import NOT_VALIDATED_NOTICE, SYNTHETIC_NOTICE, Finding
from model.patient import Patient
from model.prediction import predict
from tests.golden.real_cohorts import PATIENTS
from tests.training.card_numbers import read_json, read_markdown, section, tables
from tests.training.cards import (
    FULL_ANALYSIS,
    VALIDATION,
    card_of,
    early,
    manifest_of,
    model_of,
    provenance,
)
from training.card.applied import APPLIED_HEADINGS
from training.card.build import build_card
from training.card.facts import write_p
from training.card.markdown import escape
from training.card.render import render_markdown
from training.card.specification import EXAMPLE_PATIENT

KNOWN = EXAMPLE_PATIENT.model_dump()
PATIENTS_OF_ALL = [
    KNOWN,
    {**KNOWN, "ecog": 0, "disease": "AML", "lymphocytes_10e9_l": 0.0, "ferritin_ng_ml": 90.0},
    {**KNOWN, "ecog": 4, "age_years": 90.0, "ldh_u_l": 4000.0, "conditioning": "reduced_intensity"},
    {**KNOWN, "ldh_u_l": None, "disease": None, "hemoglobin_g_dl": None},
    {**KNOWN, "post_transplant_cyclophosphamide": None, "ecog": 3},
    {"ecog": 1},
]
CASES = [
    *(("all", patient) for patient in PATIENTS_OF_ALL),
    *(("ecog", {"ecog": ecog}) for ecog in range(5)),
    *((name, patient) for name in ("lung", "veteran") for patient in PATIENTS[name]),
    ("lung", {"ecog": 1, "age_years": 70.0}),
]

LETTERS = {
    **dict.fromkeys((5, 23), "ab"),
    **dict.fromkeys((3, 6, 8, 9, 20, 27), "abc"),
    12: "abcdefg",
    18: "abcdef",
}
ITEMS = [f"{item}{letter}" for item in range(1, 28) for letter in LETTERS.get(item, ("",))]
assert len(ITEMS) == 52

HEADINGS = [
    "Overall survival after HSCT2",
    "Intended use",
    *("Target population", "Users", "Out of scope"),
    "Cohort and provenance",
    "Performance",
    "Risk categories",
    "ECOG: published, reproduced, served",
    "Limits",
    "Specification",
    *("Constants", "Terms", "Hazard ratios"),
    "Covariance of the coefficients per SD (V)",
    "Covariance of the coefficients per unit",
    "Covariance of the standardised covariates (Σ)",
    *("Baseline", "How to compute a prediction"),
    "Worked example",
    "TRIPOD+AI",
    "CHAI applied model card",
    *APPLIED_HEADINGS,
]

HOSTILE = (
    'Ev|il\n\n# Heading\r\n| a | b |\n<script>alert("1")</script> [x](http://e) `c` **b** &amp;'
)

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def headings(markdown: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", markdown, re.M)


@pytest.mark.parametrize(("which", "patient"), CASES)
@pytest.mark.parametrize("twin", ["markdown", "json"])
def test_a_prediction_is_recomputed_from_the_card_alone(which, patient, twin):
    card = card_of(which)
    numbers = (
        read_markdown(render_markdown(card))
        if twin == "markdown"
        else read_json(card.model_dump_json())
    )
    horizons = [h for h in (0.9, 12.0, 24.0) if h <= numbers.last_months]
    predicted = predict(
        model_of(which), Patient.model_validate(patient), horizons_months=horizons
    ).survival.horizons
    assert len(predicted) >= 2
    for horizon in predicted:
        recomputed = numbers.survival(patient, horizon.months)
        assert recomputed == pytest.approx(
            (horizon.probability, horizon.lower, horizon.upper), rel=0, abs=1e-9
        )


@pytest.mark.parametrize("which", ["all", "ecog", "lung", "veteran"])
def test_printed_numbers_are_the_models_own_to_the_last_bit(which):
    cox, numbers = model_of(which).cox, read_markdown(render_markdown(card_of(which)))
    assert np.array_equal(numbers.coefficients, cox.coefficients)
    assert np.array_equal(numbers.covariance, cox.covariance)
    assert np.array_equal(numbers.sigma, cox.covariate_covariance)
    assert np.array_equal(numbers.baseline[:, :3].T, [cox.months, cox.hazard, cox.hazard_variance])
    assert np.array_equal(numbers.baseline[:, 3:], cox.hazard_mean)


def test_both_scales_of_the_coefficients_agree_by_the_printed_standard_deviations():
    markdown = render_markdown(card_of("all"))
    numbers = read_markdown(markdown)
    sd = np.array([term.sd for term in numbers.terms])
    rows = tables(section(markdown, "Terms"))[0]
    per_unit = np.array([float(row["coefficient per unit"]) for row in rows])
    assert per_unit == pytest.approx(numbers.coefficients / sd, rel=1e-12)
    rows = tables(section(markdown, "Covariance of the coefficients per unit"))[0]
    covariance = np.array([[float(v) for v in [*row.values()][1:]] for row in rows])
    assert covariance == pytest.approx(numbers.covariance / np.outer(sd, sd), rel=1e-12)


@pytest.mark.parametrize("which", ["all", "ecog", "lung", "veteran"])
def test_the_worked_example_is_what_the_service_predicts(which):
    example = card_of(which).worked_example
    horizon = predict(
        model_of(which), EXAMPLE_PATIENT, horizons_months=[example.horizon_months]
    ).survival.horizons[0]
    assert example.horizon_months == 12
    assert (example.survival, example.lower, example.upper) == pytest.approx(
        (horizon.probability, horizon.lower, horizon.upper), rel=0, abs=1e-12
    )


def test_the_printed_worked_example_follows_from_its_own_lines():
    markdown = render_markdown(card_of("all"))
    terms, steps = tables(section(markdown, "Worked example"))
    products = [float(r["coefficient"]) * float(r["x"]) for r in terms]
    assert products == pytest.approx([float(r["coefficient times x"]) for r in terms], rel=1e-8)
    step = {row["step"].split(",")[0].split(" = ")[0]: float(row["value"]) for row in steps}
    assert step["η"] == pytest.approx(sum(products), rel=1e-8)
    assert step["Λ"] == pytest.approx(step["Λ0"] * np.exp(step["η"]), rel=1e-8)
    assert step["S"] == pytest.approx(np.exp(-step["Λ"]), rel=1e-8)
    q = [float(r["q = Λ0 x - a"]) for r in terms]
    assert q == pytest.approx([step["Λ0"] * float(r["x"]) - float(r["a"]) for r in terms], abs=1e-9)
    weighted = [float(r["row of V times q"]) for r in terms]
    assert step["q'Vq"] == pytest.approx(np.dot(q, weighted), rel=1e-7)
    variance = (step["VH"] + step["q'Vq"]) / step["Λ0"] ** 2
    assert step["variance of log Λ"] == pytest.approx(variance, rel=1e-8)
    reach = 1.959963984540054 * np.sqrt(variance)
    assert step["lower limit of S"] == pytest.approx(np.exp(-step["Λ"] * np.exp(reach)), rel=1e-7)
    assert step["upper limit of S"] == pytest.approx(np.exp(-step["Λ"] * np.exp(-reach)), rel=1e-7)


@pytest.mark.parametrize(
    ("factor", "later"), [(0.1, 0.0), (1.0, 20.0)], ids=["short follow-up", "no early death"]
)
def test_the_worked_example_moves_where_twelve_months_say_nothing(factor, later):
    model = early(model_of("all"), factor, later)
    example = build_card(manifest_of(model), model, Analysis()).worked_example
    deaths = model.cox.months[model.cox.months <= model.cox.last_months]
    assert example.horizon_months == example.baseline_months == deaths[-1]
    horizon = predict(
        model, EXAMPLE_PATIENT, horizons_months=[example.horizon_months]
    ).survival.horizons[0]
    assert example.survival == pytest.approx(horizon.probability, rel=1e-12)


@pytest.mark.parametrize("analysis", [Analysis(), FULL_ANALYSIS], ids=["bare", "analysed"])
@pytest.mark.parametrize("synthetic", [True, False])
@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("which", ["all", "ecog"])
def test_every_tripod_item_is_there_once_with_an_answer(which, validated, synthetic, analysis):
    model = model_of(which)
    manifest = manifest_of(model, cohort=provenance(synthetic=synthetic), validated=validated)
    card = build_card(manifest, model, analysis)
    assert [item.number for item in card.tripod_ai] == ITEMS
    rows = tables(section(render_markdown(card), "TRIPOD+AI"))[0]
    assert [row["item"] for row in rows] == ITEMS
    for item, row in zip(card.tripod_ai, rows, strict=True):
        assert len(row["answer"]) > 15
        assert item.topic == row["topic"]
        assert row["answer"].startswith("Not applicable.") == (item.status == "not_applicable")


def test_what_only_the_owner_of_a_real_cohort_knows_is_said_to_be_not_recorded():
    model = model_of("all")
    for synthetic, status in ((True, "not_applicable"), (False, "not_recorded")):
        manifest = manifest_of(model, cohort=provenance(synthetic=synthetic))
        items = {i.number: i for i in build_card(manifest, model, Analysis()).tripod_ai}
        assert {items[n].status for n in ("6a", "6b", "9c", "17")} == {status}


def test_headings_stand_in_order():
    assert headings(render_markdown(card_of("all"))) == HEADINGS
    assert headings(render_markdown(card_of("ecog"))) == HEADINGS


def test_no_entry_of_the_applied_card_is_empty():
    card = card_of("all")
    assert tuple(s.heading for s in card.applied_model_card) == APPLIED_HEADINGS
    assert all(len(e.text) > 4 for s in card.applied_model_card for e in s.entries)


@pytest.mark.parametrize(
    ("synthetic", "validated", "notice"),
    [
        (True, False, SYNTHETIC_NOTICE),
        (True, True, SYNTHETIC_NOTICE),
        (False, False, NOT_VALIDATED_NOTICE),
        (False, True, None),
    ],
)
def test_the_notice_follows_the_cohort_and_its_validations(synthetic, validated, notice):
    model = model_of("ecog")
    manifest = manifest_of(model, cohort=provenance(synthetic=synthetic), validated=validated)
    card = build_card(manifest, model, Analysis())
    markdown = render_markdown(card)
    assert card.notice == notice
    for text in (SYNTHETIC_NOTICE, NOT_VALIDATED_NOTICE):
        assert (f"\n**{text}**\n" in markdown) == (text == notice)
    assert ("ynthetic" in markdown) == synthetic


def test_performance_is_shown_with_its_interval_where_it_was_validated():
    model = model_of("all")
    manifest = manifest_of(model, cohort=provenance(synthetic=False))
    card = build_card(manifest, model, Analysis(validation=VALIDATION))
    shown = section(render_markdown(card), "Performance")
    assert tables(shown)[0] == [
        {
            "measure": "Harrell's C",
            "months": "–",
            "apparent": "0.711",
            "optimism": "0.031",
            "corrected": "0.680",
            "95 % interval": "0.601 to 0.754",
        },
        {
            "measure": "Brier",
            "months": "12",
            "apparent": "0.191",
            "optimism": "-0.011",
            "corrected": "0.202",
            "95 % interval": "0.180 to 0.222",
        },
    ]
    assert "1000 bootstrap resamples, 3 failed" in shown
    assert not card.performance.circular
    assert "Circular" not in render_markdown(card)
    answer = next(i.answer for i in card.tripod_ai if i.number == "23a")
    assert "Harrell's C 0.680 (0.601 to 0.754); Brier at 12 months 0.202" in answer


def test_performance_on_a_synthetic_cohort_is_called_circular():
    model = model_of("all")
    card = build_card(manifest_of(model), model, Analysis(validation=VALIDATION))
    assert card.performance.circular
    assert "Circular by construction" in section(render_markdown(card), "Performance")


def test_a_card_without_validation_says_that_no_measure_is_recorded():
    shown = section(render_markdown(card_of("all")), "Performance")
    assert "No measure is recorded" in shown
    assert not tables(shown)


def test_a_validation_on_another_cohort_is_shown():
    model = model_of("all")
    manifest = manifest_of(model, cohort=provenance(synthetic=False), validated=True)
    shown = section(render_markdown(build_card(manifest, model, Analysis())), "On other cohorts")
    assert tables(shown)[0][0] == {
        "cohort": "Other centre (Test institution)",
        "patients": "160",
        "deaths": "112",
        "concordance": "0.66 (0.58 to 0.74)",
        "calibration slope": "0.91 (0.40 to 1.42)",
        "O/E": "12 months: 1.08 (0.90 to 1.30)",
    }


def test_the_analysis_shows_in_cohort_ecog_and_limits():
    model = model_of("all")
    tests = [
        ProportionalHazardsTest(
            transform=transform, term=term, chi_square=1.0, degrees_of_freedom=1, p_value=p
        )
        for transform, term, p in (
            ("km", "ecog", 0.9),
            ("km", "global", 0.31),
            ("log", "global", 0),
        )
    ]
    assumptions = Assumptions(proportional_hazards=tests, schoenfeld=[], influence=[])
    analysis = FULL_ANALYSIS.model_copy(update={"assumptions": assumptions})
    markdown = render_markdown(build_card(manifest_of(model), model, analysis))
    cohort = section(markdown, "Cohort and provenance")
    assert "Median survival: 11.0 months (95 % interval 7.2 to not reached)" in cohort
    assert "Median follow-up by reverse Kaplan-Meier: 31.5 months" in cohort
    assert "9 patients lacked a value: ldh_u_l (9)" in cohort
    assert "per point is enough." in section(markdown, "ECOG: published, reproduced, served")
    assert "together: p = 0.310." in section(markdown, "Limits")


def test_published_and_served_ratios_stand_side_by_side_with_the_reason():
    model = model_of("all")
    manifest = manifest_of(model, published=True)
    shown = section(
        render_markdown(build_card(manifest, model, Analysis())),
        "ECOG: published, reproduced, served",
    )
    assert [row["hazard ratio per point"] for row in tables(shown)[0]] == ["2.142", "1.400"]
    assert "agree is by construction" in shown
    assert "shrinks every effect but that of ECOG" in shown
    assert "by construction" not in section(
        render_markdown(card_of("all")), "ECOG: published, reproduced, served"
    )


def test_the_limits_are_those_of_this_very_model():
    full, alone = (section(render_markdown(card_of(w)), "Limits") for w in ("all", "ecog"))
    assert "Immortal-time bias" in full
    assert "Immortal-time bias" not in alone
    assert "average patient with this ECOG grade" in alone
    assert "average patient with this ECOG grade" not in full
    for limits in (full, alone):
        assert "Time origin" in limits
        assert "Not causal" in limits
        assert "Wide intervals" in limits


def test_risk_categories_show_what_was_observed():
    model = model_of("all")
    categories, grades = tables(section(render_markdown(card_of("all")), "Risk categories"))
    for row, band in zip(categories, model.risk_bands.bands, strict=True):
        assert (row["category"], row["patients"]) == (band.name, str(band.patients))
        assert band.observed is not None
        at = band.observed.at(12.0, 0.95)
        assert at is not None
        assert at.estimate is not None
        assert row["observed at 12 months"].startswith(f"{100 * at.estimate:.0f} % (")
    assert [int(g["patients"]) for g in grades] == list(model.risk_bands.patients_by_grade)


@pytest.mark.parametrize(("p", "shown"), [(0.00004, "p < 0.001"), (0.0312, "p = 0.031")])
def test_a_small_p_is_not_printed_as_zero(p, shown):
    assert write_p(p) == shown


def test_findings_of_the_fit_are_listed():
    model = model_of("ecog")
    manifest = manifest_of(model, findings=[Finding(code="one_thing", message="was | found")])
    markdown = render_markdown(build_card(manifest, model, Analysis()))
    assert "- one_thing: was \\| found" in section(markdown, "Findings of this fit")


def test_a_card_is_the_same_each_time_and_after_a_trip_through_json():
    model = model_of("all")
    cards = [build_card(manifest_of(model), model, FULL_ANALYSIS) for _ in range(2)]
    assert cards[0].model_dump_json() == cards[1].model_dump_json()
    returned = ModelCard.model_validate_json(cards[0].model_dump_json())
    assert returned == cards[0]
    assert render_markdown(returned) == render_markdown(cards[1])


def test_digests_of_files_do_not_enter_the_card_that_is_one_of_them():
    model = model_of("ecog")
    manifest = manifest_of(model)
    later = manifest.model_copy(update={"files": {"MODEL_CARD.md": "f" * 64}})
    assert build_card(manifest, model, Analysis()) == build_card(later, model, Analysis())


def test_a_hostile_cohort_name_stays_text():
    model = model_of("ecog")
    hostile = provenance(name=HOSTILE).model_copy(update={"institution": HOSTILE})
    manifest = manifest_of(model, cohort=hostile, validated=True)
    manifest = manifest.model_copy(
        update={
            "validations": [v.model_copy(update={"cohort": hostile}) for v in manifest.validations]
        }
    )
    card = build_card(manifest, model, FULL_ANALYSIS)
    assert card.cohort.name == HOSTILE
    markdown = render_markdown(card)
    shown = headings(markdown)
    shown.remove("On other cohorts")
    assert shown == HEADINGS
    tokens = MARKDOWN.parse(markdown)
    inline = [child for token in tokens for child in token.children or []]
    kinds = {token.type for token in [*tokens, *inline]}
    assert not {"html_block", "html_inline", "link_open", "image", "fence"} & kinds
    assert sum(token.type == "heading_open" for token in tokens) == len(HEADINGS) + 1
    texts = [t.content for t in inline if t.type == "text"]
    joined = " ".join(HOSTILE.split())
    assert texts.count(f"{joined} ({joined})") == 2


@given(st.text() | st.text(alphabet="*_`[]()<>&;!#+-=|~\\:./01a \n\t\u202e\u2028"))
def test_any_text_reads_as_itself_in_a_paragraph_and_in_a_table(text):
    categories = {c: unicodedata.category(c) for c in text}
    words = "".join(
        " " if categories[c] in ("Cc", "Zl", "Zp") else c for c in text if categories[c] != "Cf"
    ).split()
    escaped = escape(text)
    for markdown, kind in (
        (escaped, "paragraph_open"),
        (f"- {escaped}", "paragraph_open"),
        (f"| a |\n| - |\n| {escaped} |", "td_open"),
    ):
        tokens = MARKDOWN.parse(markdown)
        opened = [i for i, token in enumerate(tokens) if token.type == kind]
        assert len(opened) == bool(words or kind == "td_open")
        for index in opened:
            children = tokens[index + 1].children or []
            assert {child.type for child in children} <= {"text"}
            assert "".join(child.content for child in children).split() == words
