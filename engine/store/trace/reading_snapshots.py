"""Snapshots of runs from before the cutover: shown, never written."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.records import Document, Snapshot
from engine.store.database.reader import open_reader, run_id_text
from engine.store.tables import workflow_run_snapshots

MAX_SNAPSHOTS: Final = 5_000

snapshots = workflow_run_snapshots.c


async def run_snapshots(engine: AsyncEngine, tenant: str, run_id: str) -> tuple[Snapshot, ...]:
    """The snapshots of a run, oldest first, at most 5,000. Raises ``NotFound`` for what is no id, ``Unavailable``."""
    run_id = run_id_text(run_id)
    marker = snapshots.envelope_json["truncated"].astext == "true"
    query = (
        select(
            snapshots.snapshot_id, snapshots.step_path, snapshots.size_bytes, snapshots.created_at, marker.label("cut")
        )
        .where(snapshots.run_id == run_id, snapshots.tenant == tenant)
        .order_by(snapshots.created_at, snapshots.snapshot_id)
        .limit(MAX_SNAPSHOTS)
    )
    async with open_reader(engine, tenant, run_id) as reader:
        views = tuple(
            Snapshot(row.snapshot_id, row.step_path, row.size_bytes, bool(row.cut), row.created_at)
            for row in await reader.rows(query)
        )
        return views


async def snapshot_body(engine: AsyncEngine, tenant: str, run_id: str, snapshot_id: str) -> Document:
    """The envelope ``{payload, vars, meta, error}``, or the marker ``{truncated, size, max}`` of one that was too large.

    Raises ``NotFound`` (SNAPSHOT_NOT_FOUND), ``Unavailable``.
    """
    run_id = run_id_text(run_id)
    not_found = NotFound("SNAPSHOT_NOT_FOUND", f"This run has no snapshot {snapshot_id[:60]}.", "Read the list again.")
    try:
        snapshot_id = str(UUID(snapshot_id))
    except ValueError:
        raise not_found from None
    own = (snapshots.snapshot_id == snapshot_id, snapshots.run_id == run_id, snapshots.tenant == tenant)
    async with open_reader(engine, tenant, run_id) as reader:
        row = await reader.row(select(snapshots.envelope_json, snapshots.size_bytes).where(*own))
        if row is None:
            raise not_found
        return reader.document(row.envelope_json, row.size_bytes)
