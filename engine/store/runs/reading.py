"""One run: its summary, its bodies, and the runs it belongs to."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, Text, cast, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.records import Document, RelatedRuns, RunRow, RunSummary
from engine.store.database.reader import Reader, open_reader, run_id_text, run_not_found
from engine.store.runs.run_rows import listed, run_view, telling
from engine.store.tables import (
    workflow_definition_versions,
    workflow_event_deliveries,
    workflow_payloads,
    workflow_run_snapshots,
    workflow_runs,
)
from engine.store.trace.payloads import final_scopes_id
from engine.values.timestamps import iso_milliseconds

NAMED_RUNS: Final = 20
RELATED_RUNS: Final = 100

runs = workflow_runs.c


async def run_summary(engine: AsyncEngine, tenant: str, run_id: str) -> RunSummary:
    """One run without its bodies. Raises ``NotFound`` (RUN_NOT_FOUND), ``Unavailable``."""
    run_id = run_id_text(run_id)
    async with open_reader(engine, tenant, run_id) as reader:
        view = await _one(reader, runs.run_id == run_id)
        row = await reader.row(_facts(tenant, run_id))
        if view is None or row is None:
            raise run_not_found(run_id)
        replays = await _ids(reader, runs.replay_of_run_id == run_id)
        children = await _ids(reader, runs.parent_run_id == run_id)
        return _summary(reader, view, row, replays, children)


async def related_runs(engine: AsyncEngine, tenant: str, run_id: str) -> RelatedRuns:
    """Parent, root, children, the run this one replays, and its replays. Raises as ``run_summary``."""
    run_id = run_id_text(run_id)
    links = select(runs.parent_run_id, runs.root_run_id, runs.replay_of_run_id)
    async with open_reader(engine, tenant, run_id) as reader:
        own = await reader.row(links.where(runs.tenant == tenant, runs.run_id == run_id))
        if own is None:
            raise run_not_found(run_id)
        ids = [run_id for run_id in own if run_id is not None]
        named = {found.run_id: found for found in await _many(reader, runs.run_id.in_(ids), len(own))}
        related = RelatedRuns(
            parent=named.get(own.parent_run_id),
            root=named.get(own.root_run_id),
            replay_of=named.get(own.replay_of_run_id),
            replays=await _many(reader, runs.replay_of_run_id == run_id, RELATED_RUNS),
            children=await _many(reader, runs.parent_run_id == run_id, RELATED_RUNS),
        )
        return related


async def run_input(engine: AsyncEngine, tenant: str, run_id: str) -> Document:
    """The payload of a run. Raises ``NotFound``: RUN_NOT_FOUND, or INPUT_NOT_STORED."""
    run_id = run_id_text(run_id)
    async with open_reader(engine, tenant, run_id) as reader:
        row = await reader.row(_body(tenant, run_id, runs.input_json))
        if row is None:
            raise run_not_found(run_id)
        if row.body is None:
            raise NotFound("INPUT_NOT_STORED", why_no_input(row.deleted_at), "It can be replayed with a new one.")
        return reader.payload(row.body, row.size)


async def run_output(engine: AsyncEngine, tenant: str, run_id: str) -> Document:
    """The final vars of a run. Raises ``NotFound``: RUN_NOT_FOUND, or OUTPUT_NOT_STORED (it has not ended, or had none)."""
    run_id = run_id_text(run_id)
    async with open_reader(engine, tenant, run_id) as reader:
        row = await reader.row(_body(tenant, run_id, runs.output_json))
        if row is None:
            raise run_not_found(run_id)
        if row.body is None and row.deleted_at is not None:
            told = f"The output of this run was deleted at {iso_milliseconds(row.deleted_at)}."
            raise NotFound("OUTPUT_NOT_STORED", told, "`runstudio retention show` says how long it is kept.")
        if row.body is None:
            row = await reader.row(_kept_vars(tenant, run_id))
        if row is None or row.body is None:
            raise NotFound("OUTPUT_NOT_STORED", "This run has no output.", "Only a run that ended has one.")
        return reader.document(row.body, row.size)


async def why_input_is_missing(reader: Reader, run_id: str) -> str:
    """Why the payload of a run that exists is not there."""
    row = await reader.row(select(runs.bodies_deleted_at).where(runs.tenant == reader.tenant, runs.run_id == run_id))
    return why_no_input(None if row is None else row.bodies_deleted_at)


def why_no_input(deleted_at: datetime | None) -> str:
    """Why the payload of a run is not there."""
    if deleted_at is not None:
        return f"The payload of this run was deleted at {iso_milliseconds(deleted_at)}."
    return "The payload of this run was never stored."


def _summary(
    reader: Reader, view: RunRow, row: Row[Any], replays: tuple[str, ...], children: tuple[str, ...]
) -> RunSummary:
    return RunSummary(
        row=view,
        tenant=reader.tenant,
        server_now=reader.server_now,
        root=row.root_run_id,
        replayed_by=replays,
        children=children,
        temporal_workflow_id=row.temporal_workflow_id,
        temporal_run_id=row.temporal_run_id,
        definition_hash=row.definition_hash,
        semantics_version=row.runtime_semantics_version,
        trigger_event_id=row.trigger_event_id,
        trigger_metadata=reader.hide(row.trigger_metadata_json),
        payload_schema_ref=row.source_payload_schema_ref or row.schema_ref,
        error=reader.error(row.error_json),
        has_input=row.has_input,
        has_output=row.has_output,
        has_snapshots=row.has_snapshots,
        launch_attempts=row.launch_attempts,
        launch_error=reader.hide_text(row.launch_error),
        bodies_deleted_at=row.bodies_deleted_at,
    )


def _facts(tenant: str, run_id: str) -> Select[Any]:
    """What a summary has beyond a list's row."""
    deliveries, versions = workflow_event_deliveries.c, workflow_definition_versions.c
    snapshots, payloads = workflow_run_snapshots.c, workflow_payloads.c
    started_by = select(deliveries.event_id).where(
        deliveries.run_id == run_id, deliveries.tenant == tenant, deliveries.target_kind == "launch"
    )
    schema = select(versions.definition_json["payloadSchemaRef"].astext).where(
        versions.tenant == runs.tenant,
        versions.workflow_id == runs.workflow_id,
        versions.version == runs.workflow_version,
    )
    kept = exists(select(payloads.payload_id).where(payloads.payload_id == final_scopes_id(run_id)))
    return select(
        runs.root_run_id,
        runs.temporal_workflow_id,
        runs.temporal_run_id,
        runs.definition_hash,
        runs.runtime_semantics_version,
        runs.trigger_metadata_json,
        runs.source_payload_schema_ref,
        runs.error_json,
        runs.launch_attempts,
        runs.launch_error,
        runs.bodies_deleted_at,
        runs.input_json.is_not(None).label("has_input"),
        or_(runs.output_json.is_not(None), kept).label("has_output"),
        exists(select(snapshots.snapshot_id).where(snapshots.run_id == run_id)).label("has_snapshots"),
        started_by.limit(1).scalar_subquery().label("trigger_event_id"),
        schema.scalar_subquery().label("schema_ref"),
    ).where(runs.tenant == tenant, runs.run_id == run_id)


def _body(tenant: str, run_id: str, column: ColumnElement[Any]) -> Select[Any]:
    size = func.octet_length(cast(column, Text))
    return select(column.label("body"), size.label("size"), runs.bodies_deleted_at.label("deleted_at")).where(
        runs.tenant == tenant, runs.run_id == run_id
    )


def _kept_vars(tenant: str, run_id: str) -> Select[Any]:
    """Vars too large for the run's row are kept with the other final scopes."""
    value = workflow_payloads.c.value_json["vars"]
    return select(value.label("body"), func.octet_length(cast(value, Text)).label("size")).where(
        workflow_payloads.c.payload_id == final_scopes_id(run_id),
        workflow_payloads.c.run_id == run_id,
        workflow_payloads.c.tenant == tenant,
    )


async def _one(reader: Reader, condition: ColumnElement[bool]) -> RunRow | None:
    found = await _many(reader, condition, 1)
    return found[0] if found else None


async def _many(reader: Reader, condition: ColumnElement[bool], most: int) -> tuple[RunRow, ...]:
    """Runs of the reader's tenant, newest first."""
    newest = (runs.started_at.desc(), runs.run_id.desc())
    picked = select(runs.run_id).where(runs.tenant == reader.tenant, condition).order_by(*newest).limit(most)
    ordered = listed(picked.subquery("picked")).order_by(*newest)
    rows = await reader.rows(ordered)
    reader = await reader.following(runs=telling(rows))
    return tuple(run_view(reader, row) for row in rows)


async def _ids(reader: Reader, condition: ColumnElement[bool]) -> tuple[str, ...]:
    newest = (runs.started_at.desc(), runs.run_id.desc())
    found = select(runs.run_id).where(runs.tenant == reader.tenant, condition).order_by(*newest).limit(NAMED_RUNS)
    return tuple(row.run_id for row in await reader.rows(found))
