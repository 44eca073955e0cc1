"""A chart on a real FHIR server, loaded by one client and read by others; the service reads it too.

The charts are carebundle's, with the leukaemia, transplant and performance status that it
does not generate.
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import carebundle
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cumulus_fhir_support import FhirClient
from fhirclient.client import FHIRClient
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient

from service.cds.services import MEASURED, PARTS, SERVICES
from tests.fhir_server import CLIENT_ID, TOKEN, FhirServer
from tests.server import Server
from tests.service.cds.calls import call, cards, outcome, texts, the_card
from tests.service.cds.charts import ecog, leukaemia, observation, patient_view, transplant
from tests.service.issuer import ec_key

RELAPSED, FIRST_LINE, ANAEMIC = "relapsed", "first-line", "anaemic"


def generated(seed: int) -> dict[str, Any]:
    """Return a transaction of a chart as carebundle generates it, of two days ago."""
    day = (datetime.now(UTC) - timedelta(days=2)).date()
    made = carebundle.generate_bundle(seed=seed, profile="anaemia", reference_date=day)
    bundle: dict[str, Any] = json.loads(carebundle.to_json(made))
    return bundle


def with_records(chart: dict[str, Any], *resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transaction that makes these too, about its own patient."""
    urn = next(e["fullUrl"] for e in chart["entry"] if e["resource"]["resourceType"] == "Patient")
    for resource in resources:
        made = {k: v for k, v in resource.items() if k != "id"} | {"subject": {"reference": urn}}
        request = {"method": "POST", "url": made["resourceType"]}
        chart["entry"].append({"resource": made, "request": request})
    return chart


def private_jwk() -> dict[str, Any]:
    """Return the loader's key pair as SMART clients take it."""

    def text(number: int) -> str:
        return base64.urlsafe_b64encode(number.to_bytes(48, "big")).rstrip(b"=").decode()

    numbers = ec_key(ec.SECP384R1).private_numbers()
    public = numbers.public_numbers
    return {
        "kty": "EC",
        "crv": "P-384",
        "alg": "ES384",
        "kid": "loader",
        "key_ops": ["sign"],
        "x": text(public.x),
        "y": text(public.y),
        "d": text(numbers.private_value),
    }


@dataclass(frozen=True)
class Hospital:
    """A FHIR server with charts, the service that may read from it, and who is who."""

    fhir: FhirServer
    server: Server
    patients: Mapping[str, str]
    token: str

    def asking(self, name: str, **changes: Any) -> dict[str, Any]:
        token = {"access_token": self.token, "token_type": "Bearer", "expires_in": 300}
        return patient_view(
            {},
            fhirServer=self.fhir.base,
            fhirAuthorization={**token, "scope": "system/*.rs", "subject": "hsct2-risk"},
            context={"userId": "Practitioner/1", "patientId": self.patients[name]},
            **changes,
        )


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    log = tmp_path_factory.mktemp("hospital") / "log"
    with ExitStack() as stack:
        fhir = stack.enter_context(FhirServer(private_jwk()))
        server = stack.enter_context(
            Server(log, cds_fhir_servers=json.dumps([fhir.base]), cds_fetch_seconds=60)
        )
        patients = load(fhir)
        token = asyncio.run(smart_token(fhir))
        yield Hospital(fhir, server, patients, token)
        said = server.log_up_to_now()
        assert not any(secret in said for secret in (token, TOKEN, *patients.values()))


def load(fhir: FhirServer) -> dict[str, str]:
    """Load the charts with fhirpy, and return the ids that the server gave the patients."""
    others = [leukaemia(code="D64.9") for _ in range(120)]  # a page holds a hundred
    charts = {
        RELAPSED: with_records(
            generated(1),
            *others,
            leukaemia(),
            transplant(),
            ecog(1, days=3),
            ecog(3, days=40),
            observation("2532-0", 5.1, "ukat/L", days=3),
            observation("2276-4", 1150, "ug/L", days=3),
        ),
        FIRST_LINE: with_records(generated(2), leukaemia(), ecog(1)),
        ANAEMIC: generated(3),
    }
    client = SyncFHIRClient(fhir.base, authorization=f"Bearer {TOKEN}")
    patients = {}
    for name, chart in charts.items():
        loaded = client.execute("", method="post", data=chart)
        assert all(e["response"]["status"] == "201" for e in loaded["entry"])
        (made,) = (
            e["resource"]["id"]
            for e in loaded["entry"]
            if e["resource"]["resourceType"] == "Patient"
        )
        patients[name] = made
    return patients


async def smart_token(fhir: FhirServer) -> str:
    """Get a token as a SMART backend service does, with a signed assertion, and read with it."""
    before = len(fhir.requests)
    keys = {"keys": [private_jwk()]}
    async with FhirClient(
        fhir.base, ["Patient"], smart_client_id=CLIENT_ID, smart_jwks=keys
    ) as client:
        found = await client.request("GET", "Patient")
    assert len(found.json()["entry"]) == 3
    read = [r for r in fhir.requests[before:] if r["path"] == "/fhir/Patient"]
    token = str(read[-1]["authorization"]).removeprefix("Bearer ")
    assert token != TOKEN
    return token


def test_a_chart_is_fetched_and_its_values_name_where_they_are(hospital: Hospital) -> None:
    before = len(hospital.fhir.requests)
    card = the_card(call(hospital.server, hospital.asking(RELAPSED)))
    assert "Not looked up" not in card["detail"]
    for text in ("ECOG performance status: 1 (", "AML (", "306 U/L (", "Ferritin: 1150 ng/mL"):
        assert text in card["detail"]
    assert f"`{hospital.fhir.base}/Observation/" in card["detail"]
    hospital.fhir.wait_for(before + len(PARTS) + 1)
    asked = hospital.fhir.requests[before:]
    assert len(asked) == len(PARTS) + 1  # one search has a second page
    assert sum("_offset=100" in request["path"] for request in asked) == 1
    for request in asked:
        assert request["method"] == "GET"
        assert request["authorization"] == f"Bearer {hospital.token}"
        assert hospital.patients[RELAPSED] in request["path"]


def test_who_sends_the_prefetch_along_gets_the_same_card(hospital: Hospital) -> None:
    """Fill the templates in as a CDS client does, with fhirclient."""
    reader = FHIRClient(settings={"app_id": "ehr", "api_base": hospital.fhir.base})
    reader.server.auth = None
    reader.server.session.headers["Authorization"] = f"Bearer {TOKEN}"
    patient_id = hospital.patients[RELAPSED]
    assert Patient.read(patient_id, reader.server).birthDate is not None
    templates = SERVICES["hsct2-risk-patient-view"].prefetch
    filled = {
        key: reader.server.request_json(template.replace("{{context.patientId}}", patient_id))
        for key, template in templates.items()
    }
    sent, fetched = (
        the_card(call(hospital.server, hospital.asking(RELAPSED) | {"prefetch": prefetch}))
        for prefetch in (filled, {})
    )
    log = hospital.server.log_up_to_now().splitlines()
    assert [line for line in log if "not read" in line] == []
    assert {**sent, "uuid": ""} == {**fetched, "uuid": ""}


@pytest.mark.parametrize("name", [FIRST_LINE, ANAEMIC])
def test_of_who_had_no_transplant_no_value_is_read(name: str, hospital: Hospital) -> None:
    before = len(hospital.fhir.requests)
    assert cards(call(hospital.server, hospital.asking(name))) == []
    expected = len(PARTS) - len(MEASURED)
    hospital.fhir.wait_for(before + expected)
    paths = hospital.fhir.paths(before)
    assert len(paths) == expected
    assert not any("Observation" in path for path in paths)


def test_a_token_that_the_server_refuses_is_a_failed_precondition(hospital: Hospital) -> None:
    body = hospital.asking(RELAPSED)
    body["fhirAuthorization"] |= {"access_token": "expired"}
    assert "status 401" in texts(outcome(call(hospital.server, body), 412))
    del body["fhirAuthorization"]
    assert "status 401" in texts(outcome(call(hospital.server, body), 412))


def test_a_patient_that_the_server_does_not_have_is_a_failed_precondition(
    hospital: Hospital,
) -> None:
    body = hospital.asking(RELAPSED)
    body["context"]["patientId"] = "00000000-0000-4000-8000-000000000000"
    assert "status 404" in texts(outcome(call(hospital.server, body), 412))


def test_the_server_refuses_an_assertion_that_is_not_the_clients(hospital: Hospital) -> None:
    with httpx.Client() as client:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": "e30.e30.AA",
        }
        assert client.post(f"{hospital.fhir.address}/token", data=form).status_code == 400
        assert client.get(f"{hospital.fhir.base}/Patient").status_code == 401
