"""What operators and producers do to the runs that are rebuilt."""

from __future__ import annotations

from typing import Any

from engine.interpreter.recorded_run import RecordedRun
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.tasks.tasks import complete_task
from engine.store.database.reader import open_reader
from engine.store.trace.recorded import load_recorded
from engine.temporal.connection import TemporalConnection
from tests.engine.workflow.harness import Bench, Run


def operator(bench: Bench) -> OperationContext:
    """An admin."""
    return OperationContext(bench.store, TemporalConnection.from_client(bench.client), Actor("tester"), bench.tenant)


async def publish_event(bench: Bench, name: str, payload: Any, key: str = "k") -> None:
    """Submit an event, and bring it to everybody it is for."""
    context = operator(bench)
    await submit_event(context, EventRequest(name, payload, key))
    while await route_received(context) or await make_due_deliveries(context):
        pass


async def answer_task(run: Run, response: dict[str, Any]) -> None:
    """Complete the task the run comes to, under an event name of its own."""
    await run.waiting("human")
    [task] = await run.bench.rows("SELECT task_id FROM workflow_human_tasks WHERE status = 'pending'")
    await complete_task(operator(run.bench), str(task["task_id"]), response, event_name="DECIDED")


async def recorded_of(run: Run) -> RecordedRun:
    """What the rows tell of a run."""
    async with open_reader(run.bench.store, run.bench.tenant) as reader:
        return await load_recorded(reader, run.id)
