"""The rules about what is kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from engine.errors import EngineError
from engine.records import Keep, RetentionRule
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_retention

rules = workflow_retention.c


async def load_rules(connection: Connection, tenant: str) -> tuple[RetentionRule, ...]:
    """The rules of a tenant; its own first."""
    rows = await connection.execute(
        select(workflow_retention).where(rules.tenant == tenant).order_by(rules.workflow_id)
    )
    return tuple(_rule(row) for row in rows)


async def load_all_rules(connection: Connection) -> dict[str, dict[str, RetentionRule | None]]:
    """The rules of all tenants, by tenant and workflow; None for one that this release does not understand."""
    found: dict[str, dict[str, RetentionRule | None]] = {}
    for row in await connection.execute(select(workflow_retention).order_by(rules.tenant, rules.workflow_id)):
        found.setdefault(row.tenant, {})[row.workflow_id] = _understood(row)
    return found


async def save_rule(connection: Connection, tenant: str, workflow_id: str, keep: Keep, set_by: str) -> None:
    """Write a rule, in place of the one there was."""
    values = {
        "succeeded_days": keep.succeeded,
        "failed_days": keep.failed,
        "canceled_days": keep.canceled,
        "bodies_days": keep.bodies,
        "events_days": keep.events,
        "dead_events_days": keep.dead_events,
        "set_by": set_by,
        "set_at": func.now(),
    }
    row = insert(workflow_retention).values(tenant=tenant, workflow_id=workflow_id, **values)
    await connection.execute(row.on_conflict_do_update(constraint=workflow_retention.primary_key, set_=values))


async def delete_rule(connection: Connection, tenant: str, workflow_id: str) -> bool:
    """False when there is none."""
    mine = (rules.tenant == tenant, rules.workflow_id == workflow_id)
    return (
        await connection.execute(delete(workflow_retention).where(*mine).returning(rules.tenant))
    ).first() is not None


def _understood(row: Any) -> RetentionRule | None:
    try:
        return _rule(row)
    except EngineError:
        return None


def _rule(row: Any) -> RetentionRule:
    keep = Keep(
        succeeded=row.succeeded_days,
        failed=row.failed_days,
        canceled=row.canceled_days,
        bodies=row.bodies_days,
        events=row.events_days,
        dead_events=row.dead_events_days,
    )
    return RetentionRule(row.workflow_id, keep, row.set_by, row.set_at)
