"""The parts of a chart that a call needs: those that were sent, and the rest from a server."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog

from service.cds.fhir_server import FhirServers, next_page
from service.cds.requests import HookRequest
from service.cds.services import PARTS, PATIENT
from service.chart import Issue
from service.fhir.refusals import RefusedError, error

_NO_SERVER = "no fhirServer is named that this service may read from"


@dataclass
class Gathered:
    """What is there of one patient's chart.

    Attributes
    ----------
    found : by key of the part; None was looked for and is not there
    fetched : the keys of what was read from the server
    failures : why others could not be looked up
    partial : the keys of what was sent in part
    """

    found: dict[str, Any] = field(default_factory=dict)
    fetched: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    partial: list[str] = field(default_factory=list)

    @property
    def not_read(self) -> list[str]:
        """What could not be looked up, for people."""
        further = [f"further {PARTS[key].label}" for key in self.partial]
        return [PARTS[key].label for key in self.failures] + further

    def require(self, *keys: str) -> None:
        """Refuse to answer without a part.

        Raises
        ------
        RefusedError
            412 if one could not be looked up.
        """
        missing = [key for key in keys if key in self.failures]
        if missing:
            raise RefusedError(412, [_not_determined(key, self.failures[key]) for key in missing])


class Gatherer:
    """Gathers the parts of one chart for one call, step by step."""

    def __init__(self, request: HookRequest, servers: FhirServers, request_id: str) -> None:
        self._request = request
        self._patient_id = request.context.patient_id
        auth = request.fhir_authorization
        token = auth.access_token if auth else None
        self._reader = servers.reader(request.fhir_server, token)
        self._log = structlog.get_logger("cds").bind(request_id=request_id)
        self.gathered = Gathered()

    async def add(self, parts: Iterable[str]) -> None:
        """Add parts: as they were sent, or else read from the server.

        Raises
        ------
        RefusedError
            412 if one cannot be determined without which there is no answer at all.
        """
        absent = [key for key in parts if not self._take(key)]
        failures: dict[str, str] = dict.fromkeys(absent, _NO_SERVER)
        if self._reader is not None:
            queries = {key: PARTS[key].query(self._patient_id) for key in absent}
            read = await self._reader.read(queries)
            self.gathered.found |= read.resources
            self.gathered.fetched |= set(read.resources)
            failures = {key: str(failure) for key, failure in read.failures.items()}
        for key, reason in failures.items():
            self._log.warning("part of a chart not read", part=key, reason=reason)
        self.gathered.failures |= failures
        self.gathered.require(*(key for key in parts if PARTS[key].required))
        if PATIENT in parts:
            self._check_patient()

    def _take(self, key: str) -> bool:
        """Take a part that was sent; whether it was."""
        given = self._request.given
        if key not in given:
            return False
        value = given[key]
        if value is None:
            self.gathered.found[key] = None
            return True
        kind = value.get("resourceType") if isinstance(value, dict) else None
        if kind == "OperationOutcome":  # the client's own search failed
            return False
        if kind != PARTS[key].resource_type:
            text = f"must be a {PARTS[key].resource_type}, or null"
            raise RefusedError(422, [error("prefetch", text, f"prefetch.{key}")])
        if PARTS[key].enough is None and next_page(value) is not None:
            if self._reader is not None:
                return False
            self.gathered.partial.append(key)
        self.gathered.found[key] = value
        return True

    def _check_patient(self) -> None:
        patient = self.gathered.found[PATIENT]
        if patient is None:
            text = "The patient was looked for and is not there"
            raise RefusedError(412, [error("not_determined", f"{text}.")])
        if patient.get("id") != self._patient_id:
            fetched = PATIENT in self.gathered.fetched
            text = "is another patient than context.patientId"
            raise RefusedError(
                412 if fetched else 422, [error("another_patient", text, f"prefetch.{PATIENT}")]
            )


def _not_determined(key: str, reason: str) -> Issue:
    label = PARTS[key].label
    return error(
        "not_determined",
        f"{label[0].upper()}{label[1:]}: not sent, and {reason}.",
        f"prefetch.{key}",
    )
