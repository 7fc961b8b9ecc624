"""Doing something to runs, step by step and without a screen."""

from __future__ import annotations

from typing import ClassVar, Final

from engine.errors import EngineError
from engine.records import Json, RunRow, Started
from runstudio_tui.ports import Backend
from runstudio_tui.store.targets import Outcome, Result, Target, TargetsFlow

RUN_ENDED: Final = "RUN_ENDED"
"""Code of a cancel that came too late."""
_TOO_LATE: Final = Result(Outcome.SKIPPED, "skipped: finished meanwhile")


def not_cancelable(row: RunRow) -> str:
    """Why a run cannot be canceled; empty when it can."""
    if row.status.ended:
        return "already finished"
    if row.read_only:
        return "from before the cutover, read-only"
    return ""


class CancelFlow(TargetsFlow):
    """Cancels frozen targets."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.DONE: "canceled",
        Outcome.ASKED: "asked, still cleaning up",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def why_not(self, row: RunRow) -> str:
        """See TargetsFlow."""
        return not_cancelable(row)

    async def act(self, target: Target, reason: str) -> Result:
        """See TargetsFlow."""
        canceled = await self._studio.backend.runs.cancel(target.row.run_id, reason)
        match canceled.outcome:
            case "canceled":
                return Result(Outcome.DONE, "canceled")
            case "requested":
                return Result(Outcome.ASKED, "asked, still cleaning up")
            case _:
                return _TOO_LATE

    def refused(self, error: EngineError) -> Result:
        """See TargetsFlow."""
        return _TOO_LATE if error.code == RUN_ENDED else super().refused(error)


async def start_run(backend: Backend, workflow_id: str, version: int, payload: Json, key: str) -> Started:
    """Start a run; sending it again with the same key starts nothing twice. Raises EngineError."""
    return await backend.runs.start(workflow_id, payload, version=version, idempotency_key=key, keep_refused=False)
