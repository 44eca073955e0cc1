"""The two services, and which parts of a chart each of them asks for.

A part is asked for by a read, or a search with token equality, `_sort` and `_count`
only: what every CDS client can fill in. Each measured value is a part of its own, so that
a thousand values of one can't push the latest of another off the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from model.patient import COVARIATES
from service.cds.cards import CdsService
from service.cds.fhir_server import Query
from service.chart.codes import MEASURES, Measure

PATIENT_VIEW = "hsct2-risk-patient-view"
ORDER_SELECT = "hsct2-risk-order-select"

PATIENT, CONDITIONS, PROCEDURES, ORDERS = "patient", "conditions", "procedures", "orders"
ECOG, KARNOFSKY = "ecog", "karnofsky"

_LATEST = 20
_TOKEN = "{{context.patientId}}"  # noqa: S105  it stands for the patient in CDS Hooks


@dataclass(frozen=True)
class Part:
    """A part of a chart.

    Attributes
    ----------
    label : for people
    template : what a client fills in and asks its FHIR server
    required : whether without it no answer can be given, not even an empty one
    """

    label: str
    template: str
    resource_type: str
    required: bool = False
    enough: int | None = None

    def query(self, patient_id: str) -> Query:
        """Return what is asked of a server for one patient; a FHIR id needs no quoting."""
        path = self.template.replace(_TOKEN, patient_id)
        # As it stands a bar is no part of an address, and Tomcat refuses it.
        return Query(path.replace("|", "%7C"), self.resource_type, self.enough)


def _search(resource_type: str, label: str, *, required: bool = False) -> Part:
    template = f"{resource_type}?patient={_TOKEN}&_count=100"
    return Part(label, template, "Bundle", required=required)


def _measured(measure: Measure) -> Part:
    """Return the part that holds the latest values of one measure, in all its forms."""
    codes = ",".join(f"{code.system}|{code.code}" for code in measure.codes)
    template = f"Observation?patient={_TOKEN}&code={codes}&_sort=-date&_count={_LATEST}"
    known = COVARIATES.get(measure.name)
    label = known.label if known else measure.codes[0].display
    return Part(label, template, "Bundle", measure.name == ECOG, _LATEST)


APPLICABILITY: Mapping[str, Part] = MappingProxyType(
    {
        PATIENT: Part("the patient", f"Patient/{_TOKEN}", "Patient", required=True),
        CONDITIONS: _search("Condition", "Conditions", required=True),
        PROCEDURES: _search("Procedure", "Procedures"),
        ORDERS: _search("ServiceRequest", "Orders"),
    }
)
"""What shows whether the model applies; nothing else is fetched where it doesn't."""

MEASURED: Mapping[str, Part] = MappingProxyType({m.name: _measured(m) for m in MEASURES})
"""The measured values, by what is measured."""

PARTS: Mapping[str, Part] = MappingProxyType({**APPLICABILITY, **MEASURED})

_USAGE = (
    "Send the prefetch, or name a fhirServer that the service may read from; a key that is null"
    " counts as looked for. Cards come only where an acute leukaemia and an earlier allogeneic"
    " transplant (or an order for a second one) are on record."
)
_PREFETCH = {key: part.template for key, part in PARTS.items()}

SERVICES: Mapping[str, CdsService] = MappingProxyType(
    {
        service.id: service
        for service in (
            CdsService(
                id=PATIENT_VIEW,
                hook="patient-view",
                title="Survival after a second transplant",
                description="Predicted survival after a second allogeneic stem-cell transplant"
                " (HSCT2) in relapsed acute leukaemia, with its uncertainty and what it rests on.",
                usage_requirements=_USAGE,
                prefetch=_PREFETCH,
            ),
            CdsService(
                id=ORDER_SELECT,
                hook="order-select",
                title="Survival after the transplant that is being ordered",
                description="Predicted survival after the second allogeneic stem-cell transplant"
                " that is selected among the draft orders, from its planned day on.",
                usage_requirements=_USAGE,
                prefetch={key: t for key, t in _PREFETCH.items() if key != ORDERS},
            ),
        )
    }
)
"""The services by id."""
