"""Values that no honest part of the service could hold, put everywhere: where they stay."""

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from model.patient import COVARIATES
from service.access import SCOPES
from tests.faults.process import Victim
from tests.server import FULL_PATIENT, run_service
from tests.service.cds import charts as cds_charts
from tests.service.cds.calls import ORDER_SELECT, PATIENT_VIEW
from tests.service.fhir import charts

CANARY = "Zebedee-Quux"
SECRET = "zebedee quux, born 1971-03-17"
FERRITIN = 418273.625
LDH = 31847.59375
DIGITS = "7313717"
TRACES = ("zebedee", "418273.6", "31847.59", DIGITS, "quux")
PATIENT = {**FULL_PATIENT, "ferritin_ng_ml": FERRITIN, "ldh_u_l": LDH}
BODIES: list[Any] = [
    {**PATIENT, "subject_reference": CANARY},
    {**PATIENT, "subject_reference": CANARY * 30},
    {**PATIENT, CANARY: DIGITS, SECRET: 1},
    {**PATIENT, "ecog": CANARY},
    {**PATIENT, "age_years": int(DIGITS)},
    dict.fromkeys(COVARIATES, CANARY),
    {name: int(DIGITS) for name in COVARIATES},
    [CANARY, int(DIGITS)],
    CANARY,
]
RAW_BODIES = [
    f'{{"ecog": 1, "disease": "{CANARY}'.encode(),
    f'{{"ecog": 1, "{CANARY}": 1, "{CANARY}": 2}}'.encode(),
    f"name,ecog\n{CANARY},{DIGITS}\n".encode(),
    CANARY.encode("utf-16"),
    CANARY.encode() * 10_000,
    b'{"ecog": 1, "subject_reference": "' + CANARY.encode() + b'\\ud800"}',
]
HEADERS = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Cookie",
    "Host",
    "Idempotency-Key",
    "Origin",
    "Referer",
    "Sec-Fetch-Site",
    "Traceparent",
    "User-Agent",
    "X-API-Key",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Request-Id",
    CANARY,
]


@dataclass(frozen=True)
class Guarded:
    """A service that asks for keys, and a key that may do everything."""

    victim: Victim
    key: str
    keys: Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("privacy")
    keys = folder / "api-keys.json"
    scopes = [word for scope in ("predict", "audit", "admin") for word in ("--scope", scope)]
    made = run_service("keys", "create", "ward", *scopes, api_keys=keys)
    with Victim(folder, auth="api-key", api_keys=keys) as victim:
        yield Guarded(victim, made.stdout.strip(), keys)


def traces_in(content: bytes) -> set[str]:
    """Return what is left of the canaries in bytes, as they are or in a common encoding."""
    found = content.lower()
    return {
        trace
        for trace in TRACES
        for form in (
            trace.encode(),
            trace.encode("utf-16-le"),
            base64.b64encode(trace.encode()).rstrip(b"=")[:-1].lower(),
            trace.encode().hex().encode(),
        )
        if form in found
    }


def through_every_route(client: httpx.Client) -> Iterator[httpx.Response]:
    """Send a canary in every part of the address of every route."""
    for method, template in SCOPES:
        filled = re.sub(r"{\w+}", CANARY, template)
        known = re.sub(r"{\w+}", CANARY, template.replace("{model}", "hsct2-os"))
        for path in (
            filled,
            f"{known}?{CANARY}={DIGITS}&model={CANARY}&curve={quote(SECRET)}",
            f"{known}/{CANARY}",
            f"/{CANARY}{known}",
        ):
            for verb in (method, "DELETE", "ZEBEDEE"):
                yield client.request(verb, path, json={"ecog": 1, "disease": CANARY})


def through_every_header(client: httpx.Client) -> Iterator[httpx.Response]:
    for name in HEADERS:
        for value in (CANARY, f"{CANARY} {DIGITS}", f"Bearer {CANARY}.{DIGITS}.{CANARY}"):
            for path in ("/v1/predictions", "/v1/predictions?curve=false&model=none"):
                yield client.post(path, json={"ecog": 1}, headers={name: value})


def through_every_body(client: httpx.Client) -> Iterator[httpx.Response]:
    for body in BODIES:
        yield client.post("/v1/predictions", json=body)
    for content in RAW_BODIES:
        for kind in ("application/json", f"text/csv; name={CANARY}"):
            yield client.post("/v1/predictions", content=content, headers={"Content-Type": kind})


def through_every_chart(client: httpx.Client) -> Iterator[httpx.Response]:
    """Send canaries as identifiers, values, names and codes of charts."""
    ferritin = charts.observation(
        CANARY, "2276-4", CANARY, note=[{"text": SECRET}], **charts.quantity(FERRITIN, "ng/mL")
    )
    named = charts.patient(CANARY, name=[{"text": SECRET}])
    whole = [*charts.of_one(CANARY), ferritin]
    missing = [charts.leukaemia(CANARY, CANARY), named, ferritin, charts.ecog(1, DIGITS)]
    strange = charts.observation("ldh", "2532-0", CANARY, **charts.quantity(LDH, SECRET))
    sent: list[Any] = [
        charts.bundle(*whole, strange),
        charts.bundle(*whole, base=f"https://{CANARY}.example/{CANARY}"),
        charts.bundle(named, ferritin),
        charts.bundle(*missing),
        charts.bundle({"resourceType": CANARY, "id": SECRET}, named),
        {"resourceType": CANARY, CANARY: DIGITS},
        {"resourceType": "Bundle", "type": CANARY, "entry": [CANARY, {CANARY: CANARY}]},
        charts.parameters(named, {"name": CANARY, "valueString": SECRET}),
        charts.parameters(named, {"name": "model", "valueString": CANARY}),
        charts.parameters(named, {"name": "horizonMonths", "valueDecimal": int(DIGITS)}),
        charts.batch(charts.bundle(*whole), {CANARY: CANARY}, named, url=f"{CANARY}?{CANARY}=1"),
    ]
    for chart in sent:
        for query in ({}, {CANARY: DIGITS}, {"model": CANARY}, {"_format": CANARY}):
            yield client.post("/fhir/$hsct2-risk", json=chart, params=query)
    for content in RAW_BODIES:
        for kind in ("application/fhir+json", f"application/fhir+xml; name={CANARY}"):
            headers = {"Content-Type": kind}
            yield client.post("/fhir/$hsct2-risk", content=content, headers=headers)


def files_written(victim: Victim) -> list[Path]:
    """Return the files that the process has open for writing."""
    written = []
    for link in Path(f"/proc/{victim.pid}/fd").iterdir():
        try:
            flags = Path(f"/proc/{victim.pid}/fdinfo/{link.name}").read_text("ascii").split()[3]
            target = link.readlink()
        except FileNotFoundError:  # closed since
            continue
        if int(flags, 8) & 0b11 and str(target).startswith("/") and "/dev/" not in str(target):
            written.append(target)
    return written


def through_every_batch(client: httpx.Client) -> Iterator[httpx.Response]:
    """Send batches in every form; an answer of theirs holds no value, so all are searched."""
    rows = [*BODIES, {**PATIENT, "ecog": int(DIGITS)}, PATIENT]
    lines = b"\n".join([*(json.dumps(row).encode() for row in rows), *RAW_BODIES])
    sent = [
        ("application/json", json.dumps(rows).encode()),
        ("application/x-ndjson", lines),
        ("text/csv", f"ecog,ferritin_ng_ml\n1,{FERRITIN}\n{CANARY},{DIGITS}\n".encode()),
        ("text/csv", f"ecog,{SECRET},{CANARY}\n1,{DIGITS},{CANARY}\n".encode()),
        ("application/vnd.apache.arrow.stream", CANARY.encode() * 100),
        ("application/vnd.apache.parquet", b"PAR1" + CANARY.encode() + b"PAR1"),
        *((kind, body) for body in RAW_BODIES for kind in ("application/json", "text/csv")),
    ]
    for kind, content in sent:
        for query in ({}, {CANARY: DIGITS}, {"model": CANARY}):
            headers = {"Content-Type": kind}
            response = client.post(
                "/v1/predictions/batch", content=content, headers=headers, params=query
            )
            assert not traces_in(response.content), response.text
            yield response


def through_every_hook(client: httpx.Client) -> Iterator[httpx.Response]:
    named = cds_charts.patient(CANARY, name=[{"family": SECRET}])
    calls = [
        cds_charts.patient_view(),
        cds_charts.patient_view(hookInstance=CANARY),
        cds_charts.patient_view(context={"userId": CANARY, "patientId": CANARY}),
        cds_charts.patient_view(cds_charts.prefetch(patient=named)),
        cds_charts.patient_view(fhirServer=f"https://{CANARY}.example/{DIGITS}"),
        cds_charts.patient_view({}, fhirAuthorization={"access_token": SECRET}),
        {**cds_charts.patient_view(), CANARY: SECRET},
    ]
    for body in calls:
        for path in (PATIENT_VIEW, ORDER_SELECT, f"{PATIENT_VIEW}/feedback", f"/{CANARY}"):
            yield client.post(path, json=body)
    told = {"feedback": [{"card": str(uuid4()), "outcome": CANARY, CANARY: SECRET}]}
    yield client.post(f"{PATIENT_VIEW}/feedback", json=told)


EVERYWHERE = (
    through_every_route,
    through_every_header,
    through_every_body,
    through_every_chart,
    through_every_batch,
    through_every_hook,
)


@pytest.mark.slow
def test_what_patients_are_stands_in_the_store_and_nowhere_else(guarded: Guarded, saw: Any):
    victim = guarded.victim
    statuses: dict[int, int] = {}
    with victim.client(**{"X-API-Key": guarded.key}) as client:
        for send in EVERYWHERE:
            for response in send(client):
                statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
                assert response.status_code < 500
                assert not traces_in(str(response.headers.multi_items()).encode())
                if response.status_code != 200:
                    assert not traces_in(response.content), response.text
        assert not traces_in(client.get("/metrics").content)
        assert not traces_in(client.get("/readyz").content)
        with victim.half_a_prediction() as connection:
            connection.sendall(f'"{CANARY}'.encode())
        victim.raw(f"GET /{CANARY} {CANARY}\r\n\r\n".encode())
    saw(**{f"status_{status}": count for status, count in statuses.items()})
    log = victim.log_up_to_now().encode()
    assert log.count(b'"event":"request"') > sum(statuses.values())
    assert not traces_in(log)
    assert {400, 401, 404, 405, 406, 413, 415, 422} <= set(statuses)
    assert statuses[200] > 20

    store = victim.place.file
    of_store = {store.with_name(store.name + suffix) for suffix in ("", "-wal", "-shm")}
    assert set(files_written(victim)) <= of_store | set(victim.logs)
    files = [path for path in victim.folder.rglob("*") if path.is_file()]
    assert of_store < set(files)
    for path in files:
        assert not traces_in(str(path.relative_to(victim.folder)).encode())
        if path not in of_store:
            assert not traces_in(path.read_bytes()), path
    assert not list((victim.folder / "temporary").iterdir())
    assert not list((victim.folder / "work").iterdir())
    with sqlite3.connect(store) as connected:
        held = "\n".join(row[0] for row in connected.execute("SELECT input FROM audit_prediction"))
        keyed = [row[0] for row in connected.execute("SELECT key FROM audit_idempotency")]
    connected.close()
    assert str(FERRITIN) in held
    assert str(LDH) in held
    assert CANARY in keyed
