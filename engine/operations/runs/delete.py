"""Deleting one run that has ended, with everything that belongs to it. The audit log keeps that it was there."""

from __future__ import annotations

from engine.errors import Conflict
from engine.operations.context import OperationContext
from engine.operations.runs.run_access import checked_reason, require_run, run_not_found
from engine.records import Level
from engine.store.database.transactions import writing
from engine.store.runs.deleting import JUST_ENDED_SECONDS, delete_run_rows, what_keeps
from engine.store.runs.runs import Run
from engine.store.tenant.audit import AuditEntry


async def delete_run(context: OperationContext, run_id: str, reason: str) -> None:
    """Delete a run, also one from before the cutover. Needs the level admin.

    Raises, with nothing deleted: ``Invalid`` (REASON_TOO_SHORT, REASON_TOO_LONG), ``NotFound`` (RUN_NOT_FOUND), ``Conflict``
    (RUN_ACTIVE, RUN_TREE_ACTIVE, RUN_JUST_ENDED), ``Forbidden``, ``Unavailable``.
    """
    await context.require(Level.ADMIN, tells_temporal=False)
    said = checked_reason(reason)
    async with writing(context.store) as connection:
        run = await require_run(connection, context.tenant, run_id)
        if run.active:
            raise _active(run)
        if not await delete_run_rows(connection, context.tenant, run.run_id):
            keeping = await what_keeps(connection, context.tenant, run.run_id)
            if keeping is None:
                # Somebody else has deleted it meanwhile.
                raise run_not_found(run.run_id)
            if keeping.tree_is_live:
                raise Conflict(
                    "RUN_TREE_ACTIVE",
                    f"A run above or below {run.run_id} is active.",
                    "Delete it when the whole tree has ended.",
                )
            raise Conflict(
                "RUN_JUST_ENDED",
                f"Run {run.run_id} ended less than {JUST_ENDED_SECONDS} seconds ago.",
                "Delete it a little later.",
            )
        details = {"status": run.status, "startedAt": run.started_at.isoformat()}
        entry = AuditEntry(
            "workflow_run_delete", "run", run.run_id, workflow_id=run.workflow_id, reason=said, details=details
        )
        await context.audit(connection, entry)


def _active(run: Run) -> Conflict:
    return Conflict(
        "RUN_ACTIVE", f"Run {run.run_id} is active: {run.status.lower()}.", "Only a run that has ended is deleted."
    )
