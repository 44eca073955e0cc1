"""The table of codes is whole, agrees with the patient, and its page is current."""

import re

import pytest

from docs.chart_codes import PAGE, page
from model.patient import COVARIATES, Kind
from service.chart import codes
from service.chart.codes import CodeSet

# From elsewhere than Observations.
OTHERWISE = {"age_years", "disease"}

SETS = (
    codes.AML,
    codes.ALL,
    codes.OTHER_ACUTE_LEUKAEMIA,
    codes.ALLOGENEIC,
    codes.AUTOLOGOUS,
    codes.SECOND_TRANSPLANT,
    codes.UNSPECIFIED_TRANSPLANT,
)


def test_every_covariate_is_read_from_somewhere() -> None:
    assert {m.covariate for m in codes.MEASURES} | OTHERWISE == set(COVARIATES)
    assert {m.name for m in codes.MEASURES} & set(COVARIATES) == set(COVARIATES) - OTHERWISE


@pytest.mark.parametrize("name", sorted(set(COVARIATES) - OTHERWISE))
def test_the_codes_of_the_patient_are_those_of_the_table(name: str) -> None:
    (measure,) = (m for m in codes.MEASURES if m.name == name)
    stated = set(re.findall(r"\d+-\d", COVARIATES[name].codes))
    listed = {code.code for code in measure.codes if code.system == codes.LOINC}
    assert stated <= listed
    if not stated:
        assert COVARIATES[name].codes == "local code"
        assert {code.system for code in measure.codes} == {codes.CHART_CODES}


@pytest.mark.parametrize("measure", codes.MEASURES, ids=lambda m: m.name)
def test_a_measure_takes_what_its_covariate_takes(measure: codes.Measure) -> None:
    covariate = COVARIATES[measure.covariate]
    assert measure.limit_days > 0
    if covariate.kind is Kind.NUMBER and measure.name == measure.covariate:
        assert measure.accepted == covariate.accepted
        assert measure.unit in measure.units
    if covariate.kind is Kind.CHOICE:
        assert set((measure.answers or {}).values()) == set(covariate.choices)


def test_no_code_means_two_things() -> None:
    listed = [(c.system, c.code) for m in codes.MEASURES for c in m.codes]
    assert len(set(listed)) == len(listed)
    assert not set(codes.NOT_READ) & set(listed)
    in_sets = [(c.system, c.code) for s in SETS for c in s.codes]
    assert len(set(in_sets)) == len(in_sets)


def test_every_code_of_loinc_has_its_check_digit() -> None:
    listed = [c.code for m in codes.MEASURES for c in m.codes if c.system == codes.LOINC]
    listed += [code for _, code in codes.NOT_READ]
    assert len(listed) > 20
    for code in listed:
        digits, check = code.split("-")
        assert mod_10(digits) == int(check), code


def test_every_code_of_snomed_has_its_check_digit() -> None:
    listed = [c.code for s in SETS for c in s.codes if c.system == codes.SNOMED]
    listed += [c for m in codes.MEASURES for s, c in (m.answers or {}) if s == codes.SNOMED]
    assert len(listed) > 35
    for code in listed:
        assert verhoeff(code) == 0, code
        # A concept, of the core or of an extension.
        assert code[-3:-1] in ("00", "10"), code


def mod_10(digits: str) -> int:
    """The check digit of LOINC: Luhn's, every second digit from the right doubled."""
    total = sum(
        sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10))
        for place, digit in enumerate(reversed(digits))
    )
    return -total % 10


def verhoeff(digits: str) -> int:
    """The check of SNOMED CT identifiers, in the dihedral group of ten; 0 is right."""

    def times(a: int, b: int) -> int:
        if a < 5:
            return (a + b) % 5 + (5 if b >= 5 else 0)
        return (a - b) % 5 + (5 if b < 5 else 0)

    step = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place):
            value = step[value]
        check = times(check, value)
    return check


def test_the_check_digits_are_checked() -> None:
    # The example of Verhoeff's paper, and LOINC's 718-7 with a digit changed.
    assert verhoeff("2363") == 0
    assert verhoeff("91861008") != 0
    assert mod_10("719") != 7


def test_every_writing_of_a_unit_is_of_a_unit_that_some_measure_lists() -> None:
    listed = {unit for measure in codes.MEASURES for unit in measure.units}
    assert set(codes.UNIT_WRITINGS.values()) <= listed
    assert not set(codes.UNIT_WRITINGS) & listed


@pytest.mark.parametrize("code", ["C92.00", "C9201", "c92.0", "C92", "C92.1", "C91.0", "C92.80"])
def test_icd_10_codes_match_with_and_without_dots_and_further_characters(code: str) -> None:
    is_aml = code in ("C92.00", "C9201", "c92.0")
    assert codes.AML.has((codes.ICD_10_CM, code)) is is_aml
    assert codes.AML.has((codes.ICD_10, code)) is (is_aml or code == "C92.80")
    assert not codes.AML.has((codes.LOINC, code))


def test_a_set_without_prefixes_takes_whole_codes_only() -> None:
    transplants = CodeSet(codes.ALLOGENEIC.codes)
    assert transplants.has((codes.CPT, "38240"))
    assert not transplants.has((codes.CPT, "382401"))
    assert not transplants.has((codes.SNOMED, "38240"))


def test_our_own_codes_are_all_published() -> None:
    own = {c.code for s in SETS for c in s.codes if c.system == codes.CHART_CODES}
    own |= {c.code for m in codes.MEASURES for c in m.codes if c.system == codes.CHART_CODES}
    own |= {c for m in codes.MEASURES for s, c in (m.answers or {}) if s == codes.CHART_CODES}
    assert {code.code for code in codes.OWN_CODES} == own
    assert len(codes.OWN_CODES) == len(own)


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text() == page(), "run make docs"
