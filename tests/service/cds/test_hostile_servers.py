"""FHIR servers that hang, redirect, answer HTML or without end: a clear outcome each time."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cds.services import MEASURED, PARTS
from tests.ports import free_port
from tests.server import Server
from tests.service.cds.calls import call, cards, outcome, texts, the_card
from tests.service.cds.charts import (
    PATIENT_ID,
    bundle,
    ecog,
    leukaemia,
    measured,
    patient,
    patient_view,
    prefetch,
    transplant,
)
from tests.service.cds.ehr import (
    Answer,
    Ehr,
    Refusing,
    asked_for,
    hangs,
    never_ends,
    sends,
    sends_json,
)

TOKEN = "canary-token-0815"
SECONDS = 3.0
ECOG = asked_for("ecog", PATIENT_ID)


@dataclass(frozen=True)
class World:
    """A service that may read from one FHIR server, and a place where it must never go."""

    server: Server
    ehr: Ehr
    elsewhere: Refusing

    def ask(self, answers: dict[str, Answer], **changes: Any) -> httpx.Response:
        self.ehr.answers = answers
        self.ehr.requests.clear()
        return call(self.server, asking(self.ehr.base, **changes))


def asking(base: str, **changes: Any) -> dict[str, Any]:
    """Return a call that sends no prefetch along, but where to fetch it."""
    token = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "s"}
    return patient_view({}, fhirServer=base, fhirAuthorization=token) | changes


def good() -> dict[str, Answer]:
    return {
        "Patient": sends_json(patient()),
        "Condition": sends_json(bundle(leukaemia())),
        "Procedure": sends_json(bundle(transplant())),
        ECOG: sends_json(bundle(ecog())),
        **{asked_for(key, PATIENT_ID): sends_json(bundle(one)) for key, one in measured().items()},
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    log = tmp_path_factory.mktemp("hostile") / "log"
    with ExitStack() as stack:
        ehr, elsewhere = stack.enter_context(Ehr({})), stack.enter_context(Refusing())
        server = stack.enter_context(
            Server(
                log,
                cds_fhir_servers=json.dumps([f"{ehr.base}/"]),
                cds_fetch_seconds=SECONDS,
                max_chart_bytes=1_000_000,
            )
        )
        call(server, patient_view())  # what is loaded once is loaded
        yield World(server, ehr, elsewhere)
        assert elsewhere.knocks == 0
        log_text = server.log_up_to_now()
        assert TOKEN not in log_text
        assert PATIENT_ID not in log_text


def test_what_was_not_sent_is_fetched_with_the_token_and_nothing_else_is(world: World) -> None:
    card = the_card(world.ask(good()))
    assert "Haemoglobin: 8.9 g/dL" in card["detail"]
    assert "Not looked up" not in card["detail"]
    assert sorted(world.ehr.paths) == sorted(asked_for(key, PATIENT_ID) for key in PARTS)
    assert {token for _, token in world.ehr.requests} == {f"Bearer {TOKEN}"}


def test_what_was_sent_or_looked_for_in_vain_is_not_fetched(world: World) -> None:
    given = prefetch(ferritin_ng_ml=None)
    del given["ecog"]
    card = the_card(world.ask(good(), prefetch=given))
    assert world.ehr.paths == [ECOG]
    assert "Ferritin" in card["detail"].partition("Unknown, expected")[2].partition("\n")[0]


def test_of_a_patient_to_whom_the_model_does_not_apply_no_value_is_fetched(world: World) -> None:
    answers = good() | {"Condition": sends_json(bundle(leukaemia(code="C50.9")))}
    assert cards(world.ask(answers)) == []
    fetched = {key for key in PARTS if asked_for(key, PATIENT_ID) in world.ehr.paths}
    assert fetched == set(PARTS) - set(MEASURED)


def test_pages_are_followed_to_the_end(world: World) -> None:
    first = bundle(link=[{"relation": "next", "url": f"{world.ehr.base}?_getpages=a&page=2"}])
    # A relative link is below the page that has it.
    second = bundle(link=[{"relation": "next", "url": "fhir/Condition?page=3"}])
    answers = good() | {
        "Condition": sends_json(first),
        "/fhir?_getpages=a&page=2": sends_json(second),
        "/fhir/Condition?page=3": sends_json(bundle(leukaemia())),
    }
    the_card(world.ask(answers))
    assert world.ehr.paths.count("/fhir/Condition?page=3") == 1


def test_no_more_pages_of_a_value_are_fetched_than_are_wanted(world: World) -> None:
    many = bundle(
        *(ecog(n % 2, days=n + 1) for n in range(20)),
        link=[{"relation": "next", "url": f"{world.ehr.base}/Observation?page=2"}],
    )
    the_card(world.ask(good() | {ECOG: sends_json(many)}))
    assert "/fhir/Observation?page=2" not in world.ehr.paths


HTML = b"<!doctype html><title>Sign in</title>"
FAILURES: dict[str, tuple[Answer, str]] = {
    "hangs": (hangs, "did not answer in time"),
    "never ends": (never_ends, "longer than 1000000 bytes"),
    "is HTML": (sends(HTML, Content_Type="text/html; charset=utf-8"), "not JSON"),
    "is HTML that says it is JSON": (sends(HTML), "not JSON"),
    "is cut off": (sends(b'{"resourceType": "Bundle", "entry": ['), "not JSON"),
    "is no JSON number": (sends(b'{"resourceType": "Bundle", "total": NaN}'), "not JSON"),
    "is nested deeply": (sends(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "not JSON"),
    "is not text": (sends(b"\xff\xfe\x00"), "not JSON"),
    "is another resource": (sends_json({"resourceType": "OperationOutcome"}), "is no "),
    "is a list": (sends_json([{"resourceType": "Bundle"}]), "is no "),
    "is compressed": (
        sends(gzip.compress(b"x" * 1_000_000), Content_Encoding="gzip"),
        "compressed",
    ),
    "is unauthorised": (sends(b"{}", status=401), "status 401"),
    "is an error": (sends(HTML, status=500, Content_Type="text/html"), "status 500"),
    "is empty": (sends(b""), "not JSON"),
    "redirects to a private address": (
        sends(b"", status=302, Location="http://169.254.169.254/latest/meta-data"),
        "status 302",
    ),
    "redirects to another scheme": (
        sends(b"", status=307, Location="file:///etc/passwd"),
        "status 307",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("part", ["Patient", "Condition", ECOG])
def test_a_part_that_is_needed_and_cannot_be_read_is_a_failed_precondition(
    part: str, failure: str, world: World
) -> None:
    answer, reason = FAILURES[failure]
    before = time.monotonic()
    issues = outcome(world.ask(good() | {part: answer}), 412)
    assert time.monotonic() - before < 5 * SECONDS
    assert reason in texts(issues)
    for text in ("canary", "127.0.0.1", "Sign in", "169.254"):
        assert text not in texts(issues)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_value_that_cannot_be_read_is_unknown_and_named(failure: str, world: World) -> None:
    answer, _ = FAILURES[failure]
    response = world.ask(good() | {asked_for("ferritin_ng_ml", PATIENT_ID): answer})
    if failure == "never ends" and response.status_code == 412:
        return  # what it took was not left for the others, ECOG among them
    assert "Ferritin" in the_card(response)["detail"].partition("**Not looked up**")[2]


def test_redirects_to_where_somebody_listens_are_not_followed(world: World) -> None:
    for status in (301, 302, 303, 307, 308):
        elsewhere = sends(b"", status=status, Location=f"{world.elsewhere.address}/fhir/Patient/1")
        outcome(world.ask(good() | {"Patient": elsewhere}), 412)
        assert len(world.ehr.paths) == 4
    own = sends(b"", status=302, Location=f"{world.ehr.base}/Patient/other")
    outcome(world.ask(good() | {"Patient": own}), 412)
    assert len(world.ehr.paths) == 4


def test_a_next_page_elsewhere_is_not_fetched(world: World) -> None:
    port = world.elsewhere.address.rpartition(":")[2]
    for url in (
        f"{world.elsewhere.address}/fhir/Condition?page=2",
        f"//127.0.0.1:{port}/fhir/Condition",
        f"http://{world.ehr.address.removeprefix('http://')}@127.0.0.1:{port}/fhir",
        "http://169.254.169.254/fhir/Condition",
        f"{world.ehr.address}/admin",
        f"{world.ehr.address}/fhirx/Condition",
        f"{world.ehr.base}/../admin",
        f"{world.ehr.base}/%2e%2e/admin",
        world.ehr.base.replace("http://", "https://"),
        world.ehr.base.replace("http://", "ftp://"),
        "http://[",
        "\x00",
        "",
    ):
        page = bundle(link=[{"relation": "next", "url": url}])
        issues = outcome(world.ask(good() | {"Condition": sends_json(page)}), 412)
        assert url not in texts(issues) or not url
        assert len(world.ehr.paths) == 4, url


def test_pages_without_end_come_to_an_end(world: World) -> None:
    loop = bundle(link=[{"relation": "next", "url": f"{world.ehr.base}/Condition?page=2"}])
    issues = outcome(world.ask(good() | {"Condition": sends_json(loop)}), 412)
    assert "circle" in texts(issues)

    class Counting:
        pages = 0

        def __call__(self, request: Any) -> None:
            self.pages += 1
            url = f"{world.ehr.base}/Condition?page={self.pages}"
            sends_json(bundle(link=[{"relation": "next", "url": url}]))(request)

    counting = Counting()
    issues = outcome(world.ask(good() | {"Condition": counting}), 412)
    assert "more than 20 pages" in texts(issues)
    assert counting.pages == 20


def test_another_patient_than_asked_for_is_not_assessed(world: World) -> None:
    outcome(world.ask(good() | {"Patient": sends_json(patient("other"))}), 412)
    outcome(world.ask(good() | {ECOG: sends_json(bundle(ecog(patient_id="other")))}), 412)


@pytest.mark.parametrize(
    "base",
    [
        "https://other.example/fhir",
        "http://169.254.169.254/latest",
        "http://127.0.0.1:1/fhir",
        "file:///etc/passwd",
        "not a url",
        "",
    ],
)
def test_a_server_that_is_not_allowed_is_never_asked(base: str, world: World) -> None:
    issues = outcome(world.ask(good(), fhirServer=base), 412)
    assert "may read from" in texts(issues)
    assert "canary" not in texts(issues)
    assert world.ehr.paths == []


def test_variants_of_an_allowed_address_are_not_it(world: World) -> None:
    base = world.ehr.base
    for other in (
        base.replace("127.0.0.1", "localhost"),
        base.replace("127.0.0.1", "user@127.0.0.1"),
        base + "/extra",
        base.removesuffix("/fhir"),
        base + "?x=1",
        base + "#x",
        base.upper().replace("HTTP", "http"),
        world.elsewhere.address + "/fhir",
    ):
        outcome(world.ask(good(), fhirServer=other), 412)
        assert world.ehr.paths == [], other
    the_card(world.ask(good(), fhirServer=base + "/"))


def test_a_patient_id_cannot_leave_the_server_or_the_query(world: World) -> None:
    for patient_id in ("..", ".", "a/../../admin", "1?x=1", "1&_count=0", "a b", "", "x" * 65, "é"):
        context = {"userId": "Practitioner/1", "patientId": patient_id}
        outcome(world.ask(good(), context=context), 422)
        assert world.ehr.paths == []


def test_a_server_that_is_down_is_a_failed_precondition(tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{free_port()}/fhir"
    with Server(tmp_path / "log", cds_fhir_servers=json.dumps([base])) as server:
        issues = outcome(call(server, asking(base)), 412)
        assert "ConnectError" in texts(issues)
        # Where it isn't needed, it isn't missed.
        the_card(call(server, patient_view(fhirServer=base)))


def test_others_are_answered_while_a_server_hangs(world: World) -> None:
    answers: list[httpx.Response] = []
    slow = threading.Thread(target=lambda: answers.append(world.ask(good() | {"Patient": hangs})))
    slow.start()
    time.sleep(0.3)
    with world.server.client() as client:
        assert client.get("/livez").status_code == 200
    assert not answers
    slow.join()
    outcome(answers[0], 412)
