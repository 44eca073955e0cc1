"""A page of an allowed origin may call, as CDS Hooks asks; no other page may."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server
from tests.service.cds.calls import PATIENT_VIEW
from tests.service.cds.charts import patient_view

ORIGIN = "https://ehr.example"


@pytest.fixture(scope="module")
def open_to_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log: Path = tmp_path_factory.mktemp("cds-cors") / "log"
    with Server(log, cors_origins=f'["{ORIGIN}"]') as started:
        yield started


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/cds-services"), ("POST", PATIENT_VIEW), ("POST", f"{PATIENT_VIEW}/feedback")],
)
def test_a_page_of_an_allowed_origin_may_call(
    method: str, path: str, open_to_pages: Server
) -> None:
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    with open_to_pages.client(Origin=ORIGIN) as client:
        preflight = client.options(path, headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in preflight.headers["Access-Control-Allow-Methods"]
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed


def test_answers_and_errors_are_readable_to_an_allowed_origin_alone(open_to_pages: Server) -> None:
    for body, status in ((patient_view(), 200), (patient_view({}), 412)):
        for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example", None)):
            with open_to_pages.client(Origin=origin) as client:
                response = client.post(PATIENT_VIEW, json=body)
            assert response.status_code == status
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
