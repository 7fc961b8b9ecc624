# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""How much of its quota a tenant has used in the current period, and its limit. (Units are taken in ``quota``.)"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from engine.records import QuotaUsage
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_settings as settings
from engine.store.trace.projection import PERIOD_END, PERIOD_START

COUNT_CAP: Final = 10_000


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


_USAGE: Final = text(f"""
    SELECT {PERIOD_START} AS starts, {PERIOD_END} AS ends,
        (SELECT s.quota_limit FROM workflow_settings AS s WHERE s.tenant = CAST(:tenant AS uuid)) AS quota_limit,
        coalesce((SELECT u.used_count FROM workflow_step_usage_periods AS u
            WHERE u.tenant = CAST(:tenant AS uuid) AND u.period_start = {PERIOD_START}), 0) AS used_count,
        (SELECT count(*) FROM (SELECT FROM workflow_runs AS r
            WHERE r.tenant = CAST(:tenant AS uuid) AND r.waiting_on = 'quota' LIMIT :cap) AS waiting) AS paused
""")
