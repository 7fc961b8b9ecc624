"""How long a chain of quick steps has held its workflow task.

While local activities follow each other, the server can deliver neither a cancel nor an event. So when a chain has lasted a
second, its next activity is an ordinary one, which ends the task. (A short timer would end it too, and cost less history, but
Temporal fires timers up to a second late.)
"""

from __future__ import annotations

from typing import Final

from temporalio import workflow

MAX_CHAIN_SECONDS: Final = 1.0


class Pace:
    """Deterministic: time is the workflow's own, and that of the attempts as history records it.

    The workflow's time advances during a task only by what local activities take, not by how long they queue; on a busy
    worker the times of the tries are nearer to what a watch would show.
    """

    def __init__(self) -> None:
        self._task_began = workflow.time()
        self._first_ended: float | None = None
        self._last_ended = 0.0
        self._lasted = False

    def quick_step_ended(self, at: float) -> None:
        """A quick step ended at ``at``, Unix seconds on the clock of its worker."""
        if self._first_ended is None:
            self._first_ended = at
        self._last_ended = at

    def chain_lasted(self) -> None:
        """A chain went on for as long as one may."""
        self._lasted = True

    def task_ended(self) -> None:
        """The run has waited for something: the next chain begins with a task of its own."""
        self._task_began = workflow.time()
        self._first_ended = None
        self._lasted = False

    def task_should_end(self) -> bool:
        """Whether the chain has lasted long enough."""
        if self._lasted:
            return True
        by_tries = 0.0 if self._first_ended is None else self._last_ended - self._first_ended
        return max(workflow.time() - self._task_began, by_tries) >= MAX_CHAIN_SECONDS
