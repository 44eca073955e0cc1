"""AML or ALL comes from the Conditions, or is unknown for a reason."""

from typing import Any

import pytest

from service.chart import Verdict
from service.chart.codes import ICD_10, ICD_10_CM, SNOMED
from tests.service.chart.charts import (
    bundle,
    condition,
    ecog,
    issues_of,
    patient,
    reading,
    transplant,
    value_of,
)


def chart(*conditions: Any) -> dict[str, Any]:
    named = [{**c, "id": f"c{i}"} for i, c in enumerate(conditions)]
    return bundle(patient(), transplant(), ecog(), *named)


def disease(*conditions: Any) -> Any:
    return value_of(chart(*conditions), "disease")


def issues(*conditions: Any) -> set[str]:
    return issues_of(chart(*conditions), "disease")


def applies(*conditions: Any) -> bool:
    return reading(chart(*conditions)).verdict is Verdict.APPLIES


@pytest.mark.parametrize(
    ("code", "systems", "expected"),
    [
        *((c, (ICD_10_CM, ICD_10), "AML") for c in ("C92.0", "C92.4", "C92.5", "C92.6")),
        *((c, (ICD_10_CM, ICD_10), "AML") for c in ("C93.0", "C94.0", "C94.2", "C9402", "c92.01")),
        ("C92.A1", (ICD_10_CM,), "AML"),
        ("C92.8", (ICD_10,), "AML"),
        *((c, (ICD_10_CM, ICD_10), "ALL") for c in ("C91.0", "C91.00", "C9101")),
        *((c, (SNOMED,), "AML") for c in ("91861009", "110004001", "359640008", "93451002")),
        *((c, (SNOMED,), "ALL") for c in ("91857003", "277575008", "277573001")),
    ],
)
def test_each_listed_code_names_its_disease(
    code: str, systems: tuple[str, ...], expected: str
) -> None:
    for system in systems:
        assert disease(condition(code, system)) == expected
        assert issues(condition(code, system)) == set()
        assert applies(condition(code, system))


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("C92.1", ICD_10_CM),
        ("C91.1", ICD_10),
        ("C92.8", ICD_10_CM),
        ("C92.A", ICD_10),
        ("C92", ICD_10),
        ("D46.9", ICD_10_CM),
        ("C94.3", ICD_10),
        ("92818009", SNOMED),
        ("C92.0", SNOMED),
        ("C92.0", "urn:local"),
    ],
)
def test_other_diseases_are_not_an_acute_leukaemia(code: str, system: str) -> None:
    assert disease(condition(code, system)) is None
    assert reading(chart(condition(code, system))).verdict is Verdict.NO_ACUTE_LEUKAEMIA


@pytest.mark.parametrize(
    ("code", "system"), [("C95.0", ICD_10), ("C94.40", ICD_10_CM), ("91855006", SNOMED)]
)
def test_another_acute_leukaemia_counts_but_is_neither_aml_nor_all(code: str, system: str) -> None:
    assert disease(condition(code, system)) is None
    assert issues(condition(code, system)) == {"other_acute_leukaemia"}
    assert applies(condition(code, system))
    # It does not stand against one that is named.
    assert disease(condition(code, system), condition("C91.0")) == "ALL"


def test_aml_and_all_together_are_unknown_for_a_reason() -> None:
    both = condition("C92.0"), condition("C91.0")
    assert disease(*both) is None
    assert issues(*both) == {"contradictory_disease"}
    assert applies(*both)
    in_one = condition("C92.0")
    in_one["code"]["coding"] += condition("C91.0")["code"]["coding"]
    assert issues(in_one) == {"contradictory_disease"}


@pytest.mark.parametrize("verified", ["refuted", "entered-in-error"])
def test_a_refuted_leukaemia_is_none_and_says_so(verified: str) -> None:
    refuted = condition("C92.0", verified=verified)
    assert disease(refuted) is None
    assert issues(refuted) == {"refuted_disease"}
    assert not applies(refuted)
    assert disease(refuted, condition("C91.0")) == "ALL"


def test_a_differential_diagnosis_is_none_and_an_unconfirmed_one_is_used() -> None:
    assert disease(condition("C92.0", verified="differential")) is None
    for verified in ("provisional", "unconfirmed"):
        assert disease(condition("C92.0", verified=verified)) == "AML"
        assert issues(condition("C92.0", verified=verified)) == {"unconfirmed_disease"}


@pytest.mark.parametrize("clinical", ["active", "recurrence", "relapse", "remission"])
def test_a_leukaemia_in_remission_is_still_the_disease(clinical: str) -> None:
    assert disease(condition("C92.0", clinical=clinical)) == "AML"
    assert issues(condition("C92.0", clinical=clinical)) == set()


def test_an_inactive_leukaemia_is_used_with_a_warning_and_a_resolved_one_is_not() -> None:
    assert disease(condition("C92.0", clinical="inactive")) == "AML"
    assert issues(condition("C92.0", clinical="inactive")) == {"inactive_disease"}
    assert disease(condition("C92.0", clinical="resolved")) is None
    assert issues(condition("C92.0", clinical="resolved")) == {"resolved_disease"}
    assert not applies(condition("C92.0", clinical="resolved"))


def test_the_most_active_leukaemia_is_the_disease() -> None:
    # Leukaemia of another lineage after the treatment of a first one.
    first = condition("C91.0", clinical="remission")
    assert disease(first, condition("C92.0", clinical="active")) == "AML"
    assert disease(first, condition("C92.0", clinical="inactive")) == "ALL"


def test_without_a_clinical_status_an_end_makes_it_inactive() -> None:
    without = condition("C92.0")
    del without["clinicalStatus"]
    assert disease(without) == "AML"
    assert issues(without) == set()
    assert issues({**without, "abatementDateTime": "2020"}) == {"inactive_disease"}


@pytest.mark.parametrize(
    "code",
    [None, "C92.0", [], {"coding": "C92.0"}, {"coding": [None, 1, "x", {}]}, {"text": "AML"}],
)
def test_a_condition_of_wrong_types_is_no_leukaemia(code: Any) -> None:
    assert disease({**condition(), "code": code}) is None


@pytest.mark.parametrize("status", [None, "active", [], {"coding": {}}, {"coding": [{"code": 1}]}])
def test_a_status_of_wrong_type_is_none(status: Any) -> None:
    odd = {**condition(), "clinicalStatus": status, "verificationStatus": status}
    assert disease(odd) == "AML"


def test_the_source_is_the_condition() -> None:
    read = reading(chart(condition(onsetDateTime="2024-02", recordedDate="2024-03-01")))
    (source,) = (s for s in read.sources if s.covariate == "disease")
    assert source.reference == "https://ehr.example/fhir/Condition/c0"
    assert source.effective == "2024-02"
