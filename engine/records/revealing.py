"""Documents that an admin may see unmasked, one at a time."""

from __future__ import annotations

from enum import StrEnum


class Revealable(StrEnum):
    """What kind of document it is, and by which id it is named."""

    PAYLOAD = "payload"
    """A run's input, by the run's id."""
    OUTPUT = "output"
    """A run's final vars, by the run's id."""
    ATTEMPT = "attempt"
    """``{"input": ..., "output": ...}`` of an attempt, by the attempt's id."""
    EVENT = "event"
    """An event's payload, by the event's id."""
    TASK = "task"
    """``{"context": ..., "response": ...}`` of a human task, by the task's id."""
