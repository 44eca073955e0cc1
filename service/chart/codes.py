"""What the chart is read by: every code, unit, factor and limit, in one table.

``docs/chart_codes.md`` is generated from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from model.patient import COVARIATES

CANONICAL_BASE = "https://hsct2-risk.example/fhir"
"""The base of the canonical URLs of what is ours."""

CHART_CODES = f"{CANONICAL_BASE}/CodeSystem/hsct2-risk-chart"
"""Our own CodeSystem, for what no public one has a code for."""

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
CPT = "http://www.ama-assn.org/go/cpt"
CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION_STATUS = "http://terminology.hl7.org/CodeSystem/condition-ver-status"

OTHER_NAMES_OF_SYSTEMS: Mapping[str, str] = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    "urn:oid:2.16.840.1.113883.6.3": ICD_10,
    "urn:oid:2.16.840.1.113883.6.4": ICD_10_PCS,
    "http://hl7.org/fhir/sid/icd-10-pcs": ICD_10_PCS,
    "urn:oid:2.16.840.1.113883.6.12": CPT,
}


@dataclass(frozen=True, slots=True)
class Code:
    """One code of one system."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """A factor between quantities of different kinds, which no unit library may know.

    Attributes
    ----------
    unit : UCUM; units that differ from it by a power of ten are converted to it first
    factor : a value in `unit` times this is the value in the measure's own unit
    assumption : what makes the factor right
    """

    unit: str
    factor: float
    assumption: str


@dataclass(frozen=True, slots=True)
class Measure:
    """How one thing is found among the Observations.

    Attributes
    ----------
    name : the covariate, or what one is derived from
    covariate : the field of `Patient`
    codes : of the Observation or its component
    limit_days : an older value is stale: used, with a warning
    unit : of the covariate, in UCUM; None where values have none
    units : UCUM units that are also read from a unit's text alone
    accepted : lowest and highest value, in `unit`; None for choices and booleans
    bridges : to quantities of another kind
    answers : coded values
    of_second_transplant : values up to the first transplant belong to that one
    """

    name: str
    covariate: str
    codes: Sequence[Code]
    limit_days: int
    unit: str | None = None
    units: Sequence[str] = ()
    accepted: tuple[float, float] | None = None
    bridges: Sequence[Bridge] = ()
    answers: Mapping[tuple[str, str], int | str] | None = None
    of_second_transplant: bool = False


def _range(covariate: str) -> tuple[float, float] | None:
    return COVARIATES[covariate].accepted


def _loinc(**names: str) -> tuple[Code, ...]:
    return tuple(Code(LOINC, code[1:].replace("_", "-"), name) for code, name in names.items())


def _own(code: str, display: str) -> tuple[Code, ...]:
    return (Code(CHART_CODES, code, display),)


_ECOG_ANSWERS = {
    LOINC: ("LA9622-7", "LA9623-5", "LA9624-3", "LA9625-0", "LA9626-8", "LA9627-6"),
    SNOMED: ("425389002", "422512005", "422894000", "423053003", "423237006", "423409001"),
}

# The answers of LOINC's list LL4986-7, from 0 (dead) to 100 in steps of ten.
_KARNOFSKY_ANSWERS = (
    "LA9627-6",
    "LA29184-1",
    "LA29183-3",
    "LA29182-5",
    "LA29181-7",
    "LA29180-9",
    "LA29179-1",
    "LA29178-3",
    "LA29177-5",
    "LA29176-7",
    "LA29175-9",
)

UNITLESS = ("{score}", "1")
"""Units that a grade may carry; none is as good."""

ECOG = Measure(
    "ecog",
    "ecog",
    _loinc(_89247_1="ECOG performance status score"),
    limit_days=30,
    units=UNITLESS,
    accepted=(0, 5),
    answers={
        (system, code): grade
        for system, codes in _ECOG_ANSWERS.items()
        for grade, code in enumerate(codes)
    },
)

KARNOFSKY = Measure(
    "karnofsky",
    "ecog",
    _loinc(_89243_0="Karnofsky performance status score"),
    limit_days=30,
    units=(*UNITLESS, "%"),
    accepted=(0, 100),
    answers={(LOINC, code): 10 * step for step, code in enumerate(_KARNOFSKY_ANSWERS)},
)

ECOG_OF_KARNOFSKY: Mapping[int, int] = {
    100: 0,
    90: 0,
    80: 1,
    70: 1,
    60: 2,
    50: 2,
    40: 3,
    30: 3,
    20: 4,
    10: 4,
}
"""The grade that a Karnofsky status stands for; 0 is dead and has none."""

BMI = Measure(
    "bmi_kg_m2",
    "bmi_kg_m2",
    _loinc(_39156_5="Body mass index (BMI) [Ratio]"),
    limit_days=90,
    unit="kg/m2",
    units=("kg/m2",),
    accepted=_range("bmi_kg_m2"),
)

HEIGHT = Measure(
    "height",
    "bmi_kg_m2",
    _loinc(
        _8302_2="Body height",
        _3137_7="Body height Measured",
        _3138_5="Body height Stated",
    ),
    limit_days=730,
    unit="m",
    units=("cm", "m", "[in_i]"),
    accepted=(0.4, 2.5),
)

WEIGHT = Measure(
    "weight",
    "bmi_kg_m2",
    _loinc(_29463_7="Body weight", _3141_9="Body weight Measured"),
    limit_days=90,
    unit="kg",
    units=("kg", "g", "[lb_av]"),
    accepted=(2, 400),
)

CONDITIONING = Measure(
    "conditioning",
    "conditioning",
    _own("conditioning", "Conditioning regimen planned for the second transplant"),
    limit_days=60,
    answers={
        (CHART_CODES, "myeloablative"): "myeloablative",
        (CHART_CODES, "reduced-intensity"): "reduced_intensity",
    },
    of_second_transplant=True,
)

CYCLOPHOSPHAMIDE = Measure(
    "post_transplant_cyclophosphamide",
    "post_transplant_cyclophosphamide",
    _own(
        "post-transplant-cyclophosphamide",
        "Post-transplant cyclophosphamide planned for the second transplant",
    ),
    limit_days=60,
    of_second_transplant=True,
)

CHIMERISM = Measure(
    "donor_chimerism_percent",
    "donor_chimerism_percent",
    _own("donor-chimerism", "Chimerism of the first donor, unsorted cells"),
    limit_days=60,
    unit="%",
    units=("%",),
    accepted=_range("donor_chimerism_percent"),
    of_second_transplant=True,
)

CD34_DOSE = Measure(
    "cd34_dose_10e6_per_kg",
    "cd34_dose_10e6_per_kg",
    (
        *_loinc(_78002_3="CD34 cells infused per body weight"),
        *_own("cd34-dose", "CD34+ cells planned for the second transplant, per body weight"),
    ),
    limit_days=60,
    unit="10*6/kg",
    units=("10*6/kg", "10*6.{cells}/kg", "{cells}/kg"),
    accepted=_range("cd34_dose_10e6_per_kg"),
    of_second_transplant=True,
)

HEMOGLOBIN = Measure(
    "hemoglobin_g_dl",
    "hemoglobin_g_dl",
    _loinc(
        _718_7="Hemoglobin [Mass/volume] in Blood",
        _20509_6="Hemoglobin [Mass/volume] in Blood by calculation",
        _30313_1="Hemoglobin [Mass/volume] in Arterial blood",
        _59260_0="Hemoglobin [Moles/volume] in Blood",
    ),
    limit_days=14,
    unit="g/dL",
    units=("g/dL", "g/L", "mg/dL", "mmol/L"),
    accepted=_range("hemoglobin_g_dl"),
    bridges=(Bridge("mmol/L", 1.611, "of the monomer, Hb(Fe), 16.11 g/mmol"),),
)

LYMPHOCYTES = Measure(
    "lymphocytes_10e9_l",
    "lymphocytes_10e9_l",
    _loinc(
        _731_0="Lymphocytes [#/volume] in Blood by Automated count",
        _732_8="Lymphocytes [#/volume] in Blood by Manual count",
        _26474_7="Lymphocytes [#/volume] in Blood",
        _736_9="Lymphocytes/100 leukocytes in Blood by Automated count",
        _737_7="Lymphocytes/100 leukocytes in Blood by Manual count",
        _26478_8="Lymphocytes/100 leukocytes in Blood",
    ),
    limit_days=14,
    unit="10*9/L",
    units=("10*9/L", "10*3/uL", "/uL", "{cells}/uL", "10*6/L", "%"),
    accepted=_range("lymphocytes_10e9_l"),
)

WHITE_CELLS = Measure(
    "white_cells",
    "lymphocytes_10e9_l",
    _loinc(
        _6690_2="Leukocytes [#/volume] in Blood by Automated count",
        _26464_8="Leukocytes [#/volume] in Blood",
    ),
    limit_days=14,
    unit="10*9/L",
    units=("10*9/L", "10*3/uL", "/uL", "{cells}/uL", "10*6/L"),
    accepted=(0, 1000),
)

LACTATE_DEHYDROGENASE = Measure(
    "ldh_u_l",
    "ldh_u_l",
    _loinc(
        _2532_0="Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma",
        _14804_9="Lactate dehydrogenase [..] by Lactate to pyruvate reaction",
    ),
    limit_days=14,
    unit="U/L",
    units=("U/L", "[IU]/L", "[iU]/L", "ukat/L", "mU/mL", "nkat/L"),
    accepted=_range("ldh_u_l"),
    bridges=(
        Bridge("[IU]/L", 1.0, "an international unit of enzyme is 1 µmol a minute, which is U"),
    ),
)

FERRITIN = Measure(
    "ferritin_ng_ml",
    "ferritin_ng_ml",
    _loinc(
        _2276_4="Ferritin [Mass/volume] in Serum or Plasma",
        _14723_1="Ferritin [Moles/volume] in Serum or Plasma",
    ),
    limit_days=30,
    unit="ng/mL",
    units=("ng/mL", "ug/L", "mg/L", "pmol/L"),
    accepted=_range("ferritin_ng_ml"),
    bridges=(Bridge("pmol/L", 0.445, "of a ferritin molecule of 445 kDa"),),
)

MEASURES: Sequence[Measure] = (
    ECOG,
    KARNOFSKY,
    BMI,
    HEIGHT,
    WEIGHT,
    CONDITIONING,
    CYCLOPHOSPHAMIDE,
    CHIMERISM,
    CD34_DOSE,
    HEMOGLOBIN,
    LYMPHOCYTES,
    WHITE_CELLS,
    LACTATE_DEHYDROGENASE,
    FERRITIN,
)

MEASURE_OF_CODE: Mapping[tuple[str, str], Measure] = {
    (code.system, code.code): measure for measure in MEASURES for code in measure.codes
}

NOT_READ: Mapping[tuple[str, str], str] = {
    # Pyruvate to lactate: about twice the activity, so not the covariate.
    (LOINC, "14805-6"): "ldh_u_l",
}
"""Codes that look like a covariate's and are not; their covariate."""

UNIT_WRITINGS: Mapping[str, str] = {
    "g/dl": "g/dL",
    "gm/dL": "g/dL",
    "g/l": "g/L",
    "mmol/l": "mmol/L",
    # The French and German giga per litre; in UCUM G is the gauss.
    "G/L": "10*9/L",
    "G/l": "10*9/L",
    "Gpt/L": "10*9/L",
    "10^9/L": "10*9/L",
    "10^9/l": "10*9/L",
    "10E9/L": "10*9/L",
    "x10^9/L": "10*9/L",
    "x10*9/L": "10*9/L",
    "x10E9/L": "10*9/L",
    "10⁹/L": "10*9/L",
    # In UCUM K is the kelvin.
    "K/uL": "10*3/uL",
    "K/µL": "10*3/uL",
    "k/uL": "10*3/uL",
    "thou/uL": "10*3/uL",
    "10^3/uL": "10*3/uL",
    "10^3/µL": "10*3/uL",
    "x10^3/uL": "10*3/uL",
    "10E3/uL": "10*3/uL",
    "cells/uL": "/uL",
    "/µL": "/uL",
    "U/l": "U/L",
    "IU/L": "[IU]/L",
    "IU/l": "[IU]/L",
    "µkat/L": "ukat/L",
    "μkat/L": "ukat/L",
    "µkat/l": "ukat/L",
    "ng/ml": "ng/mL",
    "mcg/L": "ug/L",
    "µg/L": "ug/L",
    "μg/L": "ug/L",
    "µg/l": "ug/L",
    "ug/l": "ug/L",
    "pmol/l": "pmol/L",
    "kg/m²": "kg/m2",
    "kg/m^2": "kg/m2",
    "10^6/kg": "10*6/kg",
    "10E6/kg": "10*6/kg",
    "x10^6/kg": "10*6/kg",
    "10⁶/kg": "10*6/kg",
    "in": "[in_i]",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "score": "{score}",
    "{Score}": "{score}",
}
"""Units as people write them, exactly, and the UCUM unit that is meant.

Each holds only for a measure that lists the unit: ``G/L`` is giga per litre for
cells and nothing for haemoglobin.
"""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Codes of a classification that begin alike; dots and case do not matter."""

    system: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True)
class CodeSet:
    """Codes that mean one thing to us."""

    codes: Sequence[Code]
    prefixes: Sequence[Prefixes] = ()

    @cached_property
    def _listed(self) -> frozenset[tuple[str, str]]:
        return frozenset((code.system, code.code) for code in self.codes)

    def has(self, coding: tuple[str, str]) -> bool:
        """Return whether a system's code is one of them, or begins with one of the prefixes."""
        system, code = coding
        return coding in self._listed or any(
            code.replace(".", "").upper().startswith(of_system.prefixes)
            for of_system in self.prefixes
            if of_system.system == system
        )


_AML_PREFIXES = (
    Prefixes(ICD_10_CM, ("C920", "C924", "C925", "C926", "C92A", "C930", "C940", "C942")),
    Prefixes(ICD_10, ("C920", "C924", "C925", "C926", "C928", "C930", "C940", "C942")),
)
_ALL_PREFIXES = (Prefixes(ICD_10_CM, ("C910",)), Prefixes(ICD_10, ("C910",)))
_OTHER_ACUTE_LEUKAEMIA_PREFIXES = (
    # Acute panmyelosis with myelofibrosis; acute leukaemia of unspecified cell type.
    Prefixes(ICD_10_CM, ("C944", "C950")),
    Prefixes(ICD_10, ("C944", "C950")),
)


def _snomed(**names: str) -> tuple[Code, ...]:
    return tuple(Code(SNOMED, code[1:], name) for code, name in names.items())


_AML_CODES = _snomed(
    _91861009="Acute myeloid leukemia",
    _91860005="Acute myeloid leukemia in remission",
    _91858008="Acute monocytic leukemia in remission",
    _359631009="Acute myeloid leukemia, minimal differentiation, FAB M0",
    _359640008="Acute myeloid leukemia without maturation, FAB M1",
    _359648001="Acute myeloid leukemia with maturation, FAB M2",
    _110004001="Acute promyelocytic leukemia, FAB M3",
    _285769009="Acute promyelocytic leukemia, hypogranular variant",
    _110005000="Acute myelomonocytic leukemia, FAB M4",
    _413441006="Acute monocytic leukemia, FAB M5b",
    _413442004="Acute monocytic/monoblastic leukemia",
    _277601005="Acute monoblastic leukemia",
    _93451002="Erythroleukemia, FAB M6",
    _277602003="Acute megakaryoblastic leukemia",
    _444911000="Acute myeloid leukemia with t(9;11)(p22;q23)",
    _445448008="Acute myeloid leukemia with myelodysplasia-related changes",
)
_ALL_CODES = _snomed(
    _91857003="Acute lymphoid leukemia",
    _91856007="Acute lymphoid leukemia in remission",
    _277571004="B-cell acute lymphoblastic leukemia",
    _277572006="Precursor B-cell acute lymphoblastic leukemia",
    _277573001="Common acute lymphoblastic leukemia",
    _277574007="Null cell acute lymphoblastic leukemia",
    _277575008="T-cell acute lymphoblastic leukemia",
)
_OTHER_ACUTE_LEUKAEMIA_CODES = _snomed(
    _91855006="Acute leukemia",
    _91854005="Acute leukemia in remission",
)

# Bone marrow, cord blood, stem cells, T-cell depleted; into a peripheral or central vein;
# from a related, unrelated or unspecified donor, and 1, "nonautologous", before 2017.
_PCS_CELLS, _PCS_VEINS, _PCS_DONORS = "GXYU", ("30233", "30243"), "1234"

_ALLOGENEIC_CODES = (
    Code(CPT, "38240", "Allogeneic transplantation of haematopoietic progenitor cells"),
    *_snomed(
        _58390007="Allogeneic bone marrow transplantation",
        _174241000112100="Transplantation of allogeneic hematopoietic stem cell",
    ),
    *(
        Code(ICD_10_PCS, f"{vein}{cells}{donor}", "Transfusion of allogeneic stem cells")
        for vein in _PCS_VEINS
        for cells in _PCS_CELLS
        for donor in _PCS_DONORS
    ),
    Code(CHART_CODES, "allogeneic-transplant", "Allogeneic stem-cell transplant"),
)
_AUTOLOGOUS_CODES = (
    Code(CPT, "38241", "Autologous transplantation of haematopoietic progenitor cells"),
    *_snomed(
        _425983008="Autologous peripheral blood stem cell transplant",
        _58776007="Autologous bone marrow transplant",
        _709115004="Transplantation of autologous hematopoietic stem cell",
    ),
    *(
        Code(ICD_10_PCS, f"{vein}{cells}0", "Transfusion of autologous stem cells")
        for vein in _PCS_VEINS
        for cells in _PCS_CELLS
    ),
)
_SECOND_TRANSPLANT_CODES = _own(
    "second-allogeneic-transplant", "Second allogeneic stem-cell transplant (HSCT2)"
)

# Transplanted, but from whom is not said. Donor lymphocytes (38242) and a boost (38243) are
# no transplants.
_UNSPECIFIED_TRANSPLANT_CODES = _snomed(
    _234336002="Hemopoietic stem cell transplant",
    _23719005="Transplantation of bone marrow",
    _1269349006="Transplantation of stem cell",
    _2631000119108="History of bone marrow transplant",
    _153351000119102="History of peripheral stem cell transplant",
)
_UNSPECIFIED_TRANSPLANT_PREFIXES = (
    # Status after, complications of, and graft-versus-host disease.
    Prefixes(ICD_10_CM, ("Z9481", "Z9484", "T860", "T865", "D8981")),
    Prefixes(ICD_10, ("T860",)),
)

AML = CodeSet(_AML_CODES, _AML_PREFIXES)
ALL = CodeSet(_ALL_CODES, _ALL_PREFIXES)
OTHER_ACUTE_LEUKAEMIA = CodeSet(_OTHER_ACUTE_LEUKAEMIA_CODES, _OTHER_ACUTE_LEUKAEMIA_PREFIXES)
ALLOGENEIC = CodeSet(_ALLOGENEIC_CODES)
AUTOLOGOUS = CodeSet(_AUTOLOGOUS_CODES)
SECOND_TRANSPLANT = CodeSet(_SECOND_TRANSPLANT_CODES)
UNSPECIFIED_TRANSPLANT = CodeSet(_UNSPECIFIED_TRANSPLANT_CODES, _UNSPECIFIED_TRANSPLANT_PREFIXES)

OWN_CODES: Sequence[Code] = (
    *(code for m in MEASURES for code in m.codes if code.system == CHART_CODES),
    *_own("myeloablative", "Myeloablative conditioning"),
    *_own("reduced-intensity", "Reduced-intensity conditioning"),
    *(code for code in _ALLOGENEIC_CODES if code.system == CHART_CODES),
    *_SECOND_TRANSPLANT_CODES,
)
"""The concepts of our own CodeSystem."""

SAME_TRANSPLANT_DAYS = 30
"""Procedures no further apart are records of one transplant."""

CLOCK_SKEW_MINUTES = 10
"""A time that is less ahead of the clock is not in the future."""
