"""Letting runs that wait for quota go on."""

from __future__ import annotations

from typing import ClassVar, Final

from engine.records import MAX_TARGETS, RunFilter, RunRow, WaitKind
from runstudio_tui.ports import RunsPort
from runstudio_tui.store.targets import Outcome, Result, Target, TargetsFlow

_PER_PAGE: Final = 500

FOR_QUOTA: Final = RunFilter(waiting_on=frozenset({WaitKind.QUOTA}))
"""The runs that wait for quota."""


async def all_for_quota(runs: RunsPort) -> list[RunRow]:
    """The runs that wait for quota, newest first; at most ``MAX_TARGETS``, which is how many can be asked at a time. Raises
    EngineError."""
    page = await runs.list(FOR_QUOTA, limit=_PER_PAGE)
    rows = list(page.rows)
    while page.next is not None and len(rows) < MAX_TARGETS:
        page = await runs.list(FOR_QUOTA, after=page.next, limit=_PER_PAGE)
        rows += page.rows
    return rows[:MAX_TARGETS]


class GoOnFlow(TargetsFlow):
    """Asks frozen targets to go on."""

    WORDS: ClassVar[dict[Outcome, str]] = {
        Outcome.ASKED: "asked to go on",
        Outcome.SKIPPED: "skipped",
        Outcome.FAILED: "failed",
        Outcome.PENDING: "not sent",
    }

    def why_not(self, row: RunRow) -> str:
        """See TargetsFlow."""
        return "" if row.waits_for_quota else "does not wait for quota"

    async def act(self, target: Target, reason: str) -> Result:
        """See TargetsFlow. The operation takes no reason: what is audited is the limit."""
        await self._studio.backend.quota.resume(target.row.run_id)
        return Result(Outcome.ASKED, "asked to go on")
