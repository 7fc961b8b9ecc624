"""The workflows of the demo world, in the workflow language."""

from __future__ import annotations

from typing import Any

from engine.records import Example, Json, Workflow
from runstudio_tui.backend.fake.script import Script
from runstudio_tui.backend.fake.world import FakeWorkflow


def _expr(source: str) -> dict[str, str]:
    return {"$expr": source}


def _call(step_id: str, action: str, save: str = "", **inputs: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "actionId": action,
        "version": 1,
        "inputMapping": {name: _expr(source) for name, source in inputs.items()},
    }
    if save:
        config["saveAs"] = f"vars.{save}"
    return {"id": step_id, "type": "action.call", "config": config}


ORDER: Json = {
    "id": "order-fulfilment",
    "version": 3,
    "name": "order-fulfilment",
    "payloadSchemaRef": "payload.Order.v1",
    "trigger": {"type": "event", "eventName": "order.placed"},
    "steps": [
        _call("reserve-stock", "store.put", "reservation", key="payload.order_id", value="payload.lines"),
        {
            "id": "lines",
            "type": "control.forEach",
            "items": _expr("payload.lines"),
            "itemVar": "line",
            "body": [_call("price", "http.request", "price", url="'https://prices.example/' & vars.line.sku")],
        },
        _call("charge-card", "pay.charge", "charge", amount="payload.amount", card="payload.card_token"),
        {
            "id": "big",
            "type": "control.if",
            "condition": _expr("payload.amount > 100"),
            "then": [_call("gift", "crm.note", "note", customer="payload.customer.name")],
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
        _call("read-levels", "erp.levels", "levels", warehouse="payload.warehouse"),
        {
            "id": "push",
            "type": "control.forEach",
            "items": _expr("vars.levels"),
            "itemVar": "level",
            "onItemError": "continue",
            "body": [
                _call("push-line", "shop.set_stock", "pushed", sku="vars.level.sku", quantity="vars.level.quantity")
            ],
        },
    ],
}
INVOICE: Json = {
    "id": "invoice-intake",
    "version": 2,
    "name": "invoice-intake",
    "payloadSchemaRef": "payload.Invoice.v1",
    "steps": [
        _call("read-document", "ocr.read", "scan", document="payload.document"),
        {
            "id": "matching",
            "type": "control.tryCatch",
            "captureErrorAs": "problem",
            "try": [_call("parse", "transform.parse", text="vars.scan.text")],
            "catch": [_call("flag", "crm.note", text="error.message")],
        },
        _call("match-po", "erp.match_po", number="vars.scan.po_number"),
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

MONTH_END: Json = {
    "id": "month-end",
    "version": 1,
    "name": "month-end",
    "payloadSchemaRef": "payload.Empty.v1",
    "steps": [
        _call("open-invoices", "erp.open_invoices", "invoices"),
        {
            "id": "each",
            "type": "control.forEach",
            "items": _expr("vars.invoices"),
            "itemVar": "invoice",
            "body": [
                {
                    "id": "intake",
                    "type": "control.callWorkflow",
                    "workflowId": "invoice-intake",
                    "workflowVersion": 2,
                    "inputMapping": {"number": _expr("vars.invoice.number")},
                }
            ],
        },
    ],
}

ORDER_BEFORE: Json = {
    **ORDER,
    "version": 2,
    "description": "From order to parcel",
    "steps": [
        ORDER["steps"][0],
        ORDER["steps"][1],
        _call("email-warehouse", "mail.send", to="'warehouse@shop.example'"),
        _call("charge-card", "pay.charge", "charge", amount="payload.amount"),
        {**ORDER["steps"][3], "condition": _expr("payload.amount > 200")},
        ORDER["steps"][4],
    ],
}
"""Version 2 of the order: what the difference to version 3 is shown with."""

GIVES: dict[str, dict[str, Json]] = {
    "order-fulfilment": {
        "reserve-stock": {"reserved": 3, "warehouse": "north", "until": "2026-01-16T10:40:00Z"},
        "price": [{"sku": "SKU-1", "cents": 4_900}, {"sku": "SKU-2", "cents": 2_200}],
        "charge-card": {"ok": True, "charge": "ch_7f3a", "amount": 120},
        "gift": {"note": "n-118"},
    },
    "stock-sync": {
        "read-levels": [{"sku": f"SKU-{number}", "quantity": number * 7 % 50} for number in range(1, 401)],
        "push-line": [{"sku": f"SKU-{number}", "accepted": True} for number in range(1, 401)],
    },
    "invoice-intake": {
        "read-document": {"text": "Invoice 77, Nordwind", "po_number": "4500012", "pages": 2, "confidence": 0.93},
    },
}
"""What the actions of each workflow answer, by step."""


def demo_workflows() -> dict[str, FakeWorkflow]:
    """The catalog of the demo."""
    return {
        "order-fulfilment": FakeWorkflow(
            Workflow("order-fulfilment", "order-fulfilment", 3, "From order to parcel", trigger=ORDER["trigger"]),
            {3: ORDER, 2: ORDER_BEFORE},
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
            Workflow("stock-sync", "stock-sync", 7, "Warehouse levels to the shop", trigger=STOCK["trigger"]),
            {7: STOCK},
            None,
            (Example("main warehouse", {"warehouse": "main"}),),
            Script(pickup=0.5, took={"push-line": 1.5}, items={"push": 12}),
        ),
        "invoice-intake": FakeWorkflow(
            Workflow("invoice-intake", "invoice-intake", 2, "Supplier invoices into the books"),
            {2: INVOICE},
            {"type": "object", "required": ["number"], "properties": {"number": {"type": "string"}}},
            (Example("one invoice", {"number": "INV-77", "document": "s3://inbox/inv-77.pdf"}),),
            Script(pickup=0.5, took={"read-document": 1.2}, resolves={"approval": None}),
        ),
        "reminder": FakeWorkflow(
            Workflow("reminder", "reminder", 1, "A mail at a time", paused=True),
            {1: REMINDER},
            None,
            (),
        ),
        "month-end": FakeWorkflow(
            Workflow("month-end", "month-end", 1, "Every open invoice, once"),
            {1: MONTH_END},
        ),
    }
