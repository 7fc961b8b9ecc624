"""The audit log: who changed what, newest first."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid
from engine.store.keyset import Keyset, decode_cursor, fingerprint, page_of
from engine.store.listing import check_limit
from engine.store.reader import open_reader, run_id_text
from engine.store.tables import workflow_audit_log
from engine.store.views import AuditView, Page

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
    backwards: bool = False,
    limit: int = 50,
) -> Page[AuditView]:
    """Entries of a run, of a ``target`` (kind, id), or of the tenant; after a cursor, or with ``backwards`` before it.

    ``limit`` is 1..500. Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID, FILTER_INVALID), ``NotFound`` for a run id that is
    none, ``Unavailable``.
    """
    check_limit(limit, MAX_ENTRIES)
    query = fingerprint("audit", tenant, run_id, target)
    where: list[ColumnElement[bool]] = [entries.tenant == tenant]
    if run_id is not None:
        where.append(entries.run_id == run_id_text(run_id))
    if target is not None:
        if any(re.search("[\0\ud800-\udfff]", part) for part in target):
            raise Invalid("FILTER_INVALID", "The target has characters no id can have.", "Correct the id.")
        where += [entries.target_kind == target[0], entries.target_id == target[1]]
    if cursor is not None:
        where.append(_NEWEST.beyond(decode_cursor(query, cursor, (datetime, UUID)), reverse=backwards))
    rows = select(workflow_audit_log).where(*where).order_by(*_NEWEST.order(reverse=backwards)).limit(limit + 1)
    async with open_reader(engine, tenant) as reader:
        found = [
            AuditView(
                audit_id=row.audit_id,
                at=row.created_at,
                actor=row.actor,
                source=row.actor_source,
                level=row.actor_level,
                operation=row.operation,
                target_kind=row.target_kind,
                target_id=row.target_id,
                run_id=row.run_id,
                workflow_id=row.workflow_id,
                reason=reader.hide_text(row.reason),
                details=reader.hide(row.details_json),
            )
            for row in await reader.rows(rows)
        ]
        return page_of(
            found,
            limit,
            query,
            lambda view: (view.at, view.audit_id),
            cursor,
            backwards=backwards,
            now=reader.server_now,
        )
