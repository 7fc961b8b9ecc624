"""A world about replays: refunds that failed, ended well, wait or are old, with hidden values and effects outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from engine.records import ErrorInfo, Json, Workflow
from runstudio_tui.backend.fake import FakeBackend
from runstudio_tui.backend.fake.run import new_run
from runstudio_tui.backend.fake.script import Script
from runstudio_tui.backend.fake.world import FakeWorkflow, World
from runstudio_tui.clock import Clock

REFUND: Final = "refund"
PAYLOAD: Final[dict[str, Json]] = {
    "order_id": "ORD-1042",
    "amount": 80,
    "lines": [{"sku": "SKU-1", "quantity": 2}, {"sku": "SKU-2", "quantity": 1}],
    "customer": {"name": "Ada", "email": "ada@example.com", "api_key": "[REDACTED]"},
    "card_token": "[REDACTED]",
}
MASKED: Final = frozenset({"/card_token", "/customer/api_key"})
MAIL_DOWN: Final = ErrorInfo("TransientError", "The mail server refused the connection.", "MAIL_DOWN", "root.steps[3]")


def _call(step_id: str, action: str, **inputs: str) -> dict[str, Any]:
    mapping = {name: {"$expr": source} for name, source in inputs.items()}
    return {
        "id": step_id,
        "type": "action.call",
        "config": {"actionId": action, "version": 1, "inputMapping": mapping},
    }


_STEPS: Final = [
    {
        "id": "large",
        "type": "control.if",
        "condition": {"$expr": "payload.amount > 100"},
        "then": [_call("ask-manager", "crm.note", customer="payload.customer.name")],
        "else": [_call("tell-manager", "mail.send", to="'manager@example.com'")],
    },
    {
        "id": "lines",
        "type": "control.forEach",
        "items": {"$expr": "payload.lines"},
        "itemVar": "line",
        "body": [_call("take-back", "erp.return", sku="vars.line.sku")],
    },
    _call("refund", "pay.refund", amount="payload.amount", card="payload.card_token"),
    _call("confirm", "mail.send", to="payload.customer.email"),
]
_SCHEMA: Final[Json] = {
    "type": "object",
    "required": ["order_id", "amount"],
    "properties": {"amount": {"type": "number", "minimum": 0}, "order_id": {"type": "string"}},
}


def refunds_backend(clock: Clock) -> FakeBackend:
    """Two versions of one workflow, the newer published; its runs, the newest first: failed, waiting for a worker, ended well,
    without a stored input, from before the cutover."""
    world = World(clock)
    definition = {"id": REFUND, "version": 3, "name": REFUND, "steps": _STEPS}
    definitions: dict[int, Json] = {3: definition, 5: {**definition, "version": 5}}
    world.workflows = {
        REFUND: FakeWorkflow(Workflow(REFUND, REFUND, 5, "Money back"), definitions, _SCHEMA, script=Script(pickup=0.5))
    }
    scripts = (
        Script(fails={"confirm": MAIL_DOWN}, branch={"large": "else"}),
        Script(pickup=None),
        Script(branch={"large": "else"}),
        Script(branch={"large": "else"}),
        Script(branch={"large": "else"}),
    )
    for number, script in enumerate(scripts):
        at = world.now() - timedelta(minutes=5, hours=number)
        world.add(new_run(world.fresh_id(at), REFUND, 3, at, PAYLOAD, masked=MASKED), script)
    *_, without_input, old = world.runs.values()
    without_input.payload = None
    old.change(old.row.updated_at, engine="db")
    return FakeBackend(world, clock)
