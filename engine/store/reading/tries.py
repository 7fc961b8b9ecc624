"""Tries of actions, and what each was given and answered."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.store.reader import Reader, open_reader, run_id_text
from engine.store.reading.steps import step_of
from engine.store.tables import workflow_action_invocations, workflow_payloads
from engine.store.views import Document, Reply, TryBody, TryView

MAX_TRIES: Final = 500

tries = workflow_action_invocations.c
_WITHOUT_BODIES: Final = [column for column in tries if column.name not in ("input_json", "output_json")]


async def run_tries(
    engine: AsyncEngine, tenant: str, run_id: str, *, step_row_id: str | None = None
) -> Reply[tuple[TryView, ...]]:
    """The tries of a run, or of one of its step rows, oldest first; of more than 500 the newest.

    In a run from before the cutover a step row has the tries of all iterations of its path. Raises ``NotFound``,
    ``Unavailable``.
    """
    run_id = run_id_text(run_id)
    where = [tries.run_id == run_id, tries.tenant == tenant]
    async with open_reader(engine, tenant) as reader:
        if step_row_id is not None:
            step = await reader.row(step_of(step_row_id, run_id, tenant))
            if step is None:
                return Reply((), reader.server_now)
            where += [tries.step_path == step.step_path, tries.iteration == step.iteration, tries.visit == step.visit]
        newest = (tries.created_at.desc(), tries.attempt.desc(), tries.invocation_id.desc())
        found = await reader.rows(select(*_WITHOUT_BODIES).where(*where).order_by(*newest).limit(MAX_TRIES))
        return Reply(tuple(_view(reader, row) for row in reversed(found)), reader.server_now)


async def try_body(engine: AsyncEngine, tenant: str, run_id: str, invocation_id: str) -> Reply[TryBody]:
    """Input and output of one try. Raises ``NotFound`` (TRY_NOT_FOUND), ``Unavailable``."""
    run_id = run_id_text(run_id)
    not_found = NotFound("TRY_NOT_FOUND", f"This run has no try {invocation_id[:60]}.", "Read the tries again.")
    try:
        invocation_id = str(UUID(invocation_id))
    except ValueError:
        raise not_found from None
    query = select(
        tries.input_json, tries.output_json, tries.input_ref, tries.output_ref, tries.input_bytes, tries.output_bytes
    )
    own = (tries.invocation_id == invocation_id, tries.run_id == run_id, tries.tenant == tenant)
    async with open_reader(engine, tenant) as reader:
        row = await reader.row(query.where(*own))
        if row is None:
            raise not_found
        given = await _document(reader, row.input_json, row.input_ref, row.input_bytes)
        answered = await _document(reader, row.output_json, row.output_ref, row.output_bytes)
        return Reply(TryBody(given, answered), reader.server_now)


async def _document(reader: Reader, inline: Any, reference: str | None, size_bytes: int | None) -> Document | None:
    if reference is None:
        # A JSON null is an answer too: it has a size.
        return None if inline is None and size_bytes is None else reader.document(inline, size_bytes)
    stored = await reader.row(_payload(reference, reader.tenant))
    return None if stored is None else reader.document(stored.value_json, stored.size_bytes)


def _payload(reference: str, tenant: str) -> Select[Any]:
    payloads = workflow_payloads.c
    return select(payloads.value_json, payloads.size_bytes).where(
        payloads.payload_id == reference, payloads.tenant == tenant
    )


def _view(reader: Reader, row: Row[Any]) -> TryView:
    return TryView(
        invocation_id=row.invocation_id,
        path=row.step_path,
        iteration=row.iteration,
        visit=row.visit,
        action=f"{row.action_id}@{row.action_version}",
        attempt=row.attempt,
        status=row.status,
        started_at=row.started_at or row.created_at,
        completed_at=row.completed_at,
        error=reader.error(row.error_json, row.error_message),
        worker=row.worker_identity,
        idempotency_key=row.idempotency_key,
        input_bytes=row.input_bytes,
        output_bytes=row.output_bytes,
    )
