"""Fixtures of a dry run: what actions, events, people and other workflows would answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.errors import ACTION, RunError
from engine.interpreter.effects import AwaitEvent, AwaitTask, AwaitTime, CallAction, StartChild

MISSING: Final = object()
"""There is no fixture; null is one."""


class Fixtures:
    """Looked up by step id first, then by what the step is about.

    The second key is the action id, the event name, the task type, ``workflow:<id>`` or ``time.wait``. Values with a meaning
    of their own: ``{"$error": {"message", "category"?, "code"?, "details"?}}`` fails, ``{"$tries": [first, second, ...]}``
    answers one try after the other (the last again and again), ``{"$timeout": true}`` lets an event wait time out.
    """

    def __init__(self, values: Mapping[str, Any] | None) -> None:
        self._values = values or {}

    def find(self, effect: CallAction | AwaitEvent | AwaitTask | AwaitTime | StartChild) -> Any:
        """The fixture for this effect, or MISSING."""
        for key in (effect.step.step_id, _subject(effect)):
            if key in self._values:
                value = self._values[key]
                if isinstance(value, dict) and isinstance(value.get("$tries"), list) and value["$tries"]:
                    attempt = effect.attempt if isinstance(effect, CallAction | StartChild) else 1
                    return value["$tries"][min(attempt, len(value["$tries"])) - 1]
                return value
        return MISSING


def _subject(effect: CallAction | AwaitEvent | AwaitTask | AwaitTime | StartChild) -> str:
    match effect:
        case CallAction():
            return effect.action_id
        case AwaitEvent():
            return effect.event_name
        case AwaitTask():
            return effect.task_type
        case StartChild():
            return f"workflow:{effect.workflow_id}"
        case AwaitTime():
            return "time.wait"


def failure_in(value: Any) -> RunError | None:
    """The error of a ``{"$error": ...}`` fixture, or None."""
    error = value.get("$error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return None
    return RunError(
        category=str(error.get("category") or ACTION),
        message=str(error.get("message") or "failed by fixture"),
        code=error.get("code"),
        details=error.get("details"),
    )


def as_object(value: Any) -> dict[str, Any]:
    """An event or a response is an object; anything else becomes ``{"value": it}``."""
    return value if isinstance(value, dict) else {"value": value}
