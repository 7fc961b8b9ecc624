"""Runs launched in callers' transactions: a worker starts each of them once, right after its commit, and never without one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import make_url
from temporalio.client import Client

from engine.contract import workflow_id_for
from engine.operations.context import OperationContext
from engine.operations.reconcile.reconcile import Relaunched, relaunch_pending
from engine.operations.runs import hand_over
from engine.operations.runs.hand_over import AT_ONCE, hand_over_due
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction, launch_published_run
from engine.operations.runs.starting import PendingRun, StartOutcome
from engine.store.database.transactions import Store
from engine.worker import launches
from engine.worker.launches import Launches
from engine.worker.parts import Part, Parts
from tests.engine.operations.conftest import Execute, Query, add_version, age, until
from tests.engine.operations.crashing import unreachable
from tests.engine.worker import transaction_process
from tests.engine.worker.hosts import ready, running, settings
from tests.engine.worker.transaction_process import PLACES

REPOSITORY = Path(__file__).parents[3]
LAUNCHES = 200


@pytest_asyncio.fixture(autouse=True)
async def shop(store: Store, execute: Execute) -> None:
    """A published workflow, and a table of the caller's."""
    await add_version(store)
    await execute("CREATE TABLE shop_orders (id int PRIMARY KEY)")


@asynccontextmanager
async def callers_connection(url: str) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with await psycopg.AsyncConnection.connect(plain) as made:
        yield made


@asynccontextmanager
async def parts_of(context: OperationContext, url: str, number: int) -> AsyncIterator[None]:
    parts = Parts(Part(f"launches{n}", Launches(context, url).run, fresh_seconds=20.0) for n in range(number))
    parts.start()
    try:
        yield
    finally:
        assert await parts.stop(60.0) == []


async def started(query: Query) -> bool:
    rows = await query("SELECT launch_state FROM workflow_runs")
    return bool(rows) and all(row["launch_state"] == "started" for row in rows)


async def executions(temporal: Client, run_id: str) -> int:
    """How often the run was started on Temporal, whatever became of it."""
    return len([found async for found in temporal.list_workflows(f"WorkflowId = '{workflow_id_for(run_id)}'")])


async def test_the_notification_alone_starts_a_run(
    context: OperationContext,
    database_url: str,
    direct_database_url: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launches, "SECONDS", 3600.0)
    async with parts_of(context, direct_database_url, 2), callers_connection(database_url) as connection:
        listeners = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'runstudio launches' AND query LIKE 'LISTEN%'"
        )

        async def listening() -> bool:
            return len(await query(listeners)) == 2

        await until(listening)
        await launch_in_transaction(context, LaunchRequest("orders"), connection)
        await connection.commit()
        await until(lambda: started(query))


async def test_what_was_committed_while_nobody_listened_is_started_first(
    context: OperationContext,
    database_url: str,
    direct_database_url: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launches, "SECONDS", 3600.0)
    async with callers_connection(database_url) as connection:
        await launch_in_transaction(context, LaunchRequest("orders"), connection)
        await connection.commit()
    async with parts_of(context, direct_database_url, 1):
        await until(lambda: started(query))


async def test_a_launch_that_a_worker_hands_over_needs_no_queue(
    context: OperationContext, database_url: str, temporal_address: str, temporal: Client, query: Query
) -> None:
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)
        async with callers_connection(database_url) as connection:
            launched = await launch_in_transaction(context, LaunchRequest("orders"), connection)
            await connection.commit()
        await until(lambda: started(query))
        handle = temporal.get_workflow_handle(workflow_id_for(launched.run_id))
        await handle.result()
        first = (await handle.fetch_history()).events[0]
        assert first.workflow_execution_started_event_attributes.eager_execution_accepted


async def test_the_reconciler_starts_what_no_notification_told(
    context: OperationContext, database_url: str, query: Query
) -> None:
    async with callers_connection(database_url) as connection:
        await launch_in_transaction(context, LaunchRequest("orders"), connection)
        await connection.commit()
    assert await relaunch_pending(context) == Relaunched(started=1)
    assert await started(query)


async def test_workers_share_the_launches_and_leave_others_to_their_launchers(
    context: OperationContext, database_url: str, query: Query, execute: Execute
) -> None:
    async with callers_connection(database_url) as connection:
        for _ in range(AT_ONCE + 4):
            await launch_in_transaction(context, LaunchRequest("orders"), connection)
        await connection.commit()
    counts = await asyncio.gather(*(hand_over_due(context) for _ in range(3)))
    assert sum(counts) == AT_ONCE + 4
    assert await started(query)
    await launch_published_run(replace(context, temporal=unreachable()), LaunchRequest("orders", idempotency_key="k"))
    await execute("UPDATE workflow_runs SET launch_attempts = 0 WHERE idempotency_key = 'k'")
    assert await hand_over_due(context) == 0


async def test_a_temporal_that_is_away_leaves_the_run_to_the_reconciler(
    context: OperationContext, database_url: str, query: Query, execute: Execute
) -> None:
    async with callers_connection(database_url) as connection:
        await launch_in_transaction(context, LaunchRequest("orders"), connection)
        await connection.commit()
    assert await hand_over_due(replace(context, temporal=unreachable())) == 0
    [row] = await query("SELECT launch_state, launch_attempts, launch_error FROM workflow_runs")
    assert row == {"launch_state": "pending", "launch_attempts": 1, "launch_error": "Temporal does not answer."}
    await age(execute)
    assert await hand_over_due(context) == 0
    assert await relaunch_pending(context) == Relaunched(started=1)


@pytest.mark.parametrize("place", PLACES)
async def test_a_caller_that_is_killed_has_a_run_exactly_when_it_has_its_row(
    place: str, context: OperationContext, database_url: str, temporal_address: str, temporal: Client, query: Query
) -> None:
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            transaction_process.__name__,
            database_url,
            temporal_address,
            place,
            "1",
            cwd=REPOSITORY,
        )
        assert await process.wait() == -signal.SIGKILL

        async def alone() -> bool:
            """The server has noticed that the killed program is gone."""
            rows = await query(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state LIKE 'idle in%'"
            )
            return rows == []

        await until(alone)
        orders = await query("SELECT id FROM shop_orders")
        runs = await query("SELECT run_id FROM workflow_runs")
        assert len(orders) == len(runs) == (1 if place == "after the commit" else 0)
        # What comes after it is started, so what was there before would have been.
        later = await launch_published_run(context, LaunchRequest("orders"))
        for run_id in [*(row["run_id"] for row in runs), later.run_id]:
            await temporal.get_workflow_handle(workflow_id_for(run_id)).result()

            async def seen(run_id: str = run_id) -> bool:
                return await executions(temporal, run_id) > 0

            await until(seen)
            assert await executions(temporal, run_id) == 1
    assert len(await query("SELECT 1 FROM workflow_runs")) == len(runs) + 1


async def test_many_launches_inside_transactions_while_a_worker_runs(
    context: OperationContext, database_url: str, temporal_address: str, temporal: Client, query: Query
) -> None:
    """Every fourth transaction is rolled back."""
    async with running(settings(database_url, temporal_address)) as host:
        await ready(host)
        free = asyncio.Semaphore(8)
        committed: dict[int, str] = {}

        async def order(number: int) -> None:
            async with free, callers_connection(database_url) as connection:
                await connection.execute("INSERT INTO shop_orders VALUES (%s)", [number])
                launched = await launch_in_transaction(context, LaunchRequest("orders", {"n": number}), connection)
                if number % 4:
                    await connection.commit()
                    committed[number] = launched.run_id
                else:
                    await connection.rollback()

        await asyncio.gather(*map(order, range(LAUNCHES)))

        async def ended() -> bool:
            rows = await query("SELECT 1 FROM workflow_runs WHERE status = 'SUCCEEDED'")
            return len(rows) == len(committed)

        await until(ended, seconds=120)
    rows = await query("SELECT run_id, input_json FROM workflow_runs")
    assert {int(row["input_json"]["n"]): row["run_id"] for row in rows} == committed
    orders = await query("SELECT id FROM shop_orders")
    assert {row["id"] for row in orders} == set(committed)
    assert len(committed) == LAUNCHES * 3 // 4
    for run_id in committed.values():
        # Of the first execution of this id, so there was no other.
        described = await temporal.get_workflow_handle(workflow_id_for(run_id)).describe()
        [row] = await query("SELECT temporal_run_id FROM workflow_runs WHERE run_id = :run", run=run_id)
        assert described.run_id == row["temporal_run_id"]


async def test_a_run_that_cannot_be_started_stops_no_other(
    context: OperationContext, database_url: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with callers_connection(database_url) as connection:
        ids = [
            (await launch_in_transaction(context, LaunchRequest("orders", {"n": n}), connection)).run_id for n in (1, 2)
        ]
        await connection.commit()
    start = hand_over.hand_to_temporal

    async def odd(own: OperationContext, run: PendingRun) -> StartOutcome:
        if run.run_id == ids[0]:
            raise ZeroDivisionError
        return await start(own, run)

    monkeypatch.setattr(hand_over, "hand_to_temporal", odd)
    assert await hand_over_due(context) == 1
    rows = await query("SELECT run_id, launch_state FROM workflow_runs ORDER BY run_id")
    assert {row["run_id"]: row["launch_state"] for row in rows} == {ids[0]: "pending", ids[1]: "started"}
