"""A database that is put back to an earlier moment, while everything else goes on; and a reconciler that looks."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.activities.rewriting import Rewriting
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.reconcile.executions import Listed, compare_executions
from engine.operations.reconcile.looks import Looks
from engine.operations.reconcile.positions import Compared, compare_positions
from engine.temporal.connection import TemporalConnection
from tests.engine.workflow.harness import Bench, Rows

TABLES = (
    "workflow_runs",
    "workflow_payloads",
    "workflow_run_steps",
    "workflow_run_waits",
    "workflow_action_invocations",
    "workflow_human_tasks",
    "workflow_run_logs",
    "workflow_runtime_events",
    "workflow_event_deliveries",
    "workflow_step_usage_periods",
)
SEQUENCE = "workflow_event_arrival_seq"


@dataclass
class Reconciling:
    """What a reconciler of a worker does, pass by pass."""

    bench: Bench
    positions: Looks = field(default_factory=Looks)
    executions: Looks = field(default_factory=Looks)

    @property
    def context(self) -> OperationContext:
        """Of a part of the engine."""
        actor = Actor("reconciler of the test", "here", "reconciler", "service")
        return OperationContext(self.bench.store, TemporalConnection.from_client(self.bench.client), actor)

    async def look(self) -> Compared:
        """Compare all open rows."""
        return await compare_positions(self.context, self.positions, None, Rewriting(self.bench.dependencies))

    async def look_at_executions(self) -> Listed:
        """Compare all open executions."""
        return await compare_executions(self.context, self.executions, None)

    async def submit(self, name: str, payload: object = None) -> None:
        """Submit an event, route it, and deliver it."""
        await submit_event(self.context, EventRequest(name, payload or {}, None))
        assert await route_received(self.context) == 1
        await make_due_deliveries(self.context)

    async def told(self) -> Rows:
        """What the audit log has of disagreements."""
        return await self.bench.rows(
            "SELECT run_id::text AS run_id, reason, details_json FROM workflow_audit_log"
            " WHERE target_kind = 'stores' ORDER BY created_at"
        )


async def keep(bench: Bench) -> None:
    """Back the database up."""
    for table in TABLES:
        await bench.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
    await bench.execute(f"CREATE TABLE kept_number AS SELECT last_value FROM {SEQUENCE}")


async def put_back(bench: Bench) -> None:
    """Restore the database."""
    async with bench.store.begin() as connection:
        await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in TABLES:
            await connection.exec_driver_sql(f"DELETE FROM {table}")
            await connection.exec_driver_sql(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}")
        await connection.exec_driver_sql(f"SELECT setval('{SEQUENCE}', greatest(last_value, 1)) FROM kept_number")
