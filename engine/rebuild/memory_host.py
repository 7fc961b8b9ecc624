"""A virtual clock, and the machine's host of a dry run."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.actions.pure_host import PureHost
from engine.definition.step_ref import StepRef
from engine.interpreter.times import milliseconds_of


class VirtualClock:
    """Aware UTC time that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    @property
    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return milliseconds_of(self.now)

    def move_to(self, moment: datetime) -> None:
        """Go forward to ``moment``; the clock never goes back."""
        self.now = max(self.now, moment)

    def advance(self, milliseconds: int) -> None:
        """Go forward by ``milliseconds``."""
        self.now += timedelta(milliseconds=milliseconds)


class EvenHost(PureHost):
    """A host without chance, so that jitter changes nothing: for runs that nobody makes."""

    def chance(self, run_id: str, step: StepRef, attempt: int) -> float:
        """Always the middle."""
        return 0.5
