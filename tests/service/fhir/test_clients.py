"""Clients that others wrote call the operation over HTTP."""

from typing import Any

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.operationoutcome import OperationOutcome as OutcomeOfClient
from fhirclient.models.riskassessment import RiskAssessment
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from requests import HTTPError

from tests.server import Server
from tests.service.fhir import charts

OPERATION = "$hsct2-risk"


def test_fhirpy_gets_an_assessment_and_understands_a_refusal(server: Server) -> None:
    client = SyncFHIRClient(f"{server.address}/fhir")
    chart = charts.bundle(*charts.of_one(grade=3))
    assessment: Any = client.execute(OPERATION, data=chart, params={"horizonMonths": [6, 12]})
    assert assessment["resourceType"] == "RiskAssessment"
    assert len(assessment["prediction"]) == 2
    assert assessment["prediction"][0]["qualitativeRisk"]["coding"][0]["code"] == "high"
    with pytest.raises(OperationOutcome) as refused:
        client.execute(OPERATION, data=charts.bundle(charts.patient()))
    issues = refused.value.resource["issue"]
    assert {"business-rule", "required"} <= {issue["code"] for issue in issues}
    with pytest.raises(ResourceNotFound):
        client.execute("CodeSystem/none", method="get")


def test_fhirclient_reads_the_capabilities_and_gets_an_assessment(server: Server) -> None:
    client = FHIRClient({"app_id": "test", "api_base": f"{server.address}/fhir"})
    client.prepare()
    assert client.server.capabilityStatement.software.name == "hsct2-risk"
    [operation] = client.server.capabilityStatement.rest[0].operation
    chart = Bundle(charts.bundle(*charts.of_one(), *charts.measured()))
    answered = client.server.post_json(f"${operation.name}", chart.as_json())
    assessment = RiskAssessment(answered.json())
    assert assessment.status == "final"
    assert [risk.whenPeriod is not None for risk in assessment.prediction] == [True] * 3
    assert 0 < assessment.prediction[0].probabilityDecimal < 100
    with pytest.raises(HTTPError) as refused:
        client.server.post_json(OPERATION, charts.bundle(charts.patient()))
    assert refused.value.response is not None
    assert OutcomeOfClient(refused.value.response.json()).issue[0].severity == "error"
