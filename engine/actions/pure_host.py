"""The machine's host wherever it runs: the pure actions, and chance drawn from what an attempt is. Does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.actions.pure import is_pure, run_pure
from engine.definition.step_ref import StepRef
from engine.interpreter.policies import chance_of


class PureHost:
    """The Host of ``engine.interpreter.effects``. Without a state: every one is as good as another."""

    def chance(self, run_id: str, step: StepRef, attempt: int) -> float:
        """See ``chance_of``."""
        return chance_of(run_id, step, attempt)

    def is_pure(self, action_id: str, version: int) -> bool:
        """Whether the action runs here, without an activity."""
        return is_pure(action_id, version)

    def pure_action(  # noqa: PLR0917  # as the protocol has it
        self,
        action_id: str,
        version: int,
        action_input: Any,
        step_config: Any,
        context: Mapping[str, Any],
        now_iso: Callable[[], str],
        earlier: bool,
    ) -> Any:
        """Run a pure action. Raises ``StepFailure``."""
        return run_pure(
            action_id, version, action_input, step_config=step_config, context=context, now_iso=now_iso, earlier=earlier
        )
