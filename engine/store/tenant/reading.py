"""The audit log: who changed what, newest first."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid
from engine.records import AuditRecord, Page
from engine.store.database.keyset import Keyset, Stretch, decode_cursor, fingerprint, page_of
from engine.store.database.question import QUESTIONS, Telling, ask_telling, question, telling
from engine.store.database.reader import run_id_text
from engine.store.runs.listing import check_limit
from engine.store.tables import workflow_audit_log

MAX_ENTRIES: Final = 500

entries = workflow_audit_log.c
_NEWEST: Final = Keyset((entries.created_at, entries.audit_id))


async def audit_page(
    engine: AsyncEngine,
    tenant: str,
    *,
    run_id: str | None = None,
    target: tuple[str, str] | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AuditRecord]:
    """Entries of a run, of a ``target`` (kind, id), or of the tenant, after a cursor.

    ``limit`` is 1..500. Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID, FILTER_INVALID), ``NotFound`` for a run id that is
    none, ``Unavailable``.
    """
    check_limit(limit, MAX_ENTRIES)
    query = fingerprint("audit", tenant, run_id, target)
    if target is not None and any(re.search("[\0\ud800-\udfff]", part) for part in target):
        raise Invalid("FILTER_INVALID", "The target has characters no id can have.", "Correct the id.")
    position = decode_cursor(query, cursor, (datetime, UUID))
    of_run = None if run_id is None else run_id_text(run_id)
    asked = _entries(tenant, of_run, target, limit + 1, continued=cursor is not None)
    reading, [rows] = await ask_telling(engine, tenant, asked, parameters=_NEWEST.parameters(position))
    found = [
        AuditRecord(
            audit_id=row.audit_id,
            at=row.created_at,
            actor=row.actor,
            known_by=row.actor_known_by,
            remark=row.actor_remark,
            source=row.actor_source,
            level=row.actor_level,
            operation=row.operation,
            target_kind=row.target_kind,
            target_id=row.target_id,
            run_id=row.run_id,
            workflow_id=row.workflow_id,
            reason=None if row.reason is None else reading.of(run_id=row.run_id).hide_text(row.reason),
            details=None if row.details_json is None else reading.of(run_id=row.run_id).hide(row.details_json),
            database_user=row.database_user,
            database_client=row.database_client,
        )
        for row in rows
    ]
    return page_of(found, limit, query, lambda view: (view.at, view.audit_id), reading.server_now)


@lru_cache(maxsize=QUESTIONS)
def _entries(
    tenant: str, run_id: str | None, target: tuple[str, str] | None, limit: int, *, continued: bool
) -> Telling:
    where: list[ColumnElement[bool]] = [entries.tenant == tenant]
    if run_id is not None:
        where.append(entries.run_id == run_id)
    if target is not None:
        where += [entries.target_kind == target[0], entries.target_id == target[1]]
    if continued:
        where.append(_NEWEST.beyond_parameters())
    rows = select(workflow_audit_log).where(*where)
    return telling(question(Stretch(_NEWEST, limit).of(rows)), ("reason", "details_json"), run="run_id")
