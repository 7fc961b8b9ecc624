"""The states of events, deliveries and human tasks: glyph, word and tone together."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from engine.records import OPEN_TASK_STATUSES, Task
from runstudio_tui.domain.effective import State, States, Tone

EVENT_STATES: Final = States(
    {
        "received": State("●", "received", Tone.RUNNING),
        "matched": State("✔", "matched", Tone.OK),
        "unmatched": State("◇", "unmatched", Tone.DIM),
        "error": State("✖", "error", Tone.FAILED),
    }
)
DELIVERY_STATES: Final = States(
    {
        "pending": State("◔", "pending", Tone.WAITING),
        "done": State("✔", "done", Tone.OK),
        "skipped": State("⊘", "skipped", Tone.CANCELED),
        "failed": State("✖", "failed", Tone.FAILED),
    }
)
_TASK_STATES: Final = States(
    {
        "pending": State("◔", "open", Tone.WAITING),
        "claimed": State("●", "claimed", Tone.RUNNING),
        "completed": State("✔", "completed", Tone.OK),
        "canceled": State("⊘", "canceled", Tone.CANCELED),
        "expired": State("⊘", "expired", Tone.CANCELED),
    }
)


def is_late(task: Task, now: datetime) -> bool:
    """Whether a task is still open after its due time."""
    return task.status in OPEN_TASK_STATUSES and task.due_at is not None and task.due_at < now


def task_state(task: Task, now: datetime) -> State:
    """The state of a task; ``late`` stands for open and claimed ones after their due time."""
    if is_late(task, now):
        return State("▲", "late", Tone.ATTENTION)
    return _TASK_STATES[task.status]
