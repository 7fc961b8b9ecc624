"""The steps of a run, in the order they were written or changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import NotFound
from engine.records import Document, Step, StepsPage, StepStatus
from engine.store.database.keyset import Keyset, decode_cursor, encode_cursor, fingerprint
from engine.store.database.reader import Reader, open_reader, run_id_text
from engine.store.runs.listing import check_limit
from engine.store.tables import workflow_action_invocations, workflow_run_steps

MAX_STEPS: Final = 1000

steps = workflow_run_steps.c
attempts = workflow_action_invocations.c
_CHANGES: Final = Keyset((steps.change_no, steps.started_at, steps.step_id), descending=False)
"""Rows from before the cutover have no number, and come first, in the order of their start."""


async def steps_page(
    engine: AsyncEngine, tenant: str, run_id: str, *, after: str | None = None, limit: int = MAX_STEPS
) -> StepsPage:
    """Step rows written or changed after a cursor (None: from the first); ``limit`` 1..1000.

    A run nobody knows has no steps. Raises ``Invalid`` (CURSOR_INVALID, LIMIT_INVALID), ``NotFound`` for what is no id, and
    ``Unavailable``.
    """
    check_limit(limit, MAX_STEPS)
    run_id = run_id_text(run_id)
    query = fingerprint("steps", tenant, run_id)
    where = [steps.run_id == run_id, steps.tenant == tenant]
    if after is not None:
        where.append(_CHANGES.beyond(decode_cursor(query, after, (int, datetime, UUID))))
    page = select(workflow_run_steps).where(*where).order_by(*_CHANGES.order()).limit(limit + 1).subquery("page")
    async with open_reader(engine, tenant, run_id) as reader:
        found = await reader.rows(_with_attempts(page))
        rows = found[:limit]
        old_attempts = await _attempts_before_the_cutover(reader, run_id) if any(row.visit == 0 for row in rows) else {}
        views = tuple(_view(reader, row, old_attempts.get(row.step_path, row.attempts)) for row in rows)
    last = rows[-1] if rows else None
    if last is None:
        cursor = after or encode_cursor(
            query, (-1, datetime.fromtimestamp(0, reader.server_now.tzinfo), str(UUID(int=0)))
        )
    else:
        cursor = encode_cursor(query, (last.change_no, last.started_at, last.step_id))
    return StepsPage(views, cursor, len(found) > limit, reader.server_now)


async def step_body(engine: AsyncEngine, tenant: str, run_id: str, row_id: str) -> Document:
    """Outcome and full error of one step row: ``{"outcome": ..., "error": ...}``. Raises ``NotFound`` (STEP_NOT_FOUND)."""
    run_id, row_id = run_id_text(run_id), _step_id(row_id)
    query = select(steps.outcome_json, steps.error_json)
    async with open_reader(engine, tenant, run_id) as reader:
        row = await reader.row(query.where(steps.run_id == run_id, steps.step_id == row_id, steps.tenant == tenant))
        if row is None:
            raise _not_found(row_id)
        # Redacted apart: a tenant's pointers are meant for each document by itself.
        outcome, error = reader.document(row.outcome_json), reader.document(row.error_json)
        masked = {f"/outcome{pointer}" for pointer in outcome.masked} | {f"/error{pointer}" for pointer in error.masked}
        body = Document({"outcome": outcome.value, "error": error.value}, frozenset(masked))
        return body


def step_of(row_id: str, run_id: str, tenant: str) -> Select[Any]:
    """Where in the run a step row is: path, iteration and visit."""
    position = select(steps.step_path, steps.iteration, steps.visit)
    return position.where(steps.step_id == _step_id(row_id), steps.run_id == run_id, steps.tenant == tenant)


def _with_attempts(page: Any) -> Select[Any]:
    number = (
        select(func.count().label("attempts"))
        .select_from(workflow_action_invocations)
        .where(
            attempts.run_id == page.c.run_id,
            attempts.step_path == page.c.step_path,
            attempts.iteration == page.c.iteration,
            attempts.visit == page.c.visit,
            # The predicate of the index, which also leaves out what cannot be told apart.
            attempts.visit > 0,
        )
        .lateral("counted")
    )
    order = [page.c[str(column.key)].asc() for column in _CHANGES.columns]
    return select(page, number.c.attempts).select_from(page.join(number, true())).order_by(*order)


async def _attempts_before_the_cutover(reader: Reader, run_id: str) -> dict[str, int]:
    """Attempts by path: loop iterations cannot be told apart there."""
    counted = select(attempts.step_path, func.count().label("number")).where(
        and_(attempts.run_id == run_id, attempts.visit == 0)
    )
    return {row.step_path: row.number for row in await reader.rows(counted.group_by(attempts.step_path))}


def _view(reader: Reader, row: Row[Any], number_of_tries: int) -> Step:
    return Step(
        row_id=row.step_id,
        path=row.step_path,
        step_id=row.definition_step_id,
        step_type=row.step_type or "",
        status=StepStatus.stored(row.status),
        started_at=row.started_at,
        completed_at=row.completed_at,
        iteration=row.iteration,
        visit=row.visit,
        attempt=row.attempt,
        attempts=number_of_tries,
        outcome=reader.hide(row.outcome_json),
        error=reader.error(row.error_json),
        handled_by=row.handled_by,
        duration_ms=row.duration_ms,
    )


def _step_id(row_id: str) -> str:
    try:
        return str(UUID(row_id))
    except ValueError:
        raise _not_found(row_id) from None


def _not_found(row_id: str) -> NotFound:
    return NotFound("STEP_NOT_FOUND", f"This run has no step row {row_id[:60]}.", "Read the steps again.")
