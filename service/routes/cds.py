"""``/cds-services``: CDS Hooks 2.0."""

from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel, ValidationError
from uuid_utils import uuid7

from service.access import Caller, CallerDependency
from service.audit.feedback import Feedback
from service.audit.store import Store
from service.body import Expected, read_object
from service.cds.answering import Advisor
from service.cds.cards import Cards, CdsServices, Received
from service.cds.requests import (
    CardFeedback,
    FeedbackMessage,
    HookRequest,
    OrderSelectCall,
    PatientViewCall,
)
from service.cds.services import ORDER_SELECT, PATIENT_VIEW, SERVICES
from service.chart import units
from service.limits import LIMITED
from service.predictor import Asked
from service.problems import (
    AUDIT_UNAVAILABLE,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    CHART_INCOMPLETE,
    FORBIDDEN,
    INVALID_JSON,
    INVALID_REQUEST,
    NO_FEEDBACK,
    OVERLOADED,
    UNAUTHENTICATED,
    UNKNOWN_MODEL,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemError,
    documented,
    field_problems,
)
from service.routes.models import resolve

router = APIRouter(tags=["cds"])

T = TypeVar("T", bound=BaseModel)

_JSON = Expected(
    ("application/json",),
    "a request of CDS Hooks",
    "CDS Hooks sends a JSON object",
    INVALID_REQUEST,
    as_text=True,
)

_OF_A_BODY = (
    INVALID_JSON,
    UNAUTHENTICATED,
    FORBIDDEN,
    BODY_TOO_SLOW,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_REQUEST,
    AUDIT_UNAVAILABLE,
    *LIMITED,
)
_OF_A_HOOK = documented(*_OF_A_BODY, CHART_INCOMPLETE, UNKNOWN_MODEL, as_outcomes=True)
_OF_FEEDBACK = documented(*_OF_A_BODY, NO_FEEDBACK, as_outcomes=True)


def _body(kind: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get(
    "/cds-services",
    operation_id="list_cds_services",
    summary="Discover the CDS Hooks services",
    openapi_extra={"security": []},
    responses=documented(OVERLOADED, as_outcomes=True),
)
async def list_cds_services(background: BackgroundTasks) -> CdsServices:
    """Return when to call which service, and what to send along."""
    background.add_task(units.load)  # whoever asks this will send a chart
    return CdsServices(services=list(SERVICES.values()))


@router.post(
    f"/cds-services/{PATIENT_VIEW}",
    operation_id="call_cds_patient_view",
    summary="Get cards when a chart is opened",
    openapi_extra=_body(PatientViewCall),
    response_model_exclude_none=True,
    responses=_OF_A_HOOK,
)
async def call_cds_patient_view(request: Request, caller: CallerDependency) -> Cards:
    """Return a card where the model has something to say about the patient, else none."""
    return await _cards(request, caller, PatientViewCall)


@router.post(
    f"/cds-services/{ORDER_SELECT}",
    operation_id="call_cds_order_select",
    summary="Get cards when an order is selected",
    openapi_extra=_body(OrderSelectCall),
    response_model_exclude_none=True,
    responses=_OF_A_HOOK,
)
async def call_cds_order_select(request: Request, caller: CallerDependency) -> Cards:
    """Return a card if a transplant is among the selected orders, else none."""
    return await _cards(request, caller, OrderSelectCall)


@router.post(
    f"/cds-services/{PATIENT_VIEW}/feedback",
    operation_id="give_cds_patient_view_feedback",
    summary="Tell what became of cards for an opened chart",
    openapi_extra=_body(FeedbackMessage),
    responses=_OF_FEEDBACK,
)
async def give_cds_patient_view_feedback(request: Request, caller: CallerDependency) -> Received:
    """Store what became of cards; what comes twice is stored twice."""
    return await _store_feedback(request, caller, PATIENT_VIEW)


@router.post(
    f"/cds-services/{ORDER_SELECT}/feedback",
    operation_id="give_cds_order_select_feedback",
    summary="Tell what became of cards for a selected order",
    openapi_extra=_body(FeedbackMessage),
    responses=_OF_FEEDBACK,
)
async def give_cds_order_select_feedback(request: Request, caller: CallerDependency) -> Received:
    """Store what became of cards; what comes twice is stored twice."""
    return await _store_feedback(request, caller, ORDER_SELECT)


async def _cards(request: Request, caller: Caller, kind: type[HookRequest]) -> Cards:
    state = request.app.state
    hook = await _parsed(request, kind, state.settings.max_chart_bytes)
    advisor: Advisor = state.advisor
    asked = Asked(caller.id, request.state.request_id, "cds")
    artifact = resolve(request.app.state.registry, None)
    return Cards(cards=await advisor.cards(hook, artifact, asked, datetime.now(UTC)))


async def _store_feedback(request: Request, caller: Caller, service: str) -> Received:
    state = request.app.state
    said = await _parsed(request, FeedbackMessage, state.settings.max_body_bytes)
    store: Store | None = state.store
    if store is None:
        raise ProblemError(NO_FEEDBACK, "This service stores no predictions, and no feedback.")
    now = datetime.now(UTC)
    request_id: str = request.state.request_id
    rows = [_row(one, service, caller.id, request_id, now) for one in said.feedback]
    await store.add_feedback(rows)
    return Received()


def _row(said: CardFeedback, service: str, caller: str, request_id: str, now: datetime) -> Feedback:
    reason = said.override_reason
    return Feedback(
        id=str(uuid7()),
        created_at=now,
        caller=caller,
        request_id=request_id,
        service=service,
        card=said.card.lower(),
        outcome=said.outcome,
        accepted_suggestions=[accepted.id for accepted in said.accepted_suggestions or ()],
        override_reason=None if reason is None else reason.as_json(),
        outcome_timestamp=said.outcome_timestamp,
    )


async def _parsed(request: Request, kind: type[T], max_bytes: int) -> T:
    submitted, _ = await read_object(request, max_bytes, _JSON)
    try:
        return kind.model_validate(submitted)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        raise ProblemError(
            INVALID_REQUEST, "See errors for each member.", field_problems(errors, (), ())
        ) from None
