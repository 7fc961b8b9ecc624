"""What the machine asks of a host, answered in memory: a clock that moves only when told, and no chance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.actions.pure import is_pure, run_pure
from engine.interpreter.times import iso_of, milliseconds_of


class VirtualClock:
    """Aware UTC time that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def move_to(self, moment: datetime) -> None:
        """Go forward to ``moment``; the clock never goes back."""
        self.now = max(self.now, moment)

    def advance(self, milliseconds: int) -> None:
        """Go forward by ``milliseconds``."""
        self.now += timedelta(milliseconds=milliseconds)


class MemoryHost:
    """A Host on a virtual clock. Chance is always in the middle, so that jitter changes nothing."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now

    def random(self) -> float:
        return 0.5

    def is_pure(self, action_id: str, version: int) -> bool:
        return is_pure(action_id, version)

    def pure_action(
        self, action_id: str, version: int, action_input: Any, step_config: Any, context: Mapping[str, Any]
    ) -> Any:
        return run_pure(
            action_id, version, action_input, step_config=step_config, context=context, now_iso=self._now_iso
        )

    def _now_iso(self) -> str:
        return iso_of(milliseconds_of(self._clock.now))
