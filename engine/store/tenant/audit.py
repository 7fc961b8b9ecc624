"""The audit log: who changed what, written in the transaction of the change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert

from engine.ids import new_id
from engine.store.database.transactions import Connection
from engine.store.tables import workflow_audit_log
from engine.values.json_policy import storable_text

_INSERT: Final = insert(workflow_audit_log)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change."""

    operation: str
    """``workflow_run_cancel``, ``workflow_definition_publish``, ..."""
    target_kind: str
    """run, definition, event, delivery, task or settings."""
    target_id: str
    run_id: str | None = None
    workflow_id: str | None = None
    reason: str | None = None
    details: dict[str, Any] | None = None
    """Ids, sizes, paths and states; never a payload."""


@dataclass(frozen=True, slots=True)
class AuditedActor:
    """Who made it. Which login wrote the entry, from where, the database adds by itself."""

    name: str
    known_by: str
    level: str
    source: str
    remark: str | None


async def insert_audit(connection: Connection, entry: AuditEntry, *, tenant: str, actor: AuditedActor) -> None:
    """Write one entry."""
    row = {
        "audit_id": new_id(),
        "tenant": tenant,
        "actor": storable_text(actor.name),
        "actor_known_by": actor.known_by,
        "actor_remark": None if actor.remark is None else storable_text(actor.remark),
        "actor_source": actor.source,
        "actor_level": actor.level,
        "operation": entry.operation,
        "target_kind": entry.target_kind,
        "target_id": storable_text(entry.target_id),
        "run_id": entry.run_id,
        "workflow_id": entry.workflow_id,
        "reason": None if entry.reason is None else storable_text(entry.reason),
        "details_json": entry.details,
    }
    await connection.execute(_INSERT, row)
