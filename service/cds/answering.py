"""From a fired hook to cards: gather the chart, read it, predict where it belongs."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from uuid_utils import uuid7

from model.artifact import Artifact
from service.cds import composing
from service.cds.cards import Card
from service.cds.fhir_server import FhirServers
from service.cds.gathering import Gathered, Gatherer
from service.cds.orders import selected_transplants
from service.cds.requests import HookRequest, OrderSelectCall
from service.cds.services import APPLICABILITY, KARNOFSKY, MEASURED, ORDERS
from service.chart import ChartError, Reading, Verdict, collect_prefetch, read_chart
from service.fhir.refusals import RefusedError
from service.predictions import PredictionQuery, PredictionRequest, ServedModel
from service.predictor import Asked, Predictor
from service.settings import Settings


@dataclass(frozen=True)
class Advisor:
    """Answers hooks with cards.

    Attributes
    ----------
    servers : FHIR servers that charts may be read from
    where_ecog_is_missing : whether a card names the missing value
    public_url : of the page that a card links to; empty for no link
    """

    servers: FhirServers
    predictor: Predictor
    where_ecog_is_missing: Literal["card", "none"]
    public_url: str

    async def cards(
        self, request: HookRequest, artifact: Artifact, asked: Asked, now: datetime
    ) -> list[Card]:
        """Return the card for a patient, none where the model has nothing to say.

        Where it has nothing to say, nothing more of the chart is read than shows it.

        Raises
        ------
        RefusedError
            412 if the patient, their conditions or ECOG cannot be determined; 422 if what
            was sent is no chart of this patient.
        StoreUnavailableError
            If the prediction cannot be stored, and so is not to be shown.
        """
        gatherer = Gatherer(request, self.servers, asked.request_id)
        gathered = gatherer.gathered
        parts = list(APPLICABILITY)
        if isinstance(request, OrderSelectCall):
            context = request.context
            orders = selected_transplants(context.draft_orders, context.selections)
            if orders is None:
                return []
            gathered.found["draftOrders"] = orders
            parts.remove(ORDERS)
        await gatherer.add(parts)
        reading = await _read(gathered, now)
        if reading.verdict is not Verdict.APPLIES:
            return []
        await gatherer.add(MEASURED)
        reading = await _read(gathered, now)
        if reading.verdict is not Verdict.APPLIES:
            return []
        if reading.patient is None:
            gathered.require(KARNOFSKY)  # ECOG would have been derived from it
            return self._of_missing_ecog(artifact, reading)
        patient = PredictionRequest(
            **reading.patient.model_dump(),
            subject_reference=f"Patient/{request.context.patient_id}",
        )
        query = PredictionQuery.model_validate({"curve": False})
        answered = await self.predictor.predict(artifact, patient, query, asked)
        return [
            composing.estimate(answered.prediction, reading, gathered.not_read, self.public_url)
        ]

    def _of_missing_ecog(self, artifact: Artifact, reading: Reading) -> list[Card]:
        if self.where_ecog_is_missing == "none":
            return []
        model = ServedModel.of(artifact)
        return [composing.missing_ecog(str(uuid7()), model, reading, self.public_url)]


def advisor(settings: Settings, predictor: Predictor) -> Advisor:
    """Return the advisor that the settings ask for."""
    servers = FhirServers.of(
        settings.cds_fhir_servers, settings.cds_fetch_seconds, settings.max_chart_bytes
    )
    return Advisor(servers, predictor, settings.cds_missing_ecog, settings.public_url)


async def _read(gathered: Gathered, now: datetime) -> Reading:
    """Read the chart in a thread: a thousand Observations would hold other requests up."""
    try:
        return await asyncio.to_thread(_read_chart, gathered, now)
    except ChartError as unreadable:
        raise RefusedError(412 if gathered.fetched else 422, unreadable.issues) from None


def _read_chart(gathered: Gathered, now: datetime) -> Reading:
    return read_chart(collect_prefetch(gathered.found), now=now)
