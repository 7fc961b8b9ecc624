"""What the machine may ask of Temporal: time, chance, and the pure actions. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.actions.pure import is_pure, run_pure
    from engine.interpreter.times import iso_of, milliseconds_of


class WorkflowHost:
    """The Host of ``engine.interpreter.effects`` inside a Temporal workflow."""

    def now(self) -> datetime:
        """Temporal's time: the same on replay."""
        return workflow.now()

    def random(self) -> float:
        """0.0 <= x < 1.0, the same on replay."""
        return workflow.random().random()

    def is_pure(self, action_id: str, version: int) -> bool:
        """Whether the action runs here, without an activity."""
        return is_pure(action_id, version)

    def pure_action(
        self, action_id: str, version: int, action_input: Any, step_config: Any, context: Mapping[str, Any]
    ) -> Any:
        """Run a pure action. Raises ``StepFailure``."""
        return run_pure(
            action_id,
            version,
            action_input=action_input,
            step_config=step_config,
            context=context,
            now_iso=lambda: iso_of(milliseconds_of(self.now())),
        )
