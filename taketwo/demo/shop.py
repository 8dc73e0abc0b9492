"""The shop behind the demo's support desk: real tools over real, if small, data."""

from __future__ import annotations

from typing import Any

import taketwo

ORDERS: dict[str, dict[str, Any]] = {
    "A-1001": {"item": "2 blue mugs", "total": 24.50, "bought": "2026-11-09", "carrier": "DHL"},
    "A-1007": {"item": "desk lamp", "total": 59.00, "bought": "2026-11-11", "carrier": "UPS"},
    "A-1013": {"item": "bread knife", "total": 18.20, "bought": "2026-10-02", "carrier": "DHL"},
    "A-1020": {"item": "tea pot", "total": 31.75, "bought": "2026-11-12", "carrier": "DHL"},
    "A-1026": {"item": "picture frame", "total": 12.00, "bought": "2026-11-01", "carrier": "UPS"},
    "A-1031": {"item": "wool blanket", "total": 89.00, "bought": "2026-11-05", "carrier": "UPS"},
    "A-1038": {"item": "garden hose", "total": 44.10, "bought": "2026-11-13", "carrier": "DHL"},
    "A-1042": {"item": "copper kettle", "total": 39.90, "bought": "2026-11-02", "carrier": "DHL"},
    "A-1055": {"item": "notebook set", "total": 15.60, "bought": "2026-11-14", "carrier": "UPS"},
}
"""What was sold; totals in US dollars."""

STATES: dict[str, dict[str, str]] = {
    "A-1001": {"parcel": "on its way, arrives 2026-11-18"},
    "A-1007": {"parcel": "delivered 2026-11-14"},
    "A-1013": {"parcel": "delivered 2026-10-06"},
    "A-1020": {"parcel": "on its way, arrives 2026-11-19"},
    "A-1026": {"parcel": "delivered 2026-11-04", "return": "received 2026-11-15", "refund": "paid 2026-11-16"},
    "A-1031": {"parcel": "delivered 2026-11-08"},
    "A-1038": {"parcel": "being packed"},
    "A-1042": {
        "parcel": "delivered 2026-11-05",
        "return": "received 2026-11-16",
        "refund": "approved, paid by 2026-11-19",
    },
    "A-1055": {"parcel": "on its way, arrives 2026-11-20"},
}
"""Where each order stands."""

POLICIES = {
    "return": "You can return items within 30 days, unused, with the receipt.",
    "refund": "A refund reaches your card within 3 days after the return has been received.",
    "shipping": "Parcels take 3 to 5 days. Orders over $50 ship for free.",
}
"""What the desk may tell about the shop's rules."""


@taketwo.tool
def find_order(order_id: str) -> dict[str, Any]:
    """Look up what was bought, when, and for how much."""
    return {"order_id": order_id, **_order(order_id)}


@taketwo.tool
def check_status(order_id: str) -> dict[str, str]:
    """Look up where parcel, return and refund of an order stand."""
    _order(order_id)
    return {"order_id": order_id, **STATES[order_id]}


@taketwo.tool
def search_policy(topic: str) -> str:
    """Read the shop's rules about `return`, `refund` or `shipping`."""
    if topic not in POLICIES:
        raise ValueError(f"no policy about {topic}; there are {', '.join(POLICIES)}")
    return POLICIES[topic]


@taketwo.tool(writes=True)
def issue_refund(order_id: str, amount: float) -> dict[str, Any]:
    """Pay money back to the customer's card."""
    order = _order(order_id)
    if amount > order["total"]:
        raise ValueError(f"{amount:.2f} is more than the order's total of {order['total']:.2f}")
    return {"refund_id": f"R-{order_id[2:]}", "order_id": order_id, "amount": amount}


@taketwo.tool(writes=True)
def change_address(order_id: str, address: str) -> dict[str, str]:
    """Send an order that has not left yet to another address."""
    _order(order_id)
    if not STATES[order_id]["parcel"].startswith("being packed"):
        raise ValueError("the parcel has already left")
    return {"order_id": order_id, "address": address}


def _order(order_id: str) -> dict[str, Any]:
    """The order, or the error that the desk is shown."""
    if order_id not in ORDERS:
        raise ValueError(f"no order {order_id}")
    return ORDERS[order_id]


def _schema(**properties: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }


TOOLS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (find_order, _schema(order_id="string")),
    (check_status, _schema(order_id="string")),
    (search_policy, _schema(topic="string")),
    (issue_refund, _schema(order_id="string", amount="number")),
    (change_address, _schema(order_id="string", address="string")),
)
"""The tools and the JSON Schema of their arguments."""
