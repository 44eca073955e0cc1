"""The patient: every covariate's name, unit, accepted range, codes and transform.

This is the one definition. The API schema, the CSV reader, the tables of the
documentation and the order of the coefficients are derived from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Disease = Literal["AML", "ALL"]
Conditioning = Literal["reduced_intensity", "myeloablative"]
Value = float | int | bool | str


class Kind(StrEnum):
    """How a covariate's values are written."""

    GRADE = "grade"
    NUMBER = "number"
    CHOICE = "choice"
    BOOLEAN = "boolean"


class Transform(StrEnum):
    """What is done to a covariate before it is centred and scaled.

    ``SHIFTED_LOG`` is log(x + c): zero lymphocytes are a real value. c belongs
    to the fitted model, not to the patient.
    """

    IDENTITY = "identity"
    LOG = "log"
    SHIFTED_LOG = "shifted_log"


@dataclass(frozen=True)
class Covariate:
    """What is known of one covariate whatever the model; annotates a `Patient` field."""

    kind: Kind
    label: str
    unit: str | None = None
    accepted: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    codes: str = "local code"
    transform: Transform = Transform.IDENTITY

    @property
    def is_binary(self) -> bool:
        """Whether the covariate enters the model as 0 or 1."""
        return self.kind in (Kind.CHOICE, Kind.BOOLEAN)

    @cached_property
    def to_number(self) -> Callable[[Any], float]:
        """How a value becomes the number that enters the transform.

        A choice is 0 for its first value and 1 for its second.
        """
        if self.kind is Kind.CHOICE:
            return {choice: float(code) for code, choice in enumerate(self.choices)}.__getitem__
        return float

    def from_number(self, number: float) -> Value:
        """Undo `to_number` for a number that codes a value exactly."""
        if self.kind is Kind.CHOICE:
            return self.choices[round(number)]
        if self.kind is Kind.BOOLEAN:
            return bool(round(number))
        return round(number) if self.kind is Kind.GRADE else number

    def parse(self, text: str) -> Value | None:
        """Read the value from a cell of a text file; an empty cell is unknown.

        A cell that cannot be read comes back as its text, which `Patient`
        refuses with the field's name.
        """
        text = text.strip()
        if not text:
            return None
        if self.kind is Kind.CHOICE:
            return text
        if self.kind is Kind.BOOLEAN:
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
        try:
            return parse_number(text)
        except ValueError:
            return text

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate as this covariate; null is admitted where the field's type admits it."""
        schema = self._schema_of_a_value()
        return core_schema.nullable_schema(schema) if type(None) in get_args(source) else schema

    def _schema_of_a_value(self) -> CoreSchema:
        if self.kind is Kind.CHOICE:
            return core_schema.literal_schema(list(self.choices))
        if self.kind is Kind.BOOLEAN:
            return core_schema.bool_schema(strict=True)
        assert self.accepted is not None
        low, high = self.accepted
        if self.kind is Kind.GRADE:
            schema: CoreSchema = core_schema.int_schema(ge=int(low), le=int(high))
            return core_schema.no_info_before_validator_function(_alive, schema)
        schema = core_schema.float_schema(ge=low, le=high, allow_inf_nan=False)
        return core_schema.no_info_before_validator_function(_number, schema)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe the field with its label, unit and codes."""
        described = handler(schema)
        unit = f", {self.unit}" if self.unit else ""
        described["description"] = f"{self.label}{unit}. Codes: {self.codes}."
        if self.unit:
            described["x-unit"] = self.unit
        return described


def parse_number(text: str) -> float:
    """Read a number in plain digits; Python's own 1_0 and foreign digits are a ValueError."""
    if "_" in text or not text.isascii():
        raise ValueError("not a number in plain digits")
    return float(text)


def _number(value: object) -> object:
    """Keep "58" and true out of numeric fields: a guess about a patient is not made."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number_type", "Input should be a number")
    return value


def _alive(value: object) -> object:
    if _number(value) == 5:
        raise PydanticCustomError(
            "ecog_dead", "Input is grade 5, dead: a prognosis exists for grades 0 to 4 only"
        )
    return value


class Patient(BaseModel):
    """One patient before a second transplant; None means unknown.

    Only `ecog` is required. Unknown keys are refused, values are not coerced.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ecog: Annotated[
        int,
        Covariate(Kind.GRADE, "ECOG performance status", accepted=(0, 4), codes="LOINC 89247-1"),
    ]
    age_years: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER, "Age at the planned HSCT2", "years", (0, 110), codes="Patient.birthDate"
        ),
    ] = None
    bmi_kg_m2: Annotated[
        float | None,
        Covariate(Kind.NUMBER, "Body mass index", "kg/m²", (8, 90), codes="LOINC 39156-5"),
    ] = None
    disease: Annotated[
        Disease | None,
        Covariate(
            Kind.CHOICE, "Acute leukaemia", choices=get_args(Disease), codes="ICD-10, SNOMED CT"
        ),
    ] = None
    conditioning: Annotated[
        Conditioning | None,
        Covariate(Kind.CHOICE, "Conditioning regimen", choices=get_args(Conditioning)),
    ] = None
    post_transplant_cyclophosphamide: Annotated[
        bool | None, Covariate(Kind.BOOLEAN, "Post-transplant cyclophosphamide, planned")
    ] = None
    donor_chimerism_percent: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER, "HSCT1 donor chimerism, unsorted cells, before HSCT2", "%", (0, 100)
        ),
    ] = None
    cd34_dose_10e6_per_kg: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER,
            "CD34+ cells infused",
            "10⁶/kg of recipient",
            (0.01, 100),
            codes="LOINC 78002-3",
            transform=Transform.LOG,
        ),
    ] = None
    hemoglobin_g_dl: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER, "Haemoglobin", "g/dL", (1, 25), codes="LOINC 718-7, 20509-6, 30313-1"
        ),
    ] = None
    lymphocytes_10e9_l: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER,
            "Lymphocytes",
            "10⁹/L",
            (0, 500),
            codes="LOINC 731-0, 732-8, 26474-7",
            transform=Transform.SHIFTED_LOG,
        ),
    ] = None
    ldh_u_l: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER,
            "Lactate dehydrogenase",
            "U/L",
            (1, 50_000),
            codes="LOINC 2532-0, 14804-9",
            transform=Transform.LOG,
        ),
    ] = None
    ferritin_ng_ml: Annotated[
        float | None,
        Covariate(
            Kind.NUMBER,
            "Ferritin",
            "ng/mL (= µg/L)",
            (0.1, 500_000),
            codes="LOINC 2276-4",
            transform=Transform.LOG,
        ),
    ] = None

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the named covariates as numbers, shape (len(names),); NaN is unknown."""
        values = self.__dict__
        return np.array(
            [
                np.nan if (value := values[name]) is None else COVARIATES[name].to_number(value)
                for name in names
            ]
        )


COVARIATES: dict[str, Covariate] = {
    name: next(m for m in field.metadata if isinstance(m, Covariate))
    for name, field in Patient.model_fields.items()
}
