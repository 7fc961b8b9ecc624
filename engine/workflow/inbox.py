"""The buffer of signals a run has received and not used yet."""

from __future__ import annotations

import json
from typing import Any, Final, TypeGuard

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.errors import ACTION, RunError
    from engine.interpreter.effects import EventArrived, StepFailed, TaskCompleted
    from engine.interpreter.times import iso_of, milliseconds_of
    from engine.values.json_policy import storable_text

TASK_COMPLETED: Final = "HUMAN_TASK_COMPLETED"
"""Event name of an answered task, when the sender gives none."""
TASK_CANCELED: Final = "TASK_CANCELED"
"""Code with which the step of a canceled task fails."""


class Inbox:
    """Filled by the signal handlers, in order of arrival; survives continue-as-new as JSON."""

    def __init__(self, carried: dict[str, Any] | None = None) -> None:
        """``carried``: what ``to_json`` gave in the execution before this one."""
        state = carried or {}
        self.quota_resumed: bool = state.get("quotaResumed", False)
        """A resume was asked for since the run was last denied units, wherever the run was then."""
        self.signals = 0
        """How many signals this execution was told."""
        self._events: list[EventArrived] = []
        self._answers: dict[str, TaskCompleted | StepFailed] = {
            task_id: TaskCompleted(event_name, response)
            for task_id, (event_name, response) in state.get("answers", {}).items()
        }
        self._answers.update({task_id: _canceled(why) for task_id, why in state.get("canceledTasks", {}).items()})

    def put_event(self, signal: Any) -> None:
        """An event; what is no event is dropped. Missing parts get the defaults senders have always relied on."""
        self.signals += 1
        if not _is_json_object(signal) or not isinstance(signal.get("eventName"), str):
            return
        payload = signal.get("payload")
        self._events.append(
            EventArrived(
                event_id=_text(signal.get("eventId")),
                event_name=signal["eventName"],
                key=_text(signal.get("correlationKey")),
                payload=payload if isinstance(payload, dict) else {},
                received_at=_text(signal.get("receivedAt")) or iso_of(milliseconds_of(workflow.now())),
                stored=signal.get("stored") is True,
            )
        )

    def put_answer(self, signal: Any) -> None:
        """The answer to a human task, or that it was canceled.

        The first one counts: it is the one whose submitter was told that it did.
        """
        self.signals += 1
        if not _is_json_object(signal) or not isinstance(signal.get("taskId"), str):
            return
        payload = signal.get("payload")
        answer: TaskCompleted | StepFailed
        if signal.get("canceled") is True:
            answer = _canceled(_text(signal.get("reason")))
        else:
            answer = TaskCompleted(
                event_name=_text(signal.get("eventName")) or TASK_COMPLETED,
                response=payload if isinstance(payload, dict) else {},
            )
        self._answers.setdefault(signal["taskId"], answer)

    def put_quota_resume(self) -> None:
        """A request to ask for quota again."""
        self.signals += 1
        self.quota_resumed = True

    def take_events(self) -> list[EventArrived]:
        """All events, out of the inbox: the machine keeps them from here on."""
        events, self._events = self._events, []
        return events

    def has_answer(self, task_id: str) -> bool:
        """Whether this task was answered."""
        return task_id in self._answers

    def take_answer(self, task_id: str) -> TaskCompleted | StepFailed:
        """The answer to this task, out of the inbox; a failure when it was canceled. ``KeyError`` when there is none."""
        return self._answers.pop(task_id)

    def to_json(self) -> dict[str, Any]:
        """For the next execution. Events are not in it: they are delivered to the machine before."""
        answers, canceled = {}, {}
        for task_id, answer in self._answers.items():
            if isinstance(answer, TaskCompleted):
                answers[task_id] = [answer.event_name, answer.response]
            else:
                canceled[task_id] = (answer.error.details or {}).get("reason")
        state = {"quotaResumed": self.quota_resumed, "answers": answers}
        return {**state, "canceledTasks": canceled} if canceled else state


def _canceled(reason: str | None) -> StepFailed:
    said = f": {reason}" if reason else ""
    return StepFailed(RunError(ACTION, f"The task was canceled{said}", code=TASK_CANCELED, details={"reason": reason}))


def _is_json_object(signal: Any) -> TypeGuard[dict[str, Any]]:
    """Whether the run could pass it on: a signal that was sent by hand may hold NaN, which Python reads and nobody may write."""
    if not isinstance(signal, dict):
        return False
    try:
        json.dumps(signal, allow_nan=False, check_circular=False)
    except ValueError:
        return False
    return True


def _text(value: Any) -> str | None:
    """A text as rows can hold it: a signal by hand can have any."""
    return storable_text(value) if isinstance(value, str) else None
