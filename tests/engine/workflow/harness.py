"""A database, a Temporal, workers, and short words for what a test of the workflow does with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import Worker

from engine.actions.secrets import EnvironmentSecrets, SecretResolver
from engine.activities.dependencies import ActivityDependencies
from engine.contract import SIGNAL_EVENT, workflow_id_for
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.settings import DEFAULT_TENANT
from engine.store.database.transactions import Store
from engine.temporal.connection import TemporalConnection
from engine.temporal.data_converter import data_converter
from engine.worker.forgetting import RunsInMemory
from engine.worker.temporal_worker import build_worker
from tests.engine.operations.conftest import add_version
from tests.engine.workflow.actions import Counts, registry_of
from tests.engine.workflow.quiet import is_quiet

Steps = list[dict[str, Any]]
Rows = list[dict[str, Any]]
SECRETS = {"RUNSTUDIO_SECRET_TOKEN": "canary-4711"}
PATIENCE_SECONDS = 240.0
"""For what comes for sure: nobody waits that long, but a busy machine may take its time."""


def tell_first(told: Callable[[], Awaitable[Any]]) -> None:
    """Tell Temporal something, and go on only when Temporal has it: what the caller was about to tell it comes second.

    Nothing else happens in the caller's event loop meanwhile, so ``told`` may not need anything that lives in it.
    """

    async def tell() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await told()

    with ThreadPoolExecutor(1) as beside:
        beside.submit(lambda: asyncio.run(tell())).result()


@dataclass
class Bench:
    """One test's world."""

    store: Store
    client: Client
    counts: Counts = field(default_factory=Counts)
    tenant: str = DEFAULT_TENANT
    max_value_bytes: int = 2 * 1024 * 1024
    identity: str = "worker-of-the-test"

    @property
    def dependencies(self) -> ActivityDependencies:
        """Of a worker of this test."""
        return ActivityDependencies(
            store=self.store,
            actions=registry_of(self.counts),
            secrets=SecretResolver([EnvironmentSecrets(SECRETS)]),
            identity=self.identity,
            max_value_bytes=self.max_value_bytes,
        )

    @asynccontextmanager
    async def worker(self, in_memory: RunsInMemory | None = None) -> AsyncIterator[Worker]:
        """A sandboxed worker, for as long as the block lasts."""
        worker = build_worker(
            self.client, self.dependencies, sandboxed=True, identity=self.identity, in_memory=in_memory
        )
        async with worker:
            yield worker

    async def publish(self, steps: Steps, workflow_id: str = "wf.main", *, payload_schema: Any = None) -> int:
        """A new version with these steps."""
        return await add_version(
            self.store, workflow_id, tenant=self.tenant, payload_schema=payload_schema, steps=steps
        )

    async def start(self, payload: Any = None, workflow_id: str = "wf.main") -> Run:
        """Start a run of the latest version."""
        context = OperationContext(
            self.store, TemporalConnection.from_client(self.client), Actor("tester", source="api"), self.tenant
        )
        result = await launch_published_run(context, LaunchRequest(workflow_id, payload or {}))
        assert not result.pending, result.message
        return Run(self, result.run_id)

    async def play(self, steps: Steps, payload: Any = None) -> Run:
        """Publish and run to the end."""
        await self.publish(steps)
        run = await self.start(payload)
        await run.ended()
        return run

    async def rows(self, sql: str, **parameters: Any) -> Rows:
        """Rows as they are in the tables."""
        async with self.store.connect() as connection:
            found = (await connection.execute(text(sql), parameters)).mappings()
            return [dict(row) for row in found]

    async def execute(self, sql: str, **parameters: Any) -> None:
        """Change the tables."""
        async with self.store.begin() as connection:
            await connection.execute(text(sql), parameters)

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until ``condition`` gives something true, and return it."""
        async with asyncio.timeout(seconds):
            # What is waited for is in Postgres or in Temporal; nothing here could set an event.
            while not (found := await condition()):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)
        return found


@dataclass(frozen=True)
class Run:
    """One run, as its row, its history and Temporal show it."""

    bench: Bench
    id: str

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Temporal's."""
        config = self.bench.client.config()
        config["data_converter"] = data_converter(self.bench.store)
        return Client(**config).get_workflow_handle(workflow_id_for(self.id))

    async def result(self, seconds: float = PATIENCE_SECONDS) -> Any:
        """What the execution returned; raises what it failed with."""
        return await asyncio.wait_for(self.handle.result(), seconds)

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The row, once the run is over in Temporal too."""
        await asyncio.gather(self.result(seconds), return_exceptions=True)
        row = await self.row()
        assert row["status"] in ("SUCCEEDED", "FAILED", "CANCELED"), row
        return row

    def cancel_first(self) -> None:
        """Cancel, and go on only when Temporal has it: what the caller was about to tell Temporal comes second."""
        tell_first(self.handle.cancel)

    async def row(self) -> dict[str, Any]:
        """The run's row."""
        [row] = await self.bench.rows("SELECT * FROM workflow_runs WHERE run_id = CAST(:id AS uuid)", id=self.id)
        return row

    async def waiting(self, on: str) -> dict[str, Any]:
        """The row, once the run waits for that."""

        async def found() -> dict[str, Any] | None:
            row = await self.row()
            return row if (row["status"], row["waiting_on"]) == ("WAITING", on) else None

        return await self.bench.until(found)  # type: ignore[no-any-return] # what found gives

    async def at_rest(self) -> None:
        """Wait until Temporal has all that the run did: its rows say where it is before its workflow task is done."""

        async def quiet() -> bool:
            return is_quiet(await self.history())

        await self.bench.until(quiet)

    async def steps(self) -> Rows:
        """Step rows in the order they were made."""
        return await self._of("workflow_run_steps", "started_at, seq")

    async def step_states(self) -> list[tuple[str, str, str, int]]:
        """(path, iteration, status, attempt) of each step."""
        return [(s["step_path"], s["iteration"], s["status"], s["attempt"]) for s in await self.steps()]

    async def waits(self) -> Rows:
        """Wait rows."""
        return await self._of("workflow_run_waits", "created_at, seq")

    async def tries(self) -> Rows:
        """Tries of actions."""
        return await self._of("workflow_action_invocations", "created_at, attempt")

    async def logs(self) -> Rows:
        """Log lines."""
        return await self._of("workflow_run_logs", "line_no")

    async def _of(self, table: str, order: str) -> Rows:
        return await self.bench.rows(
            f"SELECT * FROM {table} WHERE run_id = CAST(:id AS uuid) ORDER BY {order}", id=self.id
        )

    async def history(self) -> WorkflowHistory:
        """Of the latest execution."""
        return await self.handle.fetch_history()

    async def events(self) -> Counter[str]:
        """How many events of each kind the latest execution has, ``ACTIVITY_TASK_SCHEDULED: 1``."""
        history = await self.history()
        return Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events)

    async def send_event(self, name: str, payload: Any = None, key: str | None = None, event_id: str = "e1") -> None:
        """The signal the router sends."""
        signal = {"eventId": event_id, "eventName": name, "correlationKey": key, "payload": payload or {}}
        await self.handle.signal(SIGNAL_EVENT, signal)
