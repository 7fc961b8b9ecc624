"""The end of a run: its last trace, its final state, and everything that was still open."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import text

from engine.store import payloads
from engine.store.projection import Ended, Progress, projecting, write_progress
from engine.store.single_statement import execute_alone
from engine.store.transactions import Connection, Store


async def finish_run(
    store: Store,
    progress: Progress,
    status: str,
    error: dict[str, Any] | None,
    scopes: dict[str, Any],
    *,
    keep_scopes: bool,
) -> bool:
    """Close the run as ``status``. False: it was closed before, by whomever; that end stands and nothing is written.

    The final vars stay on the row up to 256 KiB. ``keep_scopes`` keeps all final scopes in the payload store (a parent's
    outputs are made of them); larger vars are kept there too. A run that did not succeed closes what it left open.
    """
    variables = payloads.sized(scopes["vars"]) if "vars" in scopes else None
    too_large = variables is not None and variables.large
    ended = Ended(status, error, None if variables is None or too_large else variables.text)
    keep = bool(scopes) and (keep_scopes or too_large)
    if status == "SUCCEEDED" and not keep:
        statement, parameters = projecting(progress, ended)
        row = await execute_alone(store, statement, parameters)
        return row is not None and bool(row[0])
    async with store.begin() as connection:
        if not await write_progress(connection, progress, ended):
            return False
        if keep:
            everything = payloads.sized(scopes)
            await payloads.put(connection, progress.run_id, payloads.final_scopes_id(progress.run_id), everything)
        if status != "SUCCEEDED":
            await close_what_is_open(connection, progress.run_id)
    return True


async def close_what_is_open(connection: Connection, run_id: str) -> None:
    """Close the open waits, steps, tasks and tries of a run that has just been closed."""
    for statement in _CLOSE_EACH:
        await connection.execute(statement, {"run_id": run_id})


_CLOSE_EACH: Final = (
    text("""
        UPDATE workflow_run_waits SET status = 'CANCELED', resolved_at = now()
        WHERE run_id = CAST(:run_id AS uuid) AND status = 'WAITING'
    """),
    text("""
        UPDATE workflow_run_steps SET status = 'CANCELED', completed_at = now(),
            duration_ms = greatest(0, round(extract(epoch FROM now() - started_at) * 1000))
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
