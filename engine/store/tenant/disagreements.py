"""What the reconciler found and did where Postgres and Temporal disagreed, as the audit log has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, func, select

from engine.store.database.transactions import Connection
from engine.store.tables import workflow_audit_log as audit

STORES: Final = "stores"
"""Kind of target of these entries: they are found by it alone."""
DISAGREED: Final = "workflow_stores_reconcile"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One run about which the stores disagreed."""

    run_id: str
    workflow_id: str | None
    told: str
    """What was found and done."""
    at: datetime


async def disagreements(connection: Connection, tenant: str, within: timedelta, limit: int) -> list[Disagreement]:
    """The last ones of a tenant, the latest of each run, the newest first."""
    latest: dict[str, Disagreement] = {}
    for row in await connection.execute(_found(tenant, within, limit)):
        latest.setdefault(row.target_id, Disagreement(row.target_id, row.workflow_id, row.reason or "", row.created_at))
    return list(latest.values())


async def was_deleted(connection: Connection, run_id: str) -> bool:
    """Whether somebody has deleted the rows of this run."""
    question = select(audit.c.audit_id).where(
        audit.c.target_kind == "run", audit.c.target_id == run_id, audit.c.operation == "workflow_run_delete"
    )
    return (await connection.execute(question.limit(1))).first() is not None


def _found(tenant: str, within: timedelta, limit: int) -> Select[Any]:
    return (
        select(audit.c.target_id, audit.c.workflow_id, audit.c.reason, audit.c.created_at)
        .where(audit.c.tenant == tenant, audit.c.target_kind == STORES, audit.c.created_at > func.now() - within)
        .order_by(audit.c.created_at.desc(), audit.c.audit_id.desc())
        .limit(limit)
    )
