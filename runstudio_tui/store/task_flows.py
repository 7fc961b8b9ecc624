"""Doing something to human tasks: frozen, read again, settled each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from engine.errors import EngineError, NotFound
from engine.records import OPEN_TASK_STATUSES, Json, Task, TaskClosed
from runstudio_tui.ports import Backend
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import FrozenTargets, Outcome, Result, TargetOf


async def claim(backend: Backend, task_id: str) -> None:
    """Reserve a task. Raises EngineError."""
    await backend.tasks.claim(task_id)


async def release(backend: Backend, task_id: str) -> None:
    """Give a task back. Raises EngineError."""
    await backend.tasks.release(task_id)


async def complete(backend: Backend, task_id: str, response: Json, override_reason: str | None) -> TaskClosed:
    """Answer a task; with a reason also against its form. Sending the same again is harmless. Raises EngineError."""
    return await backend.tasks.complete(task_id, response, override=override_reason is not None, reason=override_reason)


class TasksFlow(FrozenTargets[Task]):
    """Acts on frozen tasks that are open."""

    def why_not(self, row: Task) -> str:
        """See FrozenTargets."""
        return "" if row.status in OPEN_TASK_STATUSES else f"already {row.status}"

    def key_of(self, row: Task) -> str:
        """See FrozenTargets."""
        return row.task_id

    async def read_again(self, keys: Sequence[str]) -> list[Task]:
        """See FrozenTargets."""

        async def one(key: str) -> Task | None:
            try:
                return (await self._studio.backend.tasks.get(key)).row
            except NotFound:
                return None

        found = await asyncio.gather(*(one(key) for key in keys))
        return [row for row in found if row is not None]

    def refused(self, error: EngineError) -> Result:
        """See FrozenTargets."""
        late = error.code in ("TASK_CLOSED", "RUN_ENDED")
        return Result(Outcome.SKIPPED, f"skipped: {error.message}") if late else super().refused(error)


class CancelTasksFlow(TasksFlow):
    """Closes tasks without an answer."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "canceled",
        Outcome.ASKED: "canceled, run not told yet",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    async def act(self, target: TargetOf[Task], reason: str) -> Result:
        """See FrozenTargets."""
        closed = await self._studio.backend.tasks.cancel(target.row.task_id, reason)
        if closed.delivered:
            return Result(Outcome.DONE, "canceled")
        return Result(Outcome.ASKED, closed.message or "canceled; its run is told later")


class HandOverFlow(TasksFlow):
    """Gives tasks to somebody: ``to``, an actor's name, set before it is run."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "handed over",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def __init__(self, studio: Studio, rows: Sequence[Task], changed: Callable[[], None]) -> None:
        super().__init__(studio, rows, changed)
        self.to = ""

    async def act(self, target: TargetOf[Task], reason: str) -> Result:
        """See FrozenTargets."""
        claim_ = await self._studio.backend.tasks.assign(target.row.task_id, self.to, reason)
        return Result(Outcome.DONE, f"claimed by {claim_.claimed_by}")
