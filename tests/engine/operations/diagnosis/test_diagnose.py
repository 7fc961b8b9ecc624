"""Diagnose: what is said about a run that does not move, on a real Postgres and a Temporal that nobody else polls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueRequest
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engine.contract import TASK_QUEUE, WORKFLOW_TYPE, workflow_id_for
from engine.devstack.temporal_server import TemporalServer
from engine.errors import NotFound
from engine.ids import new_id
from engine.operations.actor import Actor
from engine.operations.attention import attention
from engine.operations.context import OperationContext
from engine.operations.diagnosis.diagnose import diagnose_run
from engine.operations.runs import starting
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.records import AttentionKind, Diagnosis
from engine.store.database.transactions import Store, writing
from engine.store.tenant.workers import WorkerProcess, record_heartbeat, record_stop
from engine.temporal.connection import TemporalConnection
from tests.engine.operations.conftest import Execute, add_version, until
from tests.engine.operations.crashing import unreachable

Start = Callable[[], Awaitable[str]]


@pytest.fixture(scope="module")
def quiet_server(temporal_server: TemporalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A Temporal nobody ever polls: on the shared one, pollers of other tests are remembered for minutes."""
    yield from own_server(temporal_server, tmp_path_factory.mktemp("quiet"))


@pytest.fixture
def polled_server(temporal_server: TemporalServer, tmp_path: Path) -> Iterator[TemporalServer]:
    """A Temporal of this test alone, for a worker of its own."""
    yield from own_server(temporal_server, tmp_path)


def own_server(like: TemporalServer, directory: Path) -> Iterator[TemporalServer]:
    server = TemporalServer(like.program, directory / "temporal.db", log=directory / "temporal.log")
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def own_temporal(request: pytest.FixtureRequest) -> Client:
    """A client of this test's server: the polled one where the test asks for it."""
    name = "polled_server" if "polled_server" in request.fixturenames else "quiet_server"
    return await Client.connect(request.getfixturevalue(name).address)


@pytest.fixture
def context(store: Store, own_temporal: Client) -> OperationContext:
    """In the place of the shared one."""
    return OperationContext(store, TemporalConnection.from_client(own_temporal), Actor("tester"))


@pytest.fixture
def start(context: OperationContext, store: Store) -> Start:
    """Starts a run; its id."""

    async def launch() -> str:
        await add_version(store)
        return (await launch_published_run(context, LaunchRequest("orders"))).run_id

    return launch


def codes(diagnosis: Diagnosis) -> list[str]:
    assert all(finding.sentence.endswith(".") for finding in diagnosis.findings)
    return [finding.code for finding in diagnosis.findings]


def said(diagnosis: Diagnosis, code: str) -> str:
    [finding] = [finding for finding in diagnosis.findings if finding.code == code]
    return "\n".join((finding.sentence, *finding.evidence, finding.advice))


async def make_old(execute: Execute) -> None:
    # So old that its age is told in minutes: a second more or less, until somebody looks, changes nothing.
    await execute("UPDATE workflow_runs SET started_at = now() - interval '65 minutes'")


async def test_a_run_that_nobody_picks_up_is_stuck_for_want_of_a_poller(
    context: OperationContext, start: Start, execute: Execute
) -> None:
    run_id = await start()
    young = await diagnose_run(context, run_id)
    assert codes(young) == ["NO_POLLER"]
    await make_old(execute)
    diagnosis = await diagnose_run(context, run_id)
    assert codes(diagnosis) == ["STUCK", "NO_POLLER"]
    assert diagnosis.temporal_reachable is True
    assert "1 h 5 min ago" in said(diagnosis, "STUCK")
    assert "workflow-runtime-v2" in said(diagnosis, "NO_POLLER")
    assert "No worker has ever given a sign of life" in said(diagnosis, "NO_POLLER")
    assert "runstudio worker" in said(diagnosis, "NO_POLLER")


async def test_heartbeats_without_pollers_mean_another_temporal(
    context: OperationContext, start: Start, store: Store
) -> None:
    run_id = await start()
    process = WorkerProcess("7@elsewhere-abc", "elsewhere", 7, "0.1.0", TASK_QUEUE)
    parts = {"temporal": {"state": "failing", "detail": "Temporal at nowhere:1 does not answer."}}
    async with writing(store) as connection:
        await record_heartbeat(connection, process, parts)
    evidence = said(await diagnose_run(context, run_id), "NO_POLLER")
    assert "7@elsewhere-abc" in evidence
    assert "nowhere:1 does not answer" in evidence
    assert "another Temporal" in evidence
    async with writing(store) as connection:
        await record_stop(connection, process.identity)
    assert "stopped in order" in said(await diagnose_run(context, run_id), "NO_POLLER")


async def test_without_temporal_the_heartbeats_alone_are_asked(
    context: OperationContext, start: Start, execute: Execute, store: Store
) -> None:
    run_id = await start()
    await make_old(execute)
    away = replace(context, temporal=unreachable())
    diagnosis = await diagnose_run(away, run_id)
    assert codes(diagnosis) == ["STUCK", "TEMPORAL_UNREACHABLE", "NO_WORKER"]
    assert diagnosis.temporal_reachable is False
    assert "Temporal does not answer." in said(diagnosis, "TEMPORAL_UNREACHABLE")
    async with writing(store) as connection:
        await record_heartbeat(connection, WorkerProcess("7@here-abc", "here", 7, "0.1.0", TASK_QUEUE), {})
    assert codes(await diagnose_run(away, run_id)) == ["STUCK", "TEMPORAL_UNREACHABLE"]
    await execute("UPDATE workflow_workers SET last_seen_at = now() - interval '21 seconds'")
    assert "fell silent" in said(await diagnose_run(away, run_id), "NO_WORKER")


async def test_a_pending_launch(context: OperationContext, store: Store) -> None:
    await add_version(store)
    away = replace(context, temporal=unreachable())
    run_id = (await launch_published_run(away, LaunchRequest("orders"))).run_id
    diagnosis = await diagnose_run(context, run_id)
    assert codes(diagnosis) == ["LAUNCH_PENDING", "NO_POLLER"]
    assert "1 attempt so far." in said(diagnosis, "LAUNCH_PENDING")
    assert "Temporal does not answer." in said(diagnosis, "LAUNCH_PENDING")


async def test_an_execution_that_is_over_while_the_row_is_open(
    context: OperationContext, start: Start, own_temporal: Client
) -> None:
    run_id = await start()
    await own_temporal.get_workflow_handle(workflow_id_for(run_id)).terminate(reason="x")
    assert "TERMINATED" in said(await diagnose_run(context, run_id), "TEMPORAL_CLOSED")


async def test_a_requested_cancel(context: OperationContext, start: Start) -> None:
    run_id = await start()
    await cancel_run(context, run_id, "enough", settle_seconds=0)
    assert codes(await diagnose_run(context, run_id)) == ["CANCEL_REQUESTED", "NO_POLLER"]


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class Fails:
    """Its workflow task fails, as a bug of ours would make it."""

    @workflow.run
    async def run(self, run_input: Any) -> None:
        raise RuntimeError("a bug, of ours")


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class Retries:
    """An activity of it fails and is repeated by Temporal, as projections are while Postgres is away."""

    @workflow.run
    async def run(self, run_input: Any) -> None:
        await workflow.execute_activity(
            "finish_run",
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=3)),
        )


@activity.defn(name="finish_run")
async def fails() -> None:
    raise ApplicationError("Postgres is away")


@asynccontextmanager
async def polling(client: Client, kind: type) -> AsyncIterator[None]:
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[kind],
        activities=[fails],
        workflow_runner=UnsandboxedWorkflowRunner(),
        identity="1@test",
    )
    async with worker:
        yield


async def test_a_failing_workflow_task_is_told_with_its_failure(
    polled_server: TemporalServer, context: OperationContext, start: Start, own_temporal: Client, execute: Execute
) -> None:
    run_id = await start()
    async with polling(own_temporal, Fails):

        async def found() -> bool:
            return "TASK_FAILING" in codes(await diagnose_run(context, run_id))

        await until(found)
        assert "a bug, of ours" in said(await diagnose_run(context, run_id), "TASK_FAILING")
        # Redaction rules that cannot be understood hide everything.
        await execute("INSERT INTO workflow_settings (redaction_key_patterns) VALUES ('[\"(\"]')")
        assert "a bug" not in said(await diagnose_run(context, run_id), "TASK_FAILING").split("build of the worker")[1]


async def take_and_drop(client: Client) -> None:
    """Do what a worker does that is killed, or too slow: take a workflow task, and never answer."""
    request = PollWorkflowTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=TASK_QUEUE), identity="1@test"
    )
    while not (await client.workflow_service.poll_workflow_task_queue(request)).task_token:
        pass


async def test_a_workflow_task_that_times_out_is_told_with_how_often_and_how_long_the_history_is(
    polled_server: TemporalServer,
    context: OperationContext,
    start: Start,
    own_temporal: Client,
    execute: Execute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starting, "TASK_TIMEOUT", timedelta(seconds=1))
    run_id = await start()
    handle = own_temporal.get_workflow_handle(workflow_id_for(run_id))

    async def times_out(words: str) -> None:
        await take_and_drop(own_temporal)
        assert "TASK_FAILING" not in codes(await diagnose_run(context, run_id))

        async def found() -> bool:
            findings = (await diagnose_run(context, run_id)).findings
            return any(f.code == "WORKFLOW_TASK_TIMING_OUT" and words in f.sentence for f in findings)

        await until(found)

    await times_out("at least 1 time since")
    await times_out("at least 2 times since")
    await times_out("at least 3 times since")
    # When something comes from outside, Temporal counts from one again, and of the tries before it knows the first.
    await handle.signal("anything")
    await times_out("at least 2 times since")
    described = await handle.describe()
    evidence = said(await diagnose_run(context, run_id), "WORKFLOW_TASK_TIMING_OUT")
    assert f"Its history has {described.history_length} events." in evidence
    assert "A worker has 1 s for the task" in evidence

    await execute("UPDATE workflow_runs SET updated_at = now() - interval '5 minutes', step_count = 1")
    told = await attention(context)
    [item] = [item for item in told.items if item.run_id == run_id]
    assert item.kind is AttentionKind.TASK_TIMING_OUT
    assert item.reason == (
        f"Its workflow task has timed out at least 2 times; its history has {described.history_length} events."
    )


async def test_a_repeated_activity_is_told_with_its_failure_and_next_attempt(
    polled_server: TemporalServer, context: OperationContext, start: Start, own_temporal: Client
) -> None:
    run_id = await start()
    async with polling(own_temporal, Retries):

        async def found() -> bool:
            return "ACTIVITY_RETRYING" in codes(await diagnose_run(context, run_id))

        await until(found)
        diagnosis = await diagnose_run(context, run_id)
    assert codes(diagnosis) == ["ACTIVITY_RETRYING"]
    evidence = said(diagnosis, "ACTIVITY_RETRYING")
    assert "finish_run, attempt 2." in evidence
    assert "Postgres is away" in evidence
    assert "Next attempt in 2 min" in evidence
    assert "1@test" in evidence


async def wait_row(execute: Execute, run_id: str, kind: str, **columns: Any) -> None:
    await execute(
        "UPDATE workflow_runs SET status = 'WAITING', waiting_on = :kind, waiting_since = now() - interval '90 minutes',"
        " step_count = 1, node_step_id = 'note', attempt = 2",
        kind=kind,
    )
    given = {"run_id": run_id, "step_path": "root.steps[0]", "iteration": "", "visit": 1, "wait_type": kind, **columns}
    names = ", ".join(given)
    values = ", ".join(f":{name}" for name in given)
    await execute(
        f"INSERT INTO workflow_run_waits ({names}, created_at) VALUES ({values}, now() - interval '90 minutes')",
        **given,
    )


async def test_a_wait_for_an_event(context: OperationContext, start: Start, execute: Execute) -> None:
    run_id = await start()
    await wait_row(execute, run_id, "event", event_name="order.paid", key="4711")
    evidence = said(await diagnose_run(context, run_id), "WAITING_EVENT")
    assert "order.paid with the key 4711" in evidence
    assert "Waiting for 1 h 30 min." in evidence
    assert "Without a deadline." in evidence
    assert "Events of this name and key since the run started: 0." in evidence
    for number, (name, keys) in enumerate((("order.paid", ["4711", "x"]), ("order.paid", ["1"]), ("other", ["4711"]))):
        await execute(
            "INSERT INTO workflow_runtime_events (event_id, event_name, correlation_keys)"
            " VALUES (:id, :name, CAST(:keys AS jsonb))",
            id=str(number),
            name=name,
            keys=str(keys).replace("'", '"'),
        )
    assert "Events of this name and key since the run started: 1." in said(
        await diagnose_run(context, run_id), "WAITING_EVENT"
    )


async def test_f33_a_dead_delivery_is_not_on_its_way(context: OperationContext, start: Start, execute: Execute) -> None:
    run_id = await start()
    await wait_row(execute, run_id, "event", event_name="order.paid", key="4711")
    await execute(
        "INSERT INTO workflow_runtime_events (event_id, event_name, correlation_keys) VALUES ('e', 'order.paid', '[\"4711\"]')"
    )
    alive = said(await diagnose_run(context, run_id), "WAITING_EVENT")
    assert "are on their way to it" in alive
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, run_id, status, arrival)"
        f" VALUES (gen_random_uuid(), 'e', 'order.paid', 'wait', 'w', '{run_id}', 'failed', 1)"
    )
    dead = said(await diagnose_run(context, run_id), "WAITING_EVENT")
    assert "1 event for this run could not be delivered, and nobody tries again by itself." in dead
    assert "runstudio events dead" in dead
    assert "on their way" not in dead


@pytest.mark.parametrize("kind", ["event", "time", "human", "child", "quota"])
async def test_f33_a_wait_that_is_over_is_not_waited_for(
    context: OperationContext, start: Start, execute: Execute, kind: str
) -> None:
    run_id = await start()
    await wait_row(execute, run_id, kind, event_name="order.paid" if kind == "event" else None, status="RESOLVED")
    evidence = said(await diagnose_run(context, run_id), "WAIT_OVER")
    assert f"What it waited for ({kind}) is over, and the run has not gone on yet." in evidence
    assert "None" not in evidence


@pytest.mark.parametrize(
    ("kind", "columns", "words"),
    [
        ("time", {"timeout_at": "2099-01-01T00:00:00Z"}, ["(2099-01-01 00:00:00 UTC)"]),
        ("human", {"key": new_id()}, ["waits for a person"]),
        ("retry", {}, ["Try 2 of note failed"]),
        ("child", {"key": new_id()}, ["it called"]),
    ],
)
async def test_other_waits(
    context: OperationContext,
    start: Start,
    execute: Execute,
    kind: str,
    columns: dict[str, Any],
    words: list[str],
) -> None:
    run_id = await start()
    given = {name: datetime.fromisoformat(value) if name == "timeout_at" else value for name, value in columns.items()}
    await wait_row(execute, run_id, kind, **given)
    diagnosis = await diagnose_run(context, run_id)
    assert codes(diagnosis) == ["NO_POLLER", f"WAITING_{kind.upper()}"]
    evidence = said(diagnosis, f"WAITING_{kind.upper()}")
    for word in words:
        assert word in evidence


async def test_a_quota_pause_gives_the_figures(context: OperationContext, start: Start, execute: Execute) -> None:
    run_id = await start()
    await wait_row(execute, run_id, "quota")
    assert "There is no limit now." in said(await diagnose_run(context, run_id), "WAITING_QUOTA")
    await execute(
        "INSERT INTO workflow_step_usage_periods (period_start, period_end, used_count, effective_limit)"
        " VALUES (now() - interval '1 day', now() + interval '2 days 1 hour', 100, 100)"
    )
    evidence = said(await diagnose_run(context, run_id), "WAITING_QUOTA")
    assert "Steps used: 100 of 100; the period ends in 2 d" in evidence


async def test_a_run_that_is_over(context: OperationContext, start: Start, execute: Execute) -> None:
    run_id = await start()
    await execute(
        "UPDATE workflow_runs SET status = 'FAILED', error_json = CAST(:error AS jsonb)",
        error='{"category": "ActionError", "code": "HTTP_503", "message": "upstream answered 503"}',
    )
    diagnosis = await diagnose_run(context, run_id)
    assert codes(diagnosis) == ["ENDED"]
    assert diagnosis.temporal_reachable is None
    assert "HTTP_503: upstream answered 503" in said(diagnosis, "ENDED")


async def test_a_run_from_before_the_cutover(context: OperationContext, execute: Execute) -> None:
    await execute("ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal")
    run_id = new_id()
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status) VALUES (:run, 'old', 1, 'CANCELED')",
        run=run_id,
    )
    diagnosis = await diagnose_run(context, run_id)
    assert (codes(diagnosis), diagnosis.temporal_reachable) == (["READ_ONLY"], None)


@pytest.mark.parametrize("run_id", ["01980000-0000-7000-8000-00000000dead", "no id", "\x00"])
async def test_a_run_that_does_not_exist(context: OperationContext, run_id: str) -> None:
    with pytest.raises(NotFound):
        await diagnose_run(context, run_id)


async def test_a_run_that_moves(
    polled_server: TemporalServer, context: OperationContext, start: Start, own_temporal: Client
) -> None:
    run_id = await start()
    release = asyncio.Event()

    @activity.defn(name="finish_run")
    async def waits_for_the_test() -> None:
        await release.wait()

    worker = Worker(
        own_temporal,
        task_queue=TASK_QUEUE,
        workflows=[Retries],
        activities=[waits_for_the_test],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:

        async def moving() -> bool:
            return codes(await diagnose_run(context, run_id)) == ["MOVING"]

        await until(moving)
        release.set()
