"""``GET /cds-services``: when to call, and what to send along."""

import re

import httpx
import pytest
from structlog.testing import capture_logs

from service.app import create_app
from service.cds.services import SERVICES
from service.chart import units
from service.chart.codes import MEASURES
from service.registry import Registry
from service.settings import Settings
from tests.server import Server, in_process

# What CDS Hooks 2.0 recommends clients to support, and nothing more.
READ = re.compile(r"[A-Z][A-Za-z]+/\{\{context\.patientId\}\}")
SEARCH = re.compile(
    r"[A-Z][A-Za-z]+\?patient=\{\{context\.patientId\}\}"
    r"(&code=[^&|,\s]+\|[^&|,\s]+(,[^&|,\s]+\|[^&|,\s]+)*)?(&_sort=-date)?(&_count=\d+)?"
)


def discovered(server: Server) -> httpx.Response:
    with server.client() as client:
        return client.get("/cds-services")


@pytest.mark.parametrize("path", ["/cds-services", "/fhir/metadata"])
def test_whoever_discovers_the_service_has_the_units_loaded_for_the_first_chart(path: str) -> None:
    units.convert.cache_clear()
    with capture_logs():
        app = create_app(Settings(), Registry({}, {}, default=""))
        assert in_process(app, "GET", path).status_code == 200
    assert units.convert.cache_info().currsize > 0


def test_two_services_are_there_and_open_to_all(cds: Server) -> None:
    response = discovered(cds)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    services = response.json()["services"]
    assert [(s["id"], s["hook"]) for s in services] == [
        ("hsct2-risk-patient-view", "patient-view"),
        ("hsct2-risk-order-select", "order-select"),
    ]
    for service in services:
        assert set(service) == {
            *("id", "hook", "title", "description", "usageRequirements", "prefetch")
        }
        assert service["description"]


def test_every_template_is_a_read_or_a_search_that_any_client_can_fill_in(cds: Server) -> None:
    for service in discovered(cds).json()["services"]:
        for key, template in service["prefetch"].items():
            assert READ.fullmatch(template) or SEARCH.fullmatch(template), key


def test_every_code_that_the_chart_is_read_by_is_asked_for(cds: Server) -> None:
    for service in discovered(cds).json()["services"]:
        for measure in MEASURES:
            asked = service["prefetch"][measure.name]
            assert asked.startswith("Observation?")
            for code in measure.codes:
                assert re.search(
                    rf"[=,]{re.escape(code.system)}\|{re.escape(code.code)}[,&]", asked
                )


def test_an_address_that_no_service_has_is_an_outcome(cds: Server) -> None:
    with cds.client() as client:
        for path in ("/cds-services/other", "/cds-services/hsct2-risk-patient-view/other"):
            response = client.post(path, json={})
            assert response.status_code == 404
            assert response.json()["resourceType"] == "OperationOutcome"


def test_the_descriptions_of_hooks_and_services_agree() -> None:
    assert all(id_.endswith(service.hook) for id_, service in SERVICES.items())
