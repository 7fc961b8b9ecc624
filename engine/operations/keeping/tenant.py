"""The end of a tenant: its executions are ended in Temporal, then its rows are deleted. Harmless to repeat."""

from __future__ import annotations

from collections import Counter
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from engine.errors import Invalid
from engine.operations.context import OperationContext
from engine.operations.progress import Progress, untold
from engine.operations.reconcile.terminating import terminate
from engine.operations.runs.run_access import checked_reason
from engine.operations.schedules.temporal_schedules import drop_schedule
from engine.records import Level, TenantDeleted
from engine.store.database.transactions import writing
from engine.store.keeping import tenant_rows
from engine.store.tenant.audit import AuditEntry
from engine.temporal.connection import unavailable

RUNS_AT_ONCE: Final = 100


async def delete_tenant(
    context: OperationContext, typed_name: str, reason: str, *, progress: Progress = untold
) -> TenantDeleted:
    """Delete everything of the tenant but its audit log. Needs the level admin.

    ``typed_name``: the tenant's id, as a person typed it. Workflows are paused first and schedules dropped, so that nothing new
    is started; then executions are terminated, then rows deleted in batches, until a pass finds none. It may be broken off and
    repeated. ``progress`` is told rows deleted so far; how many there are is not known. Raises, with nothing deleted: ``Invalid``
    (TENANT_NAME_WRONG, REASON_TOO_SHORT, REASON_TOO_LONG), ``Forbidden``; later ``Unavailable``.
    """
    await context.require(Level.ADMIN)
    said = checked_reason(reason)
    if typed_name.strip().lower() != context.tenant:
        raise Invalid("TENANT_NAME_WRONG", "What was typed is not the tenant.", f"Type {context.tenant} to delete it.")
    client = await context.temporal.client()
    async with writing(context.store) as connection:
        await context.audit(connection, AuditEntry("tenant_delete", "tenant", context.tenant, reason=said))
        await tenant_rows.pause_workflows(connection, context.tenant)
        schedules = await tenant_rows.schedule_ids(connection, context.tenant)
    try:
        for schedule_id in schedules:
            await drop_schedule(client, schedule_id)
        terminated = await _terminate(context, client, said)
    except RPCError as error:
        raise unavailable(error, "end what the tenant has there") from error
    rows = await _delete(context, progress)
    async with writing(context.store) as connection:
        details = {"terminated": terminated, "rows": sum(rows.values())}
        entry = AuditEntry("tenant_deleted", "tenant", context.tenant, reason=said, details=details)
        await context.audit(connection, entry)
    return TenantDeleted(context.tenant, terminated, rows)


async def _terminate(context: OperationContext, client: Client, reason: str) -> int:
    """End every execution. Its row is closed, so that the next look finds others. Raises ``RPCError``."""
    terminated = 0
    while True:
        async with writing(context.store) as connection:
            active = await tenant_rows.active_runs(connection, context.tenant, RUNS_AT_ONCE)
        if not active:
            return terminated
        for run_id in active:
            terminated += await terminate(client, run_id, f"The tenant is deleted: {reason}")
            async with writing(context.store) as connection:
                await tenant_rows.end_row(connection, run_id)


async def _delete(context: OperationContext, progress: Progress) -> dict[str, int]:
    """Rows deleted by table. A worker may still have written some while the executions ended: it is looked again."""
    done: Counter[str] = Counter()
    while True:
        before = done.total()
        for table in tenant_rows.tables_of_tenants():
            while True:
                async with writing(context.store) as connection:
                    deleted = await tenant_rows.delete_rows(connection, table, context.tenant)
                done[table.name] += deleted
                progress(done.total(), done.total())
                if deleted < tenant_rows.BATCH:
                    break
        if done.total() == before:
            return {name: number for name, number in done.items() if number}
