"""The selected ones among the orders that a clinician is writing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.chart.codes import ALLOGENEIC, SECOND_TRANSPLANT
from service.chart.elements import codings


def selected_transplants(
    draft_orders: Mapping[str, Any], selections: Sequence[str]
) -> dict[str, Any] | None:
    """Return a bundle of the selected orders for an allogeneic transplant; None if there is none.

    An order that is not selected does not count: it may be another's, or given up.
    """
    entries = [
        {"resource": order}
        for order in _orders(draft_orders)
        if f"{order.get('resourceType')}/{order.get('id')}" in selections
        and order.get("resourceType") == "ServiceRequest"
        and _is_of_transplant(order)
    ]
    if not entries:
        return None
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _is_of_transplant(order: Mapping[str, Any]) -> bool:
    ordered = codings(order.get("code"))
    return any(ALLOGENEIC.has(code) or SECOND_TRANSPLANT.has(code) for code in ordered)


def _orders(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource
