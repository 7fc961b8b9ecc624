"""F41: Temporal is restored to an earlier moment while Postgres went on. Runs come to their rows, or end and say why."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.devstack.temporal_server import TemporalServer
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.reconcile import executions, positions
from engine.operations.reconcile.asking import last_event
from engine.operations.reconcile.reconcile import close_stranded, send_unheard_again
from engine.operations.runs.cancel import cancel_run
from engine.operations.tasks.task_answers import tell_due
from engine.operations.tasks.tasks import complete_task
from engine.store.database.transactions import Store
from engine.worker import forgetting
from engine.worker.forgetting import RunsInMemory, forget_after_outages
from tests.engine.operations.conftest import age
from tests.engine.workflow.harness import Bench, Run
from tests.engine.workflow.restored import Reconciling
from tests.engine.workflow.steps import ask, call_workflow, quick, wait_event


class Restorable:
    """A Temporal of its own, whose data can be kept and put back."""

    def __init__(self, server: TemporalServer) -> None:
        """``server`` is running."""
        self._server = server
        self._kept = server.database.parent / "kept"

    def keep(self) -> None:
        """Back its data up. It answers again afterwards."""
        self._server.stop()
        self._kept.mkdir()
        for file in self._files():
            shutil.copy(file, self._kept)
        self._server.start()

    def put_back(self) -> None:
        """Restore its data."""
        self.stop()
        self.start_restored()

    def stop(self) -> None:
        """It answers no more."""
        self._server.stop()

    def start_restored(self) -> None:
        """Restore its data while it is down, and start it."""
        for file in self._files():
            file.unlink()
        for file in self._kept.iterdir():
            shutil.copy(file, self._server.database.parent)
        self._server.start()

    def _files(self) -> list[Path]:
        return list(self._server.database.parent.glob(f"{self._server.database.name}*"))

    async def client(self) -> Client:
        """A client of the server as it runs now."""
        return await Client.connect(self._server.address)


@pytest.fixture(autouse=True)
def looks_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look is one look later, however soon that is, and no row is too young to be looked at."""
    monkeypatch.setattr(positions, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(positions, "SECOND_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(executions, "SECOND_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(executions, "ENDED_FOR_SECONDS", 0.0)


@pytest_asyncio.fixture
async def restorable(temporal_server: TemporalServer, tmp_path: Path) -> AsyncIterator[Restorable]:
    server = TemporalServer(temporal_server.program, tmp_path / "temporal.db", log=tmp_path / "temporal.log")
    server.start()
    yield Restorable(server)
    server.stop()


@asynccontextmanager
async def working(bench: Bench, temporal: Restorable) -> AsyncIterator[Reconciling]:
    """A worker and a reconciler of the server as it is now."""
    bench.client = await temporal.client()
    async with bench.worker():
        yield Reconciling(bench)


async def waiting(bench: Bench, *steps: object, on: str = "event") -> Run:
    """A run of these steps that has come to rest at its first wait."""
    await bench.publish([*steps])  # type: ignore[list-item] # steps, as the callers make them
    run = await bench.start()
    await run.waiting(on)
    await run.at_rest()
    return run


async def task_of(run: Run) -> str:
    """The id of its task."""
    [task] = await run.bench.rows(
        "SELECT task_id::text AS id FROM workflow_human_tasks WHERE run_id = CAST(:id AS uuid)", id=run.id
    )
    return str(task["id"])


async def at(run: Run, step_id: str) -> None:
    """Its row says that it waits at this step."""

    async def there() -> bool:
        row = await run.row()
        return (row["status"], row["node_step_id"]) == ("WAITING", step_id)

    await run.bench.until(there)


async def status_in_temporal(run: Run) -> str:
    described = await run.handle.describe()
    assert described.status is not None
    return described.status.name


async def test_f41_runs_that_waited_then_and_are_further_by_now(store: Store, restorable: Restorable) -> None:
    bench = Bench(store, await restorable.client())
    between, last = quick("between"), wait_event("b", "B")
    async with working(bench, restorable) as reconciling:
        by_event = await waiting(bench, wait_event("a", "A"), between, last)
        by_person = await waiting(bench, ask("a"), between, last, on="human")
        await bench.publish([wait_event("c", "A"), between], "wf.child")
        parent = await waiting(bench, call_workflow("a", "wf.child"), last, on="child")
        over = await waiting(bench, wait_event("a", "A"))
        canceled = await waiting(bench, wait_event("a", "NEVER"))
        still = await waiting(bench, wait_event("a", "NEVER"))
        lost_record = await waiting(bench, wait_event("a", "A"), last)
        unheard = await waiting(bench, wait_event("a", "UNHEARD"))
        unanswered = await waiting(bench, ask("a"), on="human")
        [child] = await bench.rows("SELECT run_id::text AS id FROM workflow_runs WHERE parent_run_id IS NOT NULL")
        await Run(bench, child["id"]).waiting("event")
        await Run(bench, child["id"]).at_rest()
    restorable.keep()
    async with working(bench, restorable) as reconciling:
        await reconciling.submit("A", {"n": 1})
        await complete_task(reconciling.context, await task_of(by_person), {"approved": True})
        for run in (by_event, by_person, parent, lost_record):
            await at(run, "b")
        await over.ended()
        await cancel_run(reconciling.context, canceled.id, "it is not wanted")
        started = await waiting(bench, wait_event("a", "NEVER"))
        for run in (by_event, by_person, parent, lost_record):
            await run.at_rest()
    bench.client = await restorable.client()
    reconciling = Reconciling(bench)
    await reconciling.submit("UNHEARD")
    assert (await complete_task(reconciling.context, await task_of(unanswered), {})).delivered
    restorable.put_back()
    await bench.execute(
        "UPDATE workflow_run_waits SET status = 'WAITING' WHERE run_id = CAST(:id AS uuid) AND step_path = 'root.steps[0]'",
        id=lost_record.id,
    )
    done = dict(bench.counts.ran)
    async with working(bench, restorable) as reconciling:
        assert await status_in_temporal(over) == "RUNNING"

        async def settled() -> bool:
            await age(bench.execute)
            await close_stranded(reconciling.context)
            await reconciling.look()
            await reconciling.look()
            await reconciling.look_at_executions()
            ends = [await status_in_temporal(run) for run in (over, canceled, lost_record)]
            return ends == ["COMPLETED", "CANCELED", "TERMINATED"]

        await bench.until(settled, 90.0)

        async def further() -> bool:
            await reconciling.look()
            await tell_due(reconciling.context)
            return all([await waits_at(run, "b") for run in (by_event, by_person, parent)])

        await bench.until(further, 90.0)
        await reconciling.submit("B")
        for run in (by_event, by_person, parent):
            assert (await run.ended())["status"] == "SUCCEEDED"
        assert await send_unheard_again(reconciling.context) == 0, "a moment ago"
        await bench.execute("UPDATE workflow_run_waits SET told_at = told_at - interval '3 minutes'")
        await bench.execute("UPDATE workflow_event_deliveries SET settled_at = settled_at - interval '3 minutes'")
        assert await send_unheard_again(reconciling.context) == 2
        await make_due_deliveries(reconciling.context)
        await tell_due(reconciling.context)
        for run in (unheard, unanswered):
            assert (await run.ended())["status"] == "SUCCEEDED"
        assert await status_in_temporal(still) == "RUNNING"
    assert dict(bench.counts.ran) == done, "nothing was done twice"
    assert ((await over.row())["status"], (await canceled.row())["status"]) == ("SUCCEEDED", "CANCELED")
    for run, code, words in (
        (started, "TEMPORAL_UNKNOWN", "Temporal has no execution of this run"),
        (lost_record, "STORES_DISAGREE", "what ended that wait is not on record"),
    ):
        row = await run.row()
        assert (row["status"], row["last_error_code"]) == ("FAILED", code)
        assert words in row["error_json"]["message"]
    told = {entry["run_id"]: entry["reason"] for entry in await reconciling.told()}
    assert set(told) >= {by_event.id, by_person.id, over.id, canceled.id, lost_record.id}
    assert still.id not in told
    assert "its execution at record 2 at root.steps[0]. The execution is told again" in told[by_event.id]


async def waits_at(run: Run, step_id: str) -> bool:
    """Whether its execution itself says so."""
    told = await run.handle.query("workflowRuntimeV2CurrentStep")
    steps = {step["step_path"]: step["definition_step_id"] for step in await run.steps()}
    return steps.get(told["currentStepPath"]) == step_id


async def test_f41_a_worker_that_lives_on_forgets_what_temporal_has_forgotten(
    store: Store, restorable: Restorable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has in memory is further than the history that was restored: it would answer the server's tasks with nothing."""
    monkeypatch.setattr(forgetting, "CHECK_SECONDS", 0.05)
    bench = Bench(store, await restorable.client())
    async with working(bench, restorable):
        run = await waiting(bench, wait_event("a", "A"), quick("between"), wait_event("b", "B"), quick("after"))
    restorable.keep()
    bench.client, in_memory = await restorable.client(), RunsInMemory()
    reconciling = Reconciling(bench)
    async with bench.worker(in_memory) as worker:
        watching = asyncio.create_task(forget_after_outages(bench.client, worker, in_memory))
        await reconciling.submit("A")
        await at(run, "b")
        await run.at_rest()
        assert len(in_memory.resting) == 1
        restorable.stop()

        async def forgotten() -> bool:
            return not in_memory.resting

        await bench.until(forgotten)
        restorable.start_restored()

        async def answers() -> bool:
            try:
                return await last_event(bench.client, run.id) is not None
            except RPCError:
                return False

        await bench.until(answers)
        await reconciling.submit("B")

        async def told_again() -> bool:
            return (await reconciling.look()).mended > 0

        await bench.until(told_again)
        assert (await run.ended())["status"] == "SUCCEEDED"
        watching.cancel()
    assert (bench.counts.ran["between"], bench.counts.ran["after"]) == (1, 1)
