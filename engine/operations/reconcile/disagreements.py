"""Ending and telling: what is written of a run about which Postgres and Temporal disagreed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from temporalio.client import Client

from engine.operations.context import OperationContext
from engine.operations.reconcile.execution_end import ExecutionEnd
from engine.operations.reconcile.reconcile import settle
from engine.operations.reconcile.terminating import terminate
from engine.store.database.transactions import Connection, writing
from engine.store.runs import runs
from engine.store.runs.agreeing import RowState
from engine.store.runs.run_log import NewLogLine
from engine.store.tenant.audit import AuditEntry
from engine.store.tenant.disagreements import DISAGREED, STORES

STORES_DISAGREE: Final = "STORES_DISAGREE"
"""Code of a run that was ended because its rows and its execution could not be brought together."""
RESTORED: Final = "Postgres and Temporal disagree about this run, as after a restore of one of them:"


async def tell(
    context: OperationContext, connection: Connection, row: RowState, sentence: str, facts: dict[str, Any]
) -> None:
    """Write to the run's log and to the audit log what was found and done. Doctor and Attention read the audit log."""
    context = replace(context, tenant=row.tenant)
    await context.level()
    await context.log(connection, row.run_id, NewLogLine("WARN", sentence, facts))
    await audit(context, connection, row.run_id, row.workflow_id, sentence, facts)


async def audit(  # noqa: PLR0917 # one entry, written in two places
    context: OperationContext,
    connection: Connection,
    run_id: str,
    workflow_id: str | None,
    sentence: str,
    facts: dict[str, Any],
) -> None:
    """The entry alone. ``context`` is of the run's tenant, and its level is known."""
    entry = AuditEntry(
        DISAGREED, STORES, run_id, run_id=run_id, workflow_id=workflow_id, reason=sentence, details=facts
    )
    await context.audit(connection, entry)


async def end_both(client: Client, context: OperationContext, row: RowState, found: str, facts: dict[str, Any]) -> None:
    """Terminate the execution, then close the row as FAILED with ``STORES_DISAGREE``. Raises ``RPCError``, ``Unavailable``.

    ``found``: what is the case on each side, without a full stop at its end.
    """
    sentence = f"{RESTORED} {found}. Both were ended; look at what the run has done, and replay it."
    await terminate(client, row.run_id, f"{STORES_DISAGREE}: {sentence}")
    async with writing(context.store) as connection:
        [run] = await runs.load_runs(connection, [row.run_id])
        await tell(context, connection, row, sentence, facts)
    status = "FAILED" if run.cancel_requested_at is None else "CANCELED"
    await settle(context, run, ExecutionEnd("TERMINATED", status, sentence, error_of(sentence, facts)))


def error_of(message: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The error of a run that was ended for it."""
    return {
        "category": "ReconcileError",
        "code": STORES_DISAGREE,
        "message": message,
        "stage": "reconcile",
        "details": facts,
    }
