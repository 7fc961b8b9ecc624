"""Steps of definitions, in few words."""

from __future__ import annotations

from typing import Any

Step = dict[str, Any]


def call(step_id: str, action: str, *, key: str | None = None, **given: Any) -> Step:
    """An action.call that keeps its output in ``vars.<step_id>``; a text that begins with ``=`` is an expression."""
    mapping = {name: expression(value[1:]) if str(value).startswith("=") else value for name, value in given.items()}
    config: Step = {"actionId": action, "version": 1, "inputMapping": mapping, "saveAs": step_id}
    if key is not None:
        config["idempotencyKey"] = expression(key)
    return {"id": step_id, "type": "action.call", "config": config}


def quick(step_id: str, **given: Any) -> Step:
    """A quick action."""
    return call(step_id, "test.quick", label=step_id, **given)


def ordinary(step_id: str, **given: Any) -> Step:
    """An action that is not quick."""
    return call(step_id, "test.ordinary", label=step_id, **given)


def expression(source: str) -> Step:
    """``{"$expr": source}``."""
    return {"$expr": source}


def assign(step_id: str, **values: str) -> Step:
    """Sets vars by expressions."""
    return {
        "id": step_id,
        "type": "transform.assign",
        "config": {"assign": {f"vars.{name}": expression(source) for name, source in values.items()}},
    }


def set_state(step_id: str, state: str = "S") -> Step:
    """A pure step."""
    return {"id": step_id, "type": "state.set", "config": {"state": state}}


def when(step_id: str, condition: str, then: list[Step], otherwise: list[Step] | None = None) -> Step:
    """control.if."""
    return {
        "id": step_id,
        "type": "control.if",
        "condition": expression(condition),
        "then": then,
        "else": otherwise or [],
    }


def for_each(step_id: str, items: str, body: list[Step], **more: Any) -> Step:
    """control.forEach over ``vars.item``."""
    return {
        "id": step_id,
        "type": "control.forEach",
        "items": expression(items),
        "itemVar": "item",
        "body": body,
        **more,
    }


def attempt(step_id: str, steps: list[Step], catch: list[Step]) -> Step:
    """control.tryCatch."""
    return {"id": step_id, "type": "control.tryCatch", "try": steps, "catch": catch, "captureErrorAs": "caught"}


def wait_event(step_id: str, name: str = "PING", key: str = "null", **config: Any) -> Step:
    """event.wait."""
    return {
        "id": step_id,
        "type": "event.wait",
        "config": {"eventName": name, "correlationKey": expression(key), **config},
    }


def wait_time(step_id: str, milliseconds: int) -> Step:
    """time.wait."""
    return {"id": step_id, "type": "time.wait", "config": {"mode": "duration", "durationMs": milliseconds}}


def ask(step_id: str, title: str = '"Approve?"') -> Step:
    """human.task."""
    return {
        "id": step_id,
        "type": "human.task",
        "config": {"taskType": "approval", "title": expression(title), "contextData": {"n": expression("1 + 1")}},
    }


def call_workflow(step_id: str, workflow_id: str, version: int = 1, outputs: Step | None = None, **given: str) -> Step:
    """control.callWorkflow."""
    return {
        "id": step_id,
        "type": "control.callWorkflow",
        "workflowId": workflow_id,
        "workflowVersion": version,
        "inputMapping": {name: expression(source) for name, source in given.items()},
        "outputMapping": {target: expression(source) for target, source in (outputs or {}).items()},
    }


def retried(step: Step, **policy: Any) -> Step:
    """The step with a retry policy."""
    return {**step, "retry": {"maxAttempts": 3, "backoffMs": 50, "jitter": False, **policy}}


def going_on(step: Step) -> Step:
    """The step with onError continue."""
    return {**step, "onError": {"policy": "continue"}}
