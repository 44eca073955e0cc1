"""What a CDS client is told: the services that there are, and cards."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

SUMMARY_LENGTH = 140
"""A summary must be shorter than this, in characters."""


class _Answer(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class CdsService(_Answer):
    """One service: when to call it, and what to send along."""

    id: str
    hook: Literal["patient-view", "order-select"]
    title: str
    description: str
    usage_requirements: str
    prefetch: dict[str, str]


class CdsServices(_Answer):
    """The services that there are."""

    services: list[CdsService]


class CardCoding(_Answer):
    """A code of a code system."""

    system: str
    code: str
    display: str


class CardSource(_Answer):
    """Where a card's content is from."""

    label: str
    url: str | None = None
    topic: CardCoding


class CardLink(_Answer):
    """A page that tells more."""

    label: str
    url: str
    type: Literal["absolute"] = "absolute"


class Card(_Answer):
    """One card; there are no suggestions on it, and it is never critical."""

    uuid: str
    summary: str = Field(max_length=SUMMARY_LENGTH - 1)
    detail: str = Field(description="GitHub Flavored Markdown")
    indicator: Literal["info", "warning"]
    source: CardSource
    override_reasons: list[CardCoding]
    links: list[CardLink]


class Cards(_Answer):
    """The cards for one call; none where the model has nothing to say."""

    cards: list[Card]


class Received(_Answer):
    """Feedback was stored."""
