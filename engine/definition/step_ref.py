"""The identity of one execution of one step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepRef:
    """Which execution of which step. (run, path, iteration, visit) is unique."""

    path: str
    """``root.steps[0].then.steps[1]``; loop iterations add nothing to it."""
    iteration: str
    """Loop indexes from the outside in, ``0.3``; empty outside loops."""
    visit: int
    """1, except where the same path and iteration is legitimately entered again."""
    step_id: str
    """The author's id."""
    step_type: str
