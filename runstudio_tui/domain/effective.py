"""What state a run or step is really in, in words: the stored status plus what it waits for, retries and the stuck rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from engine.records import RunRow, RunStatus, StepStatus, WaitKind
from runstudio_tui.text import safe

Word = TypeVar("Word", bound=str)


class Tone(StrEnum):
    """How a text is meant; the theme gives it a colour."""

    TEXT = "text"
    DIM = "dim"
    STRONG = "strong"
    ACCENT = "accent"
    RUNNING = "running"
    WAITING = "waiting"
    OK = "ok"
    FAILED = "failed"
    CANCELED = "canceled"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class State:
    """A status as it is shown: always glyph, word and tone together."""

    glyph: str
    word: str
    tone: Tone


class States(dict[Word, State]):
    """States by the word that is stored. That of a later release is shown as it is."""

    def __missing__(self, word: Word) -> State:
        return State(LATER_GLYPH, safe(word).lower().replace("_", " "), Tone.TEXT)


LATER_GLYPH: Final = "?"
"""Of a state that only a later release knows."""
STUCK_GLYPH: Final = "▲"
READ_ONLY_GLYPH: Final = "◇"

RUN_STATES: Final = States(
    {
        RunStatus.RUNNING: State("●", "running", Tone.RUNNING),
        RunStatus.WAITING: State("◔", "waiting", Tone.WAITING),
        RunStatus.SUCCEEDED: State("✔", "succeeded", Tone.OK),
        RunStatus.FAILED: State("✖", "failed", Tone.FAILED),
        RunStatus.CANCELED: State("⊘", "canceled", Tone.CANCELED),
    }
)
STEP_STATES: Final = States(
    {
        StepStatus.STARTED: State("●", "running", Tone.RUNNING),
        StepStatus.SUCCEEDED: State("✔", "succeeded", Tone.OK),
        StepStatus.FAILED: State("✖", "failed", Tone.FAILED),
        StepStatus.RETRY_SCHEDULED: State("◔", "retry scheduled", Tone.WAITING),
        StepStatus.CANCELED: State("⊘", "canceled", Tone.CANCELED),
    }
)
NOT_REACHED: Final = State("·", "not reached", Tone.DIM)


def run_state(row: RunRow) -> State:
    """The state of a run: ``retry 3`` while it backs off, ``canceling`` once a cancel was asked for, else its status."""
    base = RUN_STATES[row.status]
    if row.status.ended:
        return base
    if row.cancel_requested_at is not None:
        return State("⊘", "canceling", Tone.CANCELED)
    if row.status is RunStatus.WAITING and row.wait is not None and row.wait.kind is WaitKind.RETRY:
        return State(base.glyph, f"retry {row.attempt}" if row.attempt else "retry", base.tone)
    return base


def mark_of(row: RunRow, now: datetime) -> State | None:
    """What stands in front of a row: it does not move, or it is read-only because it is from before the cutover."""
    if row.stuck_at(now):
        return State(STUCK_GLYPH, "stuck", Tone.ATTENTION)
    if row.stalled_at(now):
        return State(STUCK_GLYPH, "no progress", Tone.ATTENTION)
    if row.read_only:
        return State(READ_ONLY_GLYPH, "before the cutover, read-only", Tone.CANCELED)
    return None
