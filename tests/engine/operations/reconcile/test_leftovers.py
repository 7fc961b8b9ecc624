"""What ended runs left open is closed, what nobody heard is sent again; a row that somebody holds keeps no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from engine.operations.context import OperationContext
from engine.operations.reconcile.lost_records import close_what_lost_records_left
from engine.operations.reconcile.reconcile import close_leftovers, gaps, send_unheard_again
from engine.store.database.transactions import Store
from engine.store.runs.reconciling import Leftovers
from tests.engine.operations.conftest import Execute, Query, add_open_rows


async def test_leftovers_of_ended_runs_are_closed_and_counted(
    context: OperationContext, start: Callable[[], Awaitable[str]], execute: Execute, query: Query
) -> None:
    ended, running = await start(), await start()
    await add_open_rows(execute, ended)
    await execute("UPDATE workflow_action_invocations SET idempotency_key = run_id::text")
    await add_open_rows(execute, running)
    await execute("UPDATE workflow_runs SET status = 'SUCCEEDED' WHERE run_id = :run", run=ended)
    found = await gaps(context)
    assert (found.leftover_waits, found.leftover_tasks, found.leftover_attempts) == (1, 1, 1)
    assert await close_leftovers(context) == Leftovers(waits=1, tasks=1, attempts=1)
    assert await close_leftovers(context) == Leftovers(waits=0, tasks=0, attempts=0)
    waits = await query("SELECT status FROM workflow_run_waits WHERE run_id = :run", run=running)
    assert waits == [{"status": "WAITING"}]
    attempts = await query("SELECT run_id, status FROM workflow_action_invocations")
    assert {row["run_id"]: row["status"] for row in attempts} == {ended: "ABANDONED", running: "STARTED"}


@pytest.mark.parametrize("table", ["workflow_run_waits", "workflow_human_tasks", "workflow_action_invocations"])
async def test_a_leftover_whose_row_somebody_holds_keeps_no_other(
    context: OperationContext, start: Callable[[], Awaitable[str]], execute: Execute, store: Store, table: str
) -> None:
    for run in [await start(), await start()]:
        await add_open_rows(execute, run)
        await execute("UPDATE workflow_action_invocations SET idempotency_key = run_id::text")
    await execute("UPDATE workflow_runs SET status = 'SUCCEEDED'")
    async with store.begin() as theirs:
        assert (await theirs.execute(text(f"SELECT 1 FROM {table} LIMIT 1 FOR UPDATE"))).rowcount == 1
        done = await close_leftovers(context)
        assert sorted([done.waits, done.tasks, done.attempts]) == [1, 2, 2]
    done = await close_leftovers(context)
    assert sorted([done.waits, done.tasks, done.attempts]) == [0, 0, 1]


async def test_what_was_not_heard_is_sent_again_beside_a_wait_that_somebody_holds(
    context: OperationContext, start: Callable[[], Awaitable[str]], execute: Execute, store: Store
) -> None:
    for run in [await start(), await start()]:
        await add_open_rows(execute, run)
        await execute("UPDATE workflow_action_invocations SET idempotency_key = run_id::text")
    await execute("UPDATE workflow_run_waits SET wait_type = 'event', told_at = now() - interval '1 hour'")
    await execute(
        "INSERT INTO workflow_event_deliveries (delivery_id, event_id, event_name, target_kind, target, status)"
        " SELECT gen_random_uuid(), 'e', 'PING', 'wait', wait_id::text, 'done' FROM workflow_run_waits"
    )
    async with store.begin() as theirs:
        held = "SELECT 1 FROM workflow_run_waits LIMIT 1 FOR UPDATE"
        assert (await theirs.execute(text(held))).rowcount == 1
        assert await send_unheard_again(context) == 1
    assert await send_unheard_again(context) == 1


async def test_lost_records_of_a_run_whose_row_somebody_holds_keep_no_other(
    context: OperationContext, start: Callable[[], Awaitable[str]], execute: Execute, store: Store, query: Query
) -> None:
    held, free = sorted([await start(), await start()])
    await execute("UPDATE workflow_runs SET lost_records = '[1,3)'")
    async with store.begin() as theirs:
        await theirs.execute(text("SELECT 1 FROM workflow_runs WHERE run_id = :run FOR UPDATE"), {"run": held})
        assert await close_what_lost_records_left(context) == 1
    rows = await query("SELECT run_id, lost_records IS NULL AS seen FROM workflow_runs ORDER BY run_id")
    assert {row["run_id"]: row["seen"] for row in rows} == {held: False, free: True}
