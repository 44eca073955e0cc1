"""One fitted model, with all twelve covariates, for the tests of predictions."""

import pytest

from model.cox import CoxModel
from model.prediction import PrognosticModel
from tests.cohorts import fitted


@pytest.fixture(scope="session")
def model() -> PrognosticModel:
    return fitted().model


@pytest.fixture(scope="session")
def cox(model: PrognosticModel) -> CoxModel:
    return model.cox
