"""What a CDS client sends when a hook fires, and what it later says of the cards.

Members that are not ours are passed over, as CDS Hooks adds some with every version and
lets vendors add others; the patient's values come from FHIR resources, which are read
strictly elsewhere.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

Uuid = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
    ),
]
# Of dots alone, an id would be a step up in a path.
FhirId = Annotated[
    str, StringConstraints(pattern=r"^[.-]*[A-Za-z0-9][A-Za-z0-9.-]*$", max_length=64)
]
TypedId = Annotated[
    str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}$", max_length=130)
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class _Sent(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, strict=True, alias_generator=to_camel, defer_build=True
    )


class FhirAuthorization(_Sent):
    """A token with which the chart may be read from the FHIR server."""

    model_config = ConfigDict(alias_generator=None)  # these members are named as in OAuth

    access_token: str = Field(
        repr=False, min_length=1, max_length=16_384, pattern=r"^[A-Za-z0-9._~+/=-]+$"
    )
    token_type: Literal["Bearer"]
    expires_in: int | None = None
    scope: str | None = None
    subject: str | None = None


class PatientViewContext(_Sent):
    """Whose chart was opened by whom."""

    user_id: TypedId = Field(examples=["Practitioner/123"])
    patient_id: FhirId = Field(examples=["456"])
    encounter_id: FhirId | None = None


class OrderSelectContext(PatientViewContext):
    """Which of the orders that are being written were selected."""

    selections: Annotated[
        list[TypedId], Field(min_length=1, max_length=1_000, examples=[["ServiceRequest/789"]])
    ]
    draft_orders: dict[str, Any] = Field(
        description="Bundle of the orders", examples=[{"resourceType": "Bundle", "entry": []}]
    )


class _HookRequest(_Sent):
    hook_instance: Uuid = Field(description="of this call; repeated calls have others")
    fhir_server: str | None = Field(
        None,
        max_length=2_000,
        description="Base URL of the client's FHIR server. It is asked for prefetch keys that"
        " are absent, if this service may read from it.",
    )
    fhir_authorization: FhirAuthorization | None = None
    prefetch: dict[str, Any] | None = Field(
        None,
        description="By the keys of the service's templates; null: it was looked for, there is"
        " none.",
    )

    @model_validator(mode="after")
    def _token_for_a_server(self) -> Self:
        if self.fhir_authorization is not None and self.fhir_server is None:
            raise PydanticCustomError(
                "server_missing", "fhirAuthorization needs the fhirServer that it is for"
            )
        return self

    @property
    def given(self) -> Mapping[str, Any]:
        """The prefetched resources by key."""
        return self.prefetch or {}


class PatientViewCall(_HookRequest):
    """A chart was opened."""

    hook: Literal["patient-view"]
    context: PatientViewContext


class OrderSelectCall(_HookRequest):
    """An order was selected."""

    hook: Literal["order-select"]
    context: OrderSelectContext


HookRequest = PatientViewCall | OrderSelectCall


class Reason(_Sent):
    """A coded reason for not following a card."""

    code: Line
    system: Line | None = None
    display: Line | None = None


class OverrideReason(_Sent):
    """Why a card was not followed."""

    reason: Reason | None = None
    user_comment: Annotated[str, StringConstraints(max_length=4_000)] | None = None

    def as_json(self) -> str:
        """Return it as it was sent, in ASCII, so that any database takes it."""
        return json.dumps(self.model_dump(by_alias=True, exclude_none=True))


class AcceptedSuggestion(_Sent):
    """A suggestion that was followed."""

    id: Line


class CardFeedback(_Sent):
    """What became of one card."""

    card: Uuid
    outcome: Literal["accepted", "overridden"]
    accepted_suggestions: Annotated[list[AcceptedSuggestion], Field(max_length=20)] | None = None
    override_reason: OverrideReason | None = None
    outcome_timestamp: (
        Annotated[
            str,
            StringConstraints(
                pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$"
            ),
        ]
        | None
    ) = None


class FeedbackMessage(_Sent):
    """What became of cards."""

    feedback: Annotated[list[CardFeedback], Field(min_length=1, max_length=100)]
