"""Documents as they are stored, with nothing masked. Only ``operations.reveal`` asks for them, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select

from engine.records import Json, Revealable
from engine.store.database.reader import Reader
from engine.store.tables import (
    workflow_action_invocations,
    workflow_human_tasks,
    workflow_payloads,
    workflow_runs,
    workflow_runtime_events,
)
from engine.store.trace.payloads import FORGED, KEPT, ForgedPayload, final_scopes_id, verified

runs, payloads = workflow_runs.c, workflow_payloads.c
attempts, events, tasks = workflow_action_invocations.c, workflow_runtime_events.c, workflow_human_tasks.c


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document, and the run it is of."""

    value: Json
    run_id: str | None


async def stored_document(reader: Reader, kind: Revealable, target: str) -> StoredDocument | None:
    """The document of that id in the reader's tenant; None when there is none, or it was never stored."""
    if kind is not Revealable.EVENT and not _is_id(target):
        return None
    match kind:
        case Revealable.PAYLOAD:
            row = await reader.row(_of_run(reader, target).add_columns(runs.input_json.label("value")))
        case Revealable.OUTPUT:
            row = await reader.row(_of_run(reader, target).add_columns(runs.output_json.label("value")))
            if row is not None and row.value is None:
                value = await _kept(reader, row.run_id, final_scopes_id(target))
                return None if value is None else StoredDocument(value.get("vars"), row.run_id)
        case Revealable.ATTEMPT:
            row = await reader.row(
                select(workflow_action_invocations).where(
                    attempts.tenant == reader.tenant, attempts.invocation_id == target
                )
            )
            if row is not None:
                given = row.input_json if row.input_ref is None else await _referred(reader, row, row.input_ref)
                answered = row.output_json if row.output_ref is None else await _referred(reader, row, row.output_ref)
                return StoredDocument({"input": given, "output": answered}, row.run_id)
        case Revealable.TASK:
            row = await reader.row(
                select(workflow_human_tasks).where(tasks.tenant == reader.tenant, tasks.task_id == target)
            )
            if row is not None:
                return StoredDocument({"context": row.context_json, "response": row.response_json}, row.run_id)
        case Revealable.EVENT:
            row = await reader.row(
                select(events.matched_run_id.label("run_id"), events.payload.label("value")).where(
                    events.tenant == reader.tenant, events.event_id == target
                )
            )
    return None if row is None or row.value is None else StoredDocument(row.value, row.run_id)


def _of_run(reader: Reader, run_id: str) -> Select[*tuple[Any, ...]]:
    return select(runs.run_id).where(runs.tenant == reader.tenant, runs.run_id == run_id)


async def _kept(reader: Reader, run_id: str, payload_id: str) -> Json:
    """A value that is kept for a run; None when it is not there."""
    mine = (payloads.tenant == reader.tenant, payloads.run_id == run_id, payloads.payload_id == payload_id)
    row = await reader.row(KEPT.where(*mine))
    return None if row is None else row.value_json


async def _referred(reader: Reader, row: Row[Any], reference: str) -> Json:
    """A value that an attempt refers to; None when it is not there. One that is not what was kept is not shown."""
    stored = await reader.row(KEPT.where(payloads.payload_id == reference))
    try:
        return None if stored is None else verified(reference, row.run_id, row.tenant, stored)
    except ForgedPayload:
        return {"$omitted": FORGED}


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
