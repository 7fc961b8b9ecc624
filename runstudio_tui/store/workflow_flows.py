"""Doing something to workflows: frozen, read again, settled each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from engine.errors import NotFound
from engine.records import Workflow
from engine.wording import counted
from runstudio_tui.store.session import Studio
from runstudio_tui.store.targets import FrozenTargets, Outcome, Result, TargetOf


class WorkflowsFlow(FrozenTargets[Workflow]):
    """Acts on frozen workflows."""

    def why_not(self, row: Workflow) -> str:
        """See FrozenTargets."""
        return ""

    def key_of(self, row: Workflow) -> str:
        """See FrozenTargets."""
        return row.workflow_id

    async def read_again(self, keys: Sequence[str]) -> list[Workflow]:
        """See FrozenTargets."""

        async def one(key: str) -> Workflow | None:
            try:
                return await self._studio.backend.workflows.get(key)
            except NotFound:
                return None

        found = await asyncio.gather(*(one(key) for key in keys))
        return [row for row in found if row is not None]


class PauseFlow(WorkflowsFlow):
    """Lets workflows start no runs."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "paused",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def why_not(self, row: Workflow) -> str:
        """See FrozenTargets."""
        return "already paused" if row.paused else ""

    async def act(self, target: TargetOf[Workflow], reason: str) -> Result:
        """See FrozenTargets."""
        await self._studio.backend.workflows.pause(target.row.workflow_id, reason=reason)
        return Result(Outcome.DONE, "paused")


class UnpauseFlow(WorkflowsFlow):
    """Lets workflows start runs again."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "unpaused",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def why_not(self, row: Workflow) -> str:
        """See FrozenTargets."""
        return "" if row.paused else "not paused"

    async def act(self, target: TargetOf[Workflow], reason: str) -> Result:
        """See FrozenTargets."""
        await self._studio.backend.workflows.unpause(target.row.workflow_id)
        return Result(Outcome.DONE, "unpaused")


class LimitFlow(WorkflowsFlow):
    """Sets how many runs may be active at once: ``limit``, set before it is run; 0 is any number."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "limited",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def __init__(self, studio: Studio, rows: Sequence[Workflow], changed: Callable[[], None]) -> None:
        super().__init__(studio, rows, changed)
        self.limit = 0

    async def act(self, target: TargetOf[Workflow], reason: str) -> Result:
        """See FrozenTargets."""
        await self._studio.backend.workflows.limit(target.row.workflow_id, self.limit)
        told = f"at most {counted(self.limit, 'active run')}" if self.limit else "any number of active runs"
        return Result(Outcome.DONE, told)


class FireFlow(WorkflowsFlow):
    """Starts one run of each workflow now, as its schedule would. Sending it again starts nothing twice."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "fired",
        Outcome.ASKED: "accepted, not started yet",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def __init__(self, studio: Studio, rows: Sequence[Workflow], changed: Callable[[], None]) -> None:
        super().__init__(studio, rows, changed)
        self._keys = {row.workflow_id: studio.clock.unique() for row in rows}

    def why_not(self, row: Workflow) -> str:
        """See FrozenTargets."""
        if row.schedule is None:
            return "not started by time"
        return "paused" if row.paused else ""

    async def act(self, target: TargetOf[Workflow], reason: str) -> Result:
        """See FrozenTargets."""
        workflow_id = target.row.workflow_id
        started = await self._studio.backend.schedules.fire(
            workflow_id, reason, idempotency_key=self._keys[workflow_id]
        )
        if started.pending:
            return Result(Outcome.ASKED, "accepted, starts when Temporal answers:", started.run_id)
        return Result(Outcome.DONE, "started" if started.created else "was started before:", started.run_id)
