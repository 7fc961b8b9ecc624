"""An installation of a test's own, in processes: Postgres, Temporal and workers, each to be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from engine.contract import workflow_id_for
from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.processes import free_port
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import TemporalServer
from engine.devstack.worker_process import is_ready
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import Started
from engine.settings import Settings
from engine.store.database.engine import create_store_engine
from engine.temporal.connection import TemporalConnection
from tests.engine.workflow.harness import Bench, Run
from tests.faults import ledger, rude_actions
from tests.faults.ledger import Entry, read_entries
from tests.imported import Program, Start, logged

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = "faults_template"
START_SECONDS = 240.0
END_SECONDS = 300.0
"""For all runs of a test to end, some of them after Temporal's own time-outs: much less is usual."""
ACTIVE = ("RUNNING", "WAITING")
SAME_END = {
    "SUCCEEDED": WorkflowExecutionStatus.COMPLETED,
    "FAILED": WorkflowExecutionStatus.FAILED,
    "CANCELED": WorkflowExecutionStatus.CANCELED,
}
"""What Temporal says of a run whose row says this."""
LEFT_OPEN = {
    "workflow_run_steps": "status = 'STARTED'",
    "workflow_run_waits": "status = 'WAITING'",
    "workflow_human_tasks": "status IN ('pending', 'claimed')",
    "workflow_action_invocations": "status = 'STARTED'",
    "workflow_event_deliveries": "status = 'pending'",
    "workflow_runtime_events": "state = 'received'",
}


@dataclass(frozen=True)
class WorkerUnderTest:
    """A worker process, as an administrator starts it."""

    name: str
    process: Program
    port: int
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Signal it."""
        self.process.send_signal(number)

    async def ended(self, seconds: float = START_SECONDS) -> int:
        """Its exit code, once it has ended."""
        return await self.process.ended(seconds)


@dataclass
class Installation:
    """Everything a customer has, on servers that belong to the test."""

    directory: Path
    postgres: EmbeddedPostgres
    temporal: TemporalServer
    bench: Bench
    url: str
    variables: dict[str, str] = field(default_factory=dict)
    """Of every worker, on top of ours."""

    @property
    def ledger(self) -> Path:
        """Where the actions note their executions."""
        return self.directory / "ledger"

    @property
    def context(self) -> OperationContext:
        """Of a program that operates on the installation, with a Temporal client of its own."""
        settings = Settings.load(database_url=self.url, temporal_address=self.temporal.address)
        return OperationContext(self.bench.store, TemporalConnection.from_settings(settings), Actor("producer"))

    # --- runs -------------------------------------------------------------------------------------------------------

    async def launch(self, number: int, payload: Callable[[int], Any], workflow_id: str = "wf.main") -> list[Run]:
        """Start so many runs, a few at a time."""
        context, free = self.context, asyncio.Semaphore(10)

        async def one(index: int) -> Started:
            async with free:
                return await launch_published_run(context, LaunchRequest(workflow_id, payload(index)))

        results = await asyncio.gather(*(one(index) for index in range(number)))
        assert not any(result.pending for result in results)
        return [Run(self.bench, result.run_id) for result in results]

    def entries(self) -> list[Entry]:
        """What the actions have done outside of us."""
        return read_entries(self.ledger)

    async def done(self, executions: int, seconds: float = END_SECONDS) -> None:
        """Wait until actions have been executed so often; needs no server."""
        async with asyncio.timeout(seconds):
            while len(self.entries()) < executions:  # noqa: ASYNC110 # it is another process that writes
                await asyncio.sleep(0.05)

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float) -> Any:
        """As ``Bench.until``, while the servers come and go."""

        async def tried() -> Any:
            try:
                return await condition()
            except (SQLAlchemyError, OSError, RPCError):
                return None

        return await self.bench.until(tried, seconds)

    async def active(self) -> int:
        """How many runs have not ended."""
        [row] = await self.bench.rows(
            "SELECT count(*) AS n FROM workflow_runs WHERE status = ANY(:active)", active=list(ACTIVE)
        )
        return int(row["n"])

    async def all_ended(self, seconds: float = END_SECONDS) -> None:
        """Wait until every run is over, in its row and in Temporal, and everything that was to be delivered is."""

        async def settled() -> bool:
            if await self.active():
                return False
            [row] = await self.bench.rows(
                "SELECT (SELECT count(*) FROM workflow_event_deliveries WHERE status = 'pending')"
                " + (SELECT count(*) FROM workflow_runtime_events WHERE state = 'received') AS n"
            )
            return row["n"] == 0

        async with asyncio.timeout(seconds):
            await self.until(settled, seconds)
            runs = await self.bench.rows("SELECT run_id FROM workflow_runs")
            free = asyncio.Semaphore(10)
            await asyncio.gather(*(self._closed(str(run["run_id"]), free) for run in runs))

    async def _closed(self, run_id: str, free: asyncio.Semaphore) -> None:
        async def closed() -> bool:
            async with free:
                return await self.execution(run_id) is not WorkflowExecutionStatus.RUNNING

        await self.until(closed, START_SECONDS)

    async def execution(self, run_id: str) -> WorkflowExecutionStatus | None:
        """How Temporal has the run."""
        return (await self.bench.client.get_workflow_handle(workflow_id_for(run_id)).describe()).status

    # --- servers ----------------------------------------------------------------------------------------------------

    async def restart_postgres(self, away: float = 0.0) -> None:
        """Kill Postgres, leave it away for so many seconds, and start it again with its data."""
        await asyncio.to_thread(self.postgres.kill)
        await asyncio.sleep(away)
        await asyncio.to_thread(self.postgres.start)
        # Our own connections are broken; the workers have to find that out by themselves.
        await self.bench.store.dispose()

    async def restart_temporal(self, away: float = 0.0) -> None:
        """Kill Temporal, leave it away for so many seconds, and start it again on the same port with its history."""
        await asyncio.to_thread(self.temporal.kill)
        await asyncio.sleep(away)
        await self.start_temporal()

    async def start_temporal(self) -> None:
        """Start it where it was, after it was killed."""
        port = self.temporal.port
        await asyncio.to_thread(self.temporal.start)
        assert self.temporal.port == port, "somebody else took the port"

    @asynccontextmanager
    async def worker(
        self, name: str, *, before: str = "", ready: bool = True, last: int | None = None
    ) -> AsyncIterator[WorkerUnderTest]:
        """``runstudio worker``, ready; killed at the end of the block if it still lives.

        ``before``: Python statements that make it another build than the one of this repository. ``last``: it is killed when
        actions have been executed so often, by whatever worker.
        """
        arguments = ["worker", "--actions", ledger.__name__, "--actions", rude_actions.__name__]
        port, log = free_port(), self.directory / f"{name}.log"
        variables = {
            "DATABASE_URL": self.url,
            "TEMPORAL_ADDRESS": self.temporal.address,
            "RUNSTUDIO_HEALTH_PORT": str(port),
            ledger.VARIABLE: str(self.ledger),
            **({} if last is None else {ledger.LAST_VARIABLE: str(last)}),
            **self.variables,
        }
        process = logged(Start("runstudio_tui.cli", arguments, {**os.environ, **variables}, before), log)
        worker = WorkerUnderTest(name, process, port, log)
        try:
            if ready:
                await self.ready(worker)
            yield worker
        finally:
            process.kill()
            await process.ended()

    async def ready(self, worker: WorkerUnderTest, seconds: float = START_SECONDS) -> None:
        """Wait until every part of the worker works."""
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(is_ready, worker.port):
            assert worker.process.returncode is None, worker.log.read_text()
            assert time.monotonic() < deadline, worker.log.read_text()
            await asyncio.sleep(0.1)

    # --- what is true whatever has died -----------------------------------------------------------------------------

    async def account(self, runs: Collection[Run], *, executed: int, inside: int = 0) -> dict[str, int]:
        """Check everything that must hold now that every run is over; how many runs ended as what.

        ``executed``: keys the ledger must hold, no more and no fewer; ``inside``: rows that transactional actions must have
        written.
        """
        rows = await self.bench.rows("SELECT run_id, status, parent_run_id FROM workflow_runs")
        statuses = {str(row["run_id"]): row["status"] for row in rows}
        assert {run.id for run in runs} == {str(row["run_id"]) for row in rows if row["parent_run_id"] is None}
        for run_id, status in statuses.items():
            execution = await self.execution(run_id)
            assert execution is SAME_END[status], f"{run_id} is {status} and {execution}"
        for table, condition in LEFT_OPEN.items():
            left = await self.bench.rows(f"SELECT * FROM {table} WHERE {condition}")
            assert left == [], f"{table}: {left}"
        await self._counted()
        await self._once_per_key(executed, inside)
        counted = [statuses[run.id] for run in runs]
        return {status: counted.count(status) for status in set(counted)}

    async def _counted(self) -> None:
        """Every step was counted once, and no leased unit is left."""
        [sums] = await self.bench.rows(
            "SELECT (SELECT coalesce(sum(used_count), 0) FROM workflow_step_usage_periods) AS used,"
            " (SELECT count(*) FROM workflow_run_steps) AS steps,"
            " coalesce(sum(step_count), 0) AS counted, coalesce(sum(quota_leased), 0) AS leased FROM workflow_runs"
        )
        assert sums["used"] == sums["counted"] == sums["steps"], sums
        assert sums["leased"] == 0, sums

    async def _once_per_key(self, executed: int, inside: int) -> None:
        """A step has one key, nothing is executed again once its outcome is known, and nothing is missing."""
        entries = self.entries()
        steps = {(entry.run_id, entry.step_path, entry.iteration): entry.key for entry in entries}
        assert len(steps) == len({entry.key for entry in entries}) == executed, f"{len(steps)} steps were executed"
        tries = await self.bench.rows(
            "SELECT idempotency_key AS key, attempt, extract(epoch FROM completed_at)::float AS at"
            " FROM workflow_action_invocations WHERE status IN ('SUCCEEDED', 'FAILED')"
        )
        # An outcome has the millisecond in which it was recorded.
        known = {(row["key"], row["attempt"]): row["at"] + 0.001 for row in tries}
        late = [entry for entry in entries if entry.at > known.get((entry.key, entry.attempt), entry.at)]
        assert late == [], f"executed although the outcome was recorded: {late}"
        [rows] = await self.bench.rows("SELECT count(*) AS n, count(DISTINCT key) AS keys FROM ledger_inside")
        assert (rows["n"], rows["keys"]) == (inside, inside), rows


@asynccontextmanager
async def installed(postgres: EmbeddedPostgres, directory: Path) -> AsyncIterator[Installation]:
    """An installation without a worker: a database of this Postgres, which has the template, and a Temporal nobody has used.

    Its files are in a directory of their own in ``directory``.
    """
    # A test before this one may have ended while it was down.
    await asyncio.to_thread(postgres.start)
    name = f"faults_{new_id().replace('-', '')}"
    own = directory / name
    own.mkdir()
    url = postgres.create_database(name, template=TEMPLATE)
    progress = ProgressLine()
    program = obtain_cli(Settings.load(), progress).path
    progress.close()
    temporal = TemporalServer(program, own / "temporal.db", log=own / "temporal.log")
    store = create_store_engine(url)
    try:
        await asyncio.to_thread(temporal.start)
        client = await Client.connect(temporal.address)
        async with store.begin() as connection:
            await connection.execute(text(ledger.TABLE))
        yield Installation(own, postgres, temporal, Bench(store, client), url)
    finally:
        await asyncio.to_thread(temporal.kill)
        await store.dispose()
        await asyncio.to_thread(postgres.start)
        postgres.drop_database(name)
