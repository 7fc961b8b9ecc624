"""The quota of the fake world."""

from __future__ import annotations

from engine import advice
from engine.errors import Conflict, NotFound
from engine.records import Level, QuotaUsage, RunStatus
from runstudio_tui.backend.fake.calls import Calls


class FakeQuota:
    """See QuotaPort."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._world = calls.world

    async def usage(self) -> QuotaUsage:
        """See QuotaReading."""
        await self._calls.enter("quota.usage")
        return self._usage()

    async def resume(self, run_id: str) -> QuotaUsage:
        """See QuotaPort."""
        await self._calls.enter("quota.resume", run_id)
        self._calls.require(Level.ADMIN)
        run = self._world.runs.get(run_id)
        if run is None:
            raise NotFound("RUN_NOT_FOUND", f"There is no run {run_id}.", "Check the id and the tenant.")
        if not run.row.waits_for_quota:
            raise Conflict("NOT_QUOTA_PAUSED", "The run does not wait for quota.", "Look at it once more.")
        if self._usage().exhausted:
            raise Conflict(
                "QUOTA_EXHAUSTED",
                "The quota is used up.",
                advice.QUOTA.to("Wait for the next period, or raise the limit"),
            )
        self._world.resume_from_quota(run)
        self._calls.stirred.set()
        return self._usage()

    def _usage(self) -> QuotaUsage:
        now = self._world.now()
        start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        paused = sum(
            1 for run in self._world.runs.values() if run.row.status is RunStatus.WAITING and run.row.waits_for_quota
        )
        limit, used = self._world.quota
        return QuotaUsage(self._world.session.tenant, start, end, limit, used, paused)
