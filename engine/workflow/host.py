"""What the machine may ask of Temporal: time, chance, and the pure actions. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from engine.actions.pure import is_pure, run_pure
    from engine.errors import ACTION, StepFailure
    from engine.interpreter.times import iso_of, milliseconds_of
    from engine.interpreter.trace import json_size

MAX_PURE_OUTPUT_BYTES: Final = 2 * 1024 * 1024
"""About the largest output a pure action may have."""


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
        """Run a pure action. Raises ``StepFailure``; an output that is too large fails as that of any other action."""
        output = run_pure(
            action_id,
            version,
            action_input=action_input,
            step_config=step_config,
            context=context,
            now_iso=lambda: iso_of(milliseconds_of(self.now())),
        )
        if json_size(output, MAX_PURE_OUTPUT_BYTES) > MAX_PURE_OUTPUT_BYTES:
            raise StepFailure(
                ACTION,
                f"The output has more than {MAX_PURE_OUTPUT_BYTES} bytes.",
                code="PAYLOAD_TOO_LARGE",
                details={"limit": MAX_PURE_OUTPUT_BYTES},
            )
        return output
