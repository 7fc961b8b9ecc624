"""Temporal without us: a workflow written by hand that calls a no-op activity per step, and the three-activities shape.

The hand-written workflow records nothing outside of Temporal: no list of runs, no steps to look at, no way to find a run by
what it waits for. What Run Studio costs beyond it is the price of those rows.

The three-activities shape writes a row before a step and another state after it, each by an activity of its own. An earlier
system of this kind worked that way; it exists only here.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.temporal.client import connect_temporal
from engine.worker.run_cache import USUAL
from engine.worker.temporal_worker import CONCURRENT_ACTIVITIES, CONCURRENT_WORKFLOW_TASKS
from tests.bench.contenders.memory import resident_kilobytes
from tests.bench.contenders.process import serve
from tests.bench.measuring import in_flight

QUEUE = "bench-temporal-alone"
RAN: Counter[str] = Counter()
TIMEOUT = timedelta(seconds=30)


@activity.defn
async def give_back(given: dict[str, Any]) -> dict[str, Any]:
    """Gives back what it got."""
    RAN["steps"] += 1
    return given


@workflow.defn
class HandWritten:
    """One ordinary activity per step."""

    @workflow.run
    async def run(self, steps: int, payload: dict[str, Any]) -> dict[str, Any]:
        """The last answer."""
        answer: dict[str, Any] = {}
        for _ in range(steps):
            answer = await workflow.execute_activity(
                give_back, {"value": payload["value"]}, start_to_close_timeout=TIMEOUT
            )
        return answer


@workflow.defn
class ThreeActivities:
    """Three ordinary activities per step, the first and the last of which write to Postgres."""

    @workflow.run
    async def run(self, steps: int, payload: dict[str, Any]) -> dict[str, Any]:
        """The last answer."""
        answer: dict[str, Any] = {}
        for index in range(steps):
            row = {"run": workflow.info().workflow_id, "step": index}
            given = {"value": payload["value"]}
            await workflow.execute_activity("project_start", {**row, "input": given}, start_to_close_timeout=TIMEOUT)
            answer = await workflow.execute_activity(give_back, given, start_to_close_timeout=TIMEOUT)
            await workflow.execute_activity(
                "project_completion", {**row, "output": answer}, start_to_close_timeout=TIMEOUT
            )
        return answer


@workflow.defn
class Idle:
    """Some local activities, and then it waits for what never comes."""

    @workflow.run
    async def run(self, steps: int, payload: dict[str, Any]) -> None:
        """Never returns."""
        for _ in range(steps):
            await workflow.execute_local_activity(give_back, {"value": 1}, schedule_to_close_timeout=TIMEOUT)
        await workflow.wait_condition(lambda: False)

    @workflow.query
    def idle(self) -> bool:
        """Answered once the workflow task before it is done, which is when it waits."""
        return True


class Projections:
    """What writes the rows of the three-activities shape: two small statements, one commit each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self) -> None:
        """The table."""
        async with self._store.begin() as connection:
            await connection.execute(_CREATE)

    @activity.defn
    async def project_start(self, row: dict[str, Any]) -> None:
        """The step has begun."""
        async with self._store.begin() as connection:
            await connection.execute(_START, {"run": row["run"], "step": row["step"]})

    @activity.defn
    async def project_completion(self, row: dict[str, Any]) -> None:
        """The step has ended."""
        async with self._store.begin() as connection:
            await connection.execute(_COMPLETE, {"run": row["run"], "step": row["step"]})


_CREATE = text("CREATE TABLE bench_steps (run text, step int, status text, at timestamptz, PRIMARY KEY (run, step))")
_START = text("INSERT INTO bench_steps VALUES (:run, :step, 'STARTED', now()) ON CONFLICT DO NOTHING")
_COMPLETE = text("UPDATE bench_steps SET status = 'SUCCEEDED', at = now() WHERE run = :run AND step = :step")

WORKFLOWS: dict[str, Callable[..., Awaitable[Any]]] = {"hand-written": HandWritten.run, "three": ThreeActivities.run}


class TemporalAlone:
    """See the module."""

    async def open(self, database_url: str, temporal_address: str) -> None:
        """A worker with the very settings of ours, and a client."""
        self._store = create_store_engine(database_url, pool_size=20)
        projections = Projections(self._store)
        await projections.create()
        self._client: Client = await connect_temporal(Settings.load(temporal_address=temporal_address))
        self._worker = Worker(
            self._client,
            task_queue=QUEUE,
            workflows=[HandWritten, ThreeActivities, Idle],
            activities=[give_back, projections.project_start, projections.project_completion],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=USUAL.runs,
            max_concurrent_workflow_tasks=CONCURRENT_WORKFLOW_TASKS,
            max_concurrent_activities=CONCURRENT_ACTIVITIES,
        )
        await self._worker.__aenter__()

    async def close(self) -> None:
        """Stop polling."""
        await self._worker.shutdown()
        await self._store.dispose()

    async def idle_kilobytes(self, steps: int, runs: int, payload_characters: int) -> float:
        """Memory per run that made so many steps as local activities, waits, and is kept in the worker's cache."""
        payload = {"value": "x" * payload_characters}

        async def one() -> None:
            handle = await self._client.start_workflow(
                Idle.run, args=[steps, payload], id=f"bench-{uuid.uuid4()}", task_queue=QUEUE
            )
            await handle.query(Idle.idle)

        await in_flight(runs // 5, 16, one)
        before = resident_kilobytes()
        await in_flight(runs, 16, one)
        return (resident_kilobytes() - before) / runs

    async def seconds(self, kind: str, steps: int, runs: int, at_once: int) -> float:
        """How long so many whole runs of so many steps take, from the start to the result."""

        async def whole_run() -> None:
            await self._client.execute_workflow(
                WORKFLOWS[kind], args=[steps, {"value": 1}], id=f"bench-{uuid.uuid4()}", task_queue=QUEUE
            )

        before = RAN["steps"]
        taken = await in_flight(runs, at_once, whole_run)
        assert RAN["steps"] - before == runs * steps
        return taken


if __name__ == "__main__":
    serve(TemporalAlone())
