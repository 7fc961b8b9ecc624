"""How long a chain of quick steps has held its workflow task.

While local activities follow each other, the server can deliver neither a cancel nor an event. So a chain ends its task at
least every second, by a timer of a millisecond.
"""

from __future__ import annotations

from typing import Final

from temporalio import workflow

MAX_CHAIN_SECONDS: Final = 1.0
_SHORTEST_TIMER: Final = 0.001


class Pace:
    """Deterministic: time is the workflow's own, and that of the tries as history records it.

    The workflow's time advances during a task only by what local activities take, not by how long they queue; on a busy
    worker the times of the tries are nearer to what a watch would show.
    """

    def __init__(self) -> None:
        self._task_began: float | None = None
        self._first_ended: float | None = None
        self._last_ended: float = 0.0

    def quick_step_ended(self, at: float) -> None:
        """A quick step ended at ``at``, Unix seconds on the clock of its worker."""
        if self._first_ended is None:
            self._first_ended = at
        self._last_ended = at

    def task_ended(self) -> None:
        """The run waited for something: the chain is over, the next one begins with a new task."""
        self._task_began = None
        self._first_ended = None

    async def keep(self) -> None:
        """To be called between steps: ends the workflow task when the chain has lasted for a second."""
        now = workflow.time()
        if self._task_began is None:
            self._task_began = now
        by_tries = 0.0 if self._first_ended is None else self._last_ended - self._first_ended
        if max(now - self._task_began, by_tries) >= MAX_CHAIN_SECONDS:
            await workflow.sleep(_SHORTEST_TIMER)
            self.task_ended()
