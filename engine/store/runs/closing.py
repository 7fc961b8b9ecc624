# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Closing a run: its last trace, its final state, and everything that was still open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import Connection, Store
from engine.store.trace import payloads
from engine.store.trace.projection import Ended, Progress, projecting, write_progress
from engine.store.trace.trace_rows import duration_ms

NEVER_BEGAN: Final = "Its parent ended before it began"


@dataclass(frozen=True, slots=True)
class EarlierEnd:
    """How a run was closed before; whoever did it, that end stands."""

    status: str
    error: dict[str, Any] | None
    scopes: dict[str, Any]
    """All final scopes when they were kept, else the final vars."""


class NoRow(Exception):
    """The run has no row: the database was restored to a moment before it, or the run was deleted."""


async def finish_run(
    store: Store,
    progress: Progress,
    status: str,
    error: dict[str, Any] | None,
    scopes: dict[str, Any],
    *,
    keep_scopes: bool,
    known: int | None = None,
) -> EarlierEnd | int | None:
    """Close the run as ``status``. None: it is closed as that now. Else: it was closed before, otherwise. Raises ``NoRow``.

    ``known``: the last record of its trace that the run knows of. When its rows have a later one, that is returned, and the
    run is open as it was.

    The final vars stay on the row up to 256 KiB. ``keep_scopes`` keeps all final scopes in the payload store (a parent's
    outputs are made of them); larger vars are kept there too. A run that did not succeed closes what it left open.
    """
    variables = payloads.sized(scopes["vars"]) if "vars" in scopes else None
    too_large = variables is not None and variables.large
    ended = Ended(status, error, None if variables is None or too_large else variables.text, known)
    keep = bool(scopes) and (keep_scopes or too_large)
    if status == "SUCCEEDED" and not keep:
        statement, parameters = projecting(progress, ended)
        row = await execute_alone(store, statement, parameters)
        written = row is not None and bool(row[0])
    else:
        async with store.begin() as connection:
            written = await write_progress(connection, progress, ended)
            if written and keep:
                everything = payloads.sized(scopes)
                await payloads.put(connection, progress.run_id, payloads.final_scopes_id(progress.run_id), everything)
            if written and status != "SUCCEEDED":
                await close_what_is_open(connection, progress.run_id)
                await connection.execute(_CLOSE_CHILD, {"run_id": progress.run_id, "never_began": NEVER_BEGAN})
    if written:
        return None
    earlier = await earlier_end(store, progress.run_id)
    if earlier is not None:
        return None if earlier.status == status else earlier
    row = await execute_alone(store, _REACHED, {"run_id": progress.run_id})
    if row is None:
        raise NoRow
    return int(row.seq)


async def earlier_end(store: Store, run_id: str) -> EarlierEnd | None:
    """How a run was closed; None when it is open or its row is gone."""
    parameters = {"run_id": run_id, "scopes": payloads.final_scopes_id(run_id)}
    row = await execute_alone(store, _EARLIER_END, parameters)
    if row is None:
        return None
    return EarlierEnd(row.status, row.error_json, row.scopes or {"vars": row.output_json or {}})


async def close_what_is_open(connection: Connection, run_id: str) -> None:
    """Close the open waits, steps, tasks and attempts of a run that has just been closed."""
    for statement in _CLOSE_EACH:
        await connection.execute(statement, {"run_id": run_id})


async def why_it_never_begins(connection: Connection, child_run_id: str) -> str | None:
    """How its parent ended, when that closed before this child began. None: by the rows it has begun, or still may."""
    values = {"child": child_run_id, "never_began": NEVER_BEGAN}
    why: str | None = (await connection.execute(_NEVER_BEGINS, values)).scalar()
    return why


_REACHED: Final = text("SELECT r.seq FROM workflow_runs AS r WHERE r.run_id = CAST(:run_id AS uuid)")
_EARLIER_END: Final = text("""
    SELECT r.status, r.error_json, r.output_json,
        (SELECT p.value_json FROM workflow_payloads AS p WHERE p.payload_id = CAST(:scopes AS uuid)) AS scopes
    FROM workflow_runs AS r
    WHERE r.run_id = CAST(:run_id AS uuid) AND r.status NOT IN ('RUNNING', 'WAITING')
""")
_CLOSE_EACH: Final = (
    text("""
        UPDATE workflow_run_waits SET status = 'CANCELED', resolved_at = now()
        WHERE run_id = CAST(:run_id AS uuid) AND status = 'WAITING'
    """),
    text(f"""
        UPDATE workflow_run_steps AS s
        SET status = 'CANCELED', completed_at = now(), duration_ms = {duration_ms("clock_timestamp()")}
        WHERE run_id = CAST(:run_id AS uuid) AND status IN ('STARTED', 'RETRY_SCHEDULED')
    """),
    text("""
        UPDATE workflow_human_tasks SET status = 'canceled', updated_at = now()
        WHERE run_id = CAST(:run_id AS uuid) AND status IN ('pending', 'claimed')
    """),
    # An action that is still running somewhere writes no outcome any more; its key is free for another execution.
    text("""
        UPDATE workflow_action_invocations SET status = 'ABANDONED', completed_at = now()
        WHERE run_id = CAST(:run_id AS uuid) AND status = 'STARTED'
    """),
)
# One that has steps or units is at work: Temporal tells it that its parent has ended, or the reconciler does.
_NOT_BEGUN: Final = """c.status IN ('RUNNING', 'WAITING')
        AND c.temporal_run_id IS NULL AND c.step_count = 0 AND c.quota_leased = 0"""
_WHY: Final = "CAST(:never_began AS text) || ': ' || coalesce(p.error_json ->> 'message', p.status)"
# Only its parent would have started it. One that was started all the same finds its row closed, and ends. Where a restore of
# Postgres took records, the row of a child may be older than the child.
_CLOSE_CHILD: Final = text(f"""
    UPDATE workflow_runs AS c
    SET status = 'CANCELED', completed_at = now(), updated_at = now(), step_due_at = NULL, waiting_on = NULL,
        waiting_since = NULL, last_error_code = 'Cancellation',
        error_json = jsonb_build_object('category', 'Cancellation', 'nodePath', '', 'message', {_WHY})
    FROM workflow_runs AS p
    WHERE p.run_id = CAST(:run_id AS uuid) AND c.tenant = p.tenant AND c.parent_run_id = p.run_id
        AND p.lost_records IS NULL AND {_NOT_BEGUN}
""")
_NEVER_BEGINS: Final = text(f"""
    SELECT {_WHY} FROM workflow_runs AS c JOIN workflow_runs AS p ON p.run_id = c.parent_run_id AND p.tenant = c.tenant
    WHERE c.run_id = CAST(:child AS uuid) AND p.status NOT IN ('RUNNING', 'WAITING') AND {_NOT_BEGUN}
""")
