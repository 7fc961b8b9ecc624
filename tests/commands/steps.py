"""Steps of the definitions that these tests publish."""

from __future__ import annotations

from typing import Any

Step = dict[str, Any]


def echo(step_id: str, source: str) -> Step:
    """Keeps the value of an expression in ``vars.<step_id>.value``, through an action."""
    mapping = {"value": {"$expr": source}}
    config = {"actionId": "cli.echo", "version": 1, "inputMapping": mapping, "saveAs": step_id}
    return {"id": step_id, "type": "action.call", "config": config}


def fails(step_id: str, source: str) -> Step:
    """Fails with the value of an expression as the message."""
    config = {"actionId": "cli.fails", "version": 1, "inputMapping": {"value": {"$expr": source}}}
    return {"id": step_id, "type": "action.call", "config": config}


def assign(step_id: str, **values: str) -> Step:
    """Sets vars by expressions."""
    entries = {f"vars.{name}": {"$expr": source} for name, source in values.items()}
    return {"id": step_id, "type": "transform.assign", "config": {"assign": entries}}


def wait(step_id: str, key: str = "payload.key") -> Step:
    """Waits for the event PING."""
    return {
        "id": step_id,
        "type": "event.wait",
        "config": {"eventName": "PING", "correlationKey": {"$expr": key}},
    }


def for_each(step_id: str, items: str, *body: Step) -> Step:
    """A loop over ``vars.item``."""
    return {"id": step_id, "type": "control.forEach", "items": {"$expr": items}, "itemVar": "item", "body": [*body]}


def when(step_id: str, condition: str, then: Step, otherwise: Step) -> Step:
    """Two branches of one step."""
    return {
        "id": step_id,
        "type": "control.if",
        "condition": {"$expr": condition},
        "then": [then],
        "else": [otherwise],
    }
