# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""How much of its quota a tenant has used in the current period, and its limit. (Units are taken in ``quota``.)"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from engine.store.projection import PERIOD_END, PERIOD_START
from engine.store.tables import workflow_settings as settings
from engine.store.transactions import Connection

COUNT_CAP: Final = 10_000


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """A tenant's quota now, by Postgres's clock."""

    tenant: str
    period_start: datetime
    period_end: datetime
    """Exclusive. The period is the calendar month, UTC."""
    effective_limit: int | None
    """Steps per period; None: counted, not limited."""
    used_count: int
    """Steps started, and units that running runs have leased for their next ones."""
    paused_runs: int
    """Runs that wait for units, up to ``COUNT_CAP``."""

    @property
    def remaining(self) -> int | None:
        """Units left; None without a limit."""
        return None if self.effective_limit is None else max(0, self.effective_limit - self.used_count)

    @property
    def exhausted(self) -> bool:
        """Whether no step can start."""
        return self.remaining == 0

    def to_json(self) -> dict[str, Any]:
        """``{tenant, periodStart, periodEnd, effectiveLimit, usedCount, remaining, pausedRuns}``; times ISO-8601 UTC."""
        return {
            "tenant": self.tenant,
            "periodStart": _iso(self.period_start),
            "periodEnd": _iso(self.period_end),
            "effectiveLimit": self.effective_limit,
            "usedCount": self.used_count,
            "remaining": self.remaining,
            "pausedRuns": self.paused_runs,
        }


async def load_usage(connection: Connection, tenant: str) -> QuotaUsage:
    """The quota of a tenant; a tenant that never ran anything has used nothing."""
    row = (await connection.execute(_USAGE, {"tenant": tenant, "cap": COUNT_CAP})).one()
    return QuotaUsage(tenant, row.starts, row.ends, row.quota_limit, row.used_count, row.paused)


async def set_limit(connection: Connection, tenant: str, limit: int | None, *, updated_by: str) -> bool:
    """Set a tenant's limit; None: no limit. Whether that changed anything. Other settings of the tenant stay."""
    row = insert(settings).values(tenant=tenant, quota_limit=limit, updated_by=updated_by)
    statement = row.on_conflict_do_update(
        index_elements=[settings.c.tenant],
        set_={"quota_limit": limit, "updated_by": updated_by, "updated_at": func.now()},
        where=settings.c.quota_limit.is_distinct_from(row.excluded.quota_limit),
    )
    return (await connection.execute(statement.returning(settings.c.tenant))).first() is not None


async def lock_limit(connection: Connection, tenant: str) -> int | None:
    """The limit, and nobody else changes it until the transaction ends (once the tenant has settings at all)."""
    question = select(settings.c.quota_limit).where(settings.c.tenant == tenant).with_for_update()
    return (await connection.execute(question)).scalar_one_or_none()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_USAGE: Final = text(f"""
    SELECT {PERIOD_START} AS starts, {PERIOD_END} AS ends,
        (SELECT s.quota_limit FROM workflow_settings AS s WHERE s.tenant = CAST(:tenant AS uuid)) AS quota_limit,
        coalesce((SELECT u.used_count FROM workflow_step_usage_periods AS u
            WHERE u.tenant = CAST(:tenant AS uuid) AND u.period_start = {PERIOD_START}), 0) AS used_count,
        (SELECT count(*) FROM (SELECT FROM workflow_runs AS r
            WHERE r.tenant = CAST(:tenant AS uuid) AND r.waiting_on = 'quota' LIMIT :cap) AS waiting) AS paused
""")
