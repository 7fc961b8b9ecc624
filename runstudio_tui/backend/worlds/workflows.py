"""The workflows of the demo world, in the workflow language."""

from __future__ import annotations

from typing import Any

from runstudio_tui.backend.fake_script import Script
from runstudio_tui.backend.fake_world import FakeWorkflow
from runstudio_tui.domain.catalog import Example, WorkflowInfo
from runstudio_tui.domain.models import Json


def _expr(source: str) -> dict[str, str]:
    return {"$expr": source}


def _call(step_id: str, action: str, **inputs: str) -> dict[str, Any]:
    config = {
        "actionId": action,
        "version": 1,
        "inputMapping": {name: _expr(source) for name, source in inputs.items()},
    }
    return {"id": step_id, "type": "action.call", "config": config}


ORDER: Json = {
    "id": "order-fulfilment",
    "version": 3,
    "name": "order-fulfilment",
    "payloadSchemaRef": "payload.Order.v1",
    "trigger": {"type": "event", "eventName": "order.placed"},
    "steps": [
        _call("reserve-stock", "store.put", key="payload.order_id", value="payload.lines"),
        {
            "id": "lines",
            "type": "control.forEach",
            "items": _expr("payload.lines"),
            "itemVar": "line",
            "body": [_call("price", "http.request", url="'https://prices.example/' & vars.line.sku")],
        },
        _call("charge-card", "pay.charge", amount="payload.amount", card="payload.card_token"),
        {
            "id": "big",
            "type": "control.if",
            "condition": _expr("payload.amount > 100"),
            "then": [_call("gift", "crm.note", customer="payload.customer.name")],
            "else": [_call("thank", "mail.send", to="payload.customer.email")],
        },
        {
            "id": "await-carrier",
            "type": "event.wait",
            "config": {
                "eventName": "carrier.picked_up",
                "correlationKey": _expr("payload.order_id"),
                "timeoutMs": 86_400_000,
            },
        },
        _call("notify-customer", "mail.send", to="payload.customer.email"),
    ],
}
ORDER_SCHEMA: Json = {
    "type": "object",
    "required": ["order_id", "amount", "lines"],
    "additionalProperties": False,
    "properties": {
        "order_id": {"type": "string", "minLength": 3},
        "amount": {"type": "number", "minimum": 0},
        "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}},
        "customer": {"type": "object"},
        "card_token": {"type": "string"},
    },
}
ORDER_PAYLOAD: Json = {
    "order_id": "ORD-1042",
    "amount": 120,
    "lines": [{"sku": "SKU-1", "quantity": 2}, {"sku": "SKU-2", "quantity": 1}],
    "customer": {"name": "Ada", "email": "ada@example.com"},
    "card_token": "[REDACTED]",
}
STOCK: Json = {
    "id": "stock-sync",
    "version": 7,
    "name": "stock-sync",
    "payloadSchemaRef": "payload.Empty.v1",
    "trigger": {"type": "recurring", "cron": "*/15 * * * *", "timezone": "UTC"},
    "steps": [
        _call("read-levels", "erp.levels", warehouse="payload.warehouse"),
        {
            "id": "push",
            "type": "control.forEach",
            "items": _expr("vars.levels"),
            "itemVar": "level",
            "onItemError": "continue",
            "body": [_call("push-line", "shop.set_stock", sku="vars.level.sku", quantity="vars.level.quantity")],
        },
    ],
}
INVOICE: Json = {
    "id": "invoice-intake",
    "version": 2,
    "name": "invoice-intake",
    "payloadSchemaRef": "payload.Invoice.v1",
    "steps": [
        _call("read-document", "ocr.read", document="payload.document"),
        {
            "id": "matching",
            "type": "control.tryCatch",
            "captureErrorAs": "problem",
            "try": [_call("parse", "transform.parse", text="vars.text")],
            "catch": [_call("flag", "crm.note", text="error.message")],
        },
        _call("match-po", "erp.match_po", number="vars.po_number"),
        {
            "id": "approval",
            "type": "human.task",
            "config": {"taskType": "approve-invoice", "title": _expr("'Approve ' & payload.number")},
        },
        _call("book", "erp.book", number="payload.number"),
    ],
}
REMINDER: Json = {
    "id": "reminder",
    "version": 1,
    "name": "reminder",
    "payloadSchemaRef": "payload.Empty.v1",
    "steps": [
        {"id": "sleep", "type": "time.wait", "config": {"mode": "until", "until": _expr("payload.at")}},
        _call("send", "mail.send", to="payload.to"),
    ],
}


def demo_workflows() -> dict[str, FakeWorkflow]:
    """The catalog of the demo."""
    older = {**ORDER, "version": 2, "steps": ORDER["steps"][:5]}
    return {
        "order-fulfilment": FakeWorkflow(
            WorkflowInfo(
                "order-fulfilment", "order-fulfilment", 3, "From order to parcel", trigger="event order.placed"
            ),
            {3: ORDER, 2: older},
            ORDER_SCHEMA,
            (
                Example("small order", {"order_id": "ORD-1", "amount": 20, "lines": [{"sku": "SKU-1"}]}),
                Example("two lines", {**ORDER_PAYLOAD, "card_token": "tok_test"}),
            ),
            Script(
                pickup=0.8,
                took={"reserve-stock": 0.6, "price": 0.9, "charge-card": 1.4},
                resolves={"await-carrier": 45.0},
            ),
        ),
        "stock-sync": FakeWorkflow(
            WorkflowInfo(
                "stock-sync", "stock-sync", 7, "Warehouse levels to the shop", trigger="recurring */15 * * * *"
            ),
            {7: STOCK},
            None,
            (Example("main warehouse", {"warehouse": "main"}),),
            Script(pickup=0.5, took={"push-line": 1.5}, items={"push": 12}),
        ),
        "invoice-intake": FakeWorkflow(
            WorkflowInfo("invoice-intake", "invoice-intake", 2, "Supplier invoices into the books"),
            {2: INVOICE},
            {"type": "object", "required": ["number"], "properties": {"number": {"type": "string"}}},
            (Example("one invoice", {"number": "INV-77", "document": "s3://inbox/inv-77.pdf"}),),
            Script(pickup=0.5, took={"read-document": 1.2}, resolves={"approval": None}),
        ),
        "reminder": FakeWorkflow(
            WorkflowInfo("reminder", "reminder", 1, "A mail at a time", paused=True),
            {1: REMINDER},
            None,
            (),
        ),
    }
