"""``engine.quota``: how many steps a tenant may start per month."""

from __future__ import annotations

from engine.operations.context import OperationContext
from engine.operations.quota import quota
from engine.records import QuotaUsage


class Quota:
    """The quota of one tenant."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context

    async def usage(self) -> QuotaUsage:
        """Limit, use and waiting runs of the current period. Needs the level read."""
        return await quota.quota_summary(self._context)

    async def set_limit(self, limit: int | None, *, reason: str | None = None) -> QuotaUsage:
        """Set the steps per period; None: counted, not limited. Needs the level admin. Raises ``Invalid`` (LIMIT_INVALID)."""
        return await quota.set_quota_limit(self._context, limit, reason=reason)

    async def resume(self, run_id: str) -> QuotaUsage:
        """Let a run that waits for quota go on. Needs the level admin. Raises as ``resume_from_quota``."""
        return await quota.resume_from_quota(self._context, run_id)
