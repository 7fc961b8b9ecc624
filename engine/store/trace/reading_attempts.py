"""Attempts of actions, and what each was given and answered."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.records import Attempt, AttemptBody, AttemptStatus
from engine.store.database.reader import Reader, open_reader, run_id_text
from engine.store.tables import workflow_action_invocations, workflow_payloads, workflow_runs
from engine.store.trace.payloads import FORGED, KEPT, ForgedPayload, verified
from engine.store.trace.reading_steps import step_of
from engine.values.timestamps import iso_milliseconds

MAX_ATTEMPTS: Final = 500

attempts = workflow_action_invocations.c
_WITHOUT_BODIES: Final = [column for column in attempts if column.name not in ("input_json", "output_json")]


async def run_attempts(
    engine: AsyncEngine, tenant: str, run_id: str, *, step_row_id: str | None = None
) -> tuple[Attempt, ...]:
    """The attempts of a run, or of one of its step rows, oldest first; of more than 500 the newest.

    In a run from before the cutover a step row has the attempts of all iterations of its path. Raises ``NotFound``,
    ``Unavailable``.
    """
    run_id = run_id_text(run_id)
    where = [attempts.run_id == run_id, attempts.tenant == tenant]
    async with open_reader(engine, tenant, run_id) as reader:
        if step_row_id is not None:
            step = await reader.row(step_of(step_row_id, run_id, tenant))
            if step is None:
                return ()
            where += [
                attempts.step_path == step.step_path,
                attempts.iteration == step.iteration,
                attempts.visit == step.visit,
            ]
        newest = (attempts.created_at.desc(), attempts.attempt.desc(), attempts.invocation_id.desc())
        found = await reader.rows(select(*_WITHOUT_BODIES).where(*where).order_by(*newest).limit(MAX_ATTEMPTS))
        return tuple(attempt_view(reader, row) for row in reversed(found))


async def attempt_body(engine: AsyncEngine, tenant: str, run_id: str, invocation_id: str) -> AttemptBody:
    """Input and output of one attempt. Raises ``NotFound`` (ATTEMPT_NOT_FOUND, BODY_DELETED), ``Unavailable``."""
    run_id = run_id_text(run_id)
    not_found = NotFound(
        "ATTEMPT_NOT_FOUND", f"This run has no attempt {invocation_id[:60]}.", "Read the attempts again."
    )
    try:
        invocation_id = str(UUID(invocation_id))
    except ValueError:
        raise not_found from None
    query = select(
        attempts.run_id,
        attempts.action_id,
        attempts.action_version,
        attempts.input_json,
        attempts.output_json,
        attempts.input_ref,
        attempts.output_ref,
        attempts.input_bytes,
        attempts.output_bytes,
        workflow_runs.c.bodies_deleted_at,
    ).join(workflow_runs, workflow_runs.c.run_id == attempts.run_id)
    own = (attempts.invocation_id == invocation_id, attempts.run_id == run_id, attempts.tenant == tenant)
    async with open_reader(engine, tenant, run_id) as reader:
        row = await reader.row(query.where(*own))
        if row is None:
            raise not_found
        if row.bodies_deleted_at is not None:
            told = f"Input and output of this attempt were deleted at {iso_milliseconds(row.bodies_deleted_at)}."
            raise NotFound("BODY_DELETED", told, "`runstudio retention show` says how long they are kept.")
        body = await body_view(reader, row)
        return body


async def body_view(reader: Reader, row: Row[Any]) -> AttemptBody:
    """Input and output of a row of ``workflow_action_invocations``, redacted; what is kept apart is looked up.

    A value that is not the one its reference names is ``{"$omitted": "PAYLOAD_FORGED"}``.
    """
    action = f"{row.action_id}@{row.action_version}"
    given = await _value(reader, row.run_id, row.input_json, row.input_ref, row.input_bytes)
    answered = await _value(reader, row.run_id, row.output_json, row.output_ref, row.output_bytes)
    return AttemptBody(
        None if given is None else reader.given(action, *given),
        None if answered is None else reader.answered(action, *answered),
    )


async def _value(
    reader: Reader, run_id: str, inline: Any, reference: str | None, size_bytes: int | None
) -> tuple[Any, int | None] | None:
    """A value and its size; None where there is none."""
    if reference is None:
        # A JSON null is an answer too: it has a size.
        return None if inline is None and size_bytes is None else (inline, size_bytes)
    stored = await reader.row(KEPT.where(workflow_payloads.c.payload_id == reference))
    if stored is None:
        return None
    try:
        return verified(reference, run_id, reader.tenant, stored), stored.size_bytes
    except ForgedPayload:
        return {"$omitted": FORGED}, None


def attempt_view(reader: Reader, row: Row[Any]) -> Attempt:
    """A row of ``workflow_action_invocations`` without its bodies, redacted."""
    return Attempt(
        attempt_id=row.invocation_id,
        path=row.step_path,
        iteration=row.iteration,
        visit=row.visit,
        action=f"{row.action_id}@{row.action_version}",
        attempt=row.attempt,
        status=AttemptStatus.stored(row.status),
        started_at=row.started_at or row.created_at,
        completed_at=row.completed_at,
        error=reader.error(row.error_json, row.error_message),
        worker=row.worker_identity,
        idempotency_key=reader.hide_text(row.idempotency_key),
        input_bytes=row.input_bytes,
        output_bytes=row.output_bytes,
    )
