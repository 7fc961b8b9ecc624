"""Cancel: Temporal first, the run's own clean-up writes the end, and nobody waits for what will never come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from engine.contract import workflow_id_for
from engine.errors import Conflict, EngineError, Forbidden, Unavailable
from engine.ids import new_id
from engine.operations.context import OperationContext
from engine.operations.reconcile.reconcile import Relaunched, relaunch_pending
from engine.operations.runs import cancel
from engine.operations.runs.cancel import cancel_run, cancel_runs
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.starting import PendingRun, hand_to_temporal
from engine.records import Canceled, Level, RunStatus
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import (
    AsUser,
    Execute,
    Query,
    add_open_rows,
    add_version,
    age,
    open_rows,
    until,
)
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.ending_workflow import end, ending_worker
from tests.engine.workflow.harness import PATIENCE_SECONDS

Start = Callable[[], Awaitable[str]]


@pytest.fixture
def start(context: OperationContext, store: Store) -> Start:
    """Starts a run; its id. No worker polls, so it stays where it is."""

    async def launch() -> str:
        await add_version(store)
        return (await launch_published_run(context, LaunchRequest("orders"))).run_id

    return launch


async def run_row(query: Query, run_id: str) -> dict[str, object]:
    [row] = await query("SELECT * FROM workflow_runs WHERE run_id = :run", run=run_id)
    return row


async def test_without_a_worker_the_answer_is_requested(
    context: OperationContext, start: Start, temporal: Client, query: Query
) -> None:
    run_id = await start()
    outcome = await cancel_run(context, run_id, "  no longer wanted ", settle_seconds=0.2)
    assert outcome == Canceled(run_id, "requested", RunStatus.RUNNING)
    row = await run_row(query, run_id)
    assert row["status"] == "RUNNING"
    assert row["cancel_requested_at"] is not None
    [line] = await query("SELECT level, message, context_json FROM workflow_run_logs WHERE level = 'WARN'")
    assert (line["message"], line["context_json"]) == ("Cancel requested", {"reason": "no longer wanted"})
    [entry] = await query("SELECT reason FROM workflow_audit_log WHERE operation = 'workflow_run_cancel'")
    assert entry["reason"] == "no longer wanted"
    events = temporal.get_workflow_handle(workflow_id_for(run_id)).fetch_history_events()
    causes = [
        event.workflow_execution_cancel_requested_event_attributes.cause
        async for event in events
        if event.HasField("workflow_execution_cancel_requested_event_attributes")
    ]
    assert causes == ["no longer wanted"]


async def test_a_second_cancel_is_harmless(context: OperationContext, start: Start, query: Query) -> None:
    run_id = await start()
    await cancel_run(context, run_id, "first", settle_seconds=0)
    before = (await run_row(query, run_id))["cancel_requested_at"]
    assert (await cancel_run(context, run_id.upper(), "second", settle_seconds=0)).outcome == "requested"
    assert (await run_row(query, run_id))["cancel_requested_at"] == before
    assert len(await query("SELECT 1 FROM workflow_run_logs WHERE level = 'WARN'")) == 1
    assert len(await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_run_cancel'")) == 2


async def test_a_run_temporal_does_not_have_is_closed_directly(
    context: OperationContext, store: Store, execute: Execute, query: Query
) -> None:
    await add_version(store)
    pending = await launch_published_run(replace(context, temporal=unreachable()), LaunchRequest("orders"))
    await add_open_rows(execute, pending.run_id)
    outcome = await cancel_run(context, pending.run_id, "never started")
    assert outcome == Canceled(pending.run_id, "canceled", RunStatus.CANCELED)
    row = await run_row(query, pending.run_id)
    assert (row["status"], row["node_path"], row["last_error_code"]) == ("CANCELED", None, "CANCELED")
    assert row["completed_at"] is not None
    assert await open_rows(query) == []
    # The reconciler does not start it after all.
    await age(execute)
    assert await relaunch_pending(context) == Relaunched()


async def test_a_run_canceled_while_it_is_being_started_is_canceled_in_temporal_too(
    context: OperationContext, store: Store, temporal: Client, query: Query
) -> None:
    await add_version(store)
    pending = await launch_published_run(replace(context, temporal=unreachable()), LaunchRequest("orders"))
    await cancel_run(context, pending.run_id, "changed my mind")
    await hand_to_temporal(context, PendingRun(pending.run_id, context.tenant, "orders", 1, None))
    events = temporal.get_workflow_handle(workflow_id_for(pending.run_id)).fetch_history_events()
    assert any([event.HasField("workflow_execution_cancel_requested_event_attributes") async for event in events])
    assert (await run_row(query, pending.run_id))["status"] == "CANCELED"


async def test_an_execution_that_ends_as_canceled_settles_the_row(
    context: OperationContext, start: Start, temporal: Client
) -> None:
    run_id = await start()
    async with ending_worker(temporal):
        outcome = await cancel_run(context, run_id, "stop it", settle_seconds=PATIENCE_SECONDS)
    assert outcome == Canceled(run_id, "canceled", RunStatus.CANCELED)
    described = await temporal.get_workflow_handle(workflow_id_for(run_id)).describe()
    assert described.status is WorkflowExecutionStatus.CANCELED


async def test_a_run_that_completed_in_temporal_is_not_called_canceled(
    context: OperationContext, start: Start, temporal: Client, query: Query
) -> None:
    run_id = await start()
    async with ending_worker(temporal):
        await end(temporal, run_id, "complete")
    assert await cancel_run(context, run_id, "too late") == Canceled(run_id, "ended", RunStatus.SUCCEEDED)
    assert (await run_row(query, run_id))["output_json"] == {"total": 3}


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
async def test_an_ended_run_is_refused_and_unchanged(
    context: OperationContext, start: Start, execute: Execute, query: Query, status: str
) -> None:
    run_id = await start()
    await execute("UPDATE workflow_runs SET status = :status", status=status)
    before = await run_row(query, run_id)
    with pytest.raises(Conflict, match="RUN_ENDED"):
        await cancel_run(context, run_id, "too late")
    assert await run_row(query, run_id) == before
    assert await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_run_cancel'") == []


async def test_an_unreachable_temporal_is_an_error_and_nothing_is_written(
    context: OperationContext, start: Start, query: Query
) -> None:
    run_id = await start()
    before = await run_row(query, run_id)
    with pytest.raises(Unavailable):
        await cancel_run(replace(context, temporal=unreachable()), run_id, "please")
    assert await run_row(query, run_id) == before
    assert await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_run_cancel'") == []


async def test_a_run_from_before_the_cutover_is_read_only(
    context: OperationContext, execute: Execute, query: Query
) -> None:
    await execute("ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal")
    await execute(
        "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine) VALUES ('old', 1, 'RUNNING', 'db')"
    )
    [row] = await query("SELECT * FROM workflow_runs")
    with pytest.raises(Conflict, match="RUN_READ_ONLY"):
        await cancel_run(context, row["run_id"], "old")
    assert await query("SELECT * FROM workflow_runs") == [row]


@pytest.mark.parametrize(
    ("run_id", "reason", "code"),
    [
        (None, "  no ", "REASON_TOO_SHORT"),
        (None, "x" * 1001, "REASON_TOO_LONG"),
        ("01980000-0000-7000-8000-00000000dead", "good reason", "RUN_NOT_FOUND"),
        ("'; DROP TABLE workflow_runs; --", "good reason", "RUN_NOT_FOUND"),
        ("\x00\ud800", "good reason", "RUN_NOT_FOUND"),
    ],
)
async def test_refusals(context: OperationContext, start: Start, run_id: str | None, reason: str, code: str) -> None:
    target = await start() if run_id is None else run_id
    with pytest.raises(EngineError, match=code):
        await cancel_run(context, target, reason)


async def test_a_run_of_another_tenant_is_not_found(context: OperationContext, start: Start) -> None:
    other = replace(context, tenant="00000000-0000-0000-0000-00000000000a")
    with pytest.raises(EngineError, match="RUN_NOT_FOUND"):
        await cancel_run(other, await start(), "not mine")


async def test_an_operator_may_not_cancel(as_user: AsUser, start: Start) -> None:
    run_id = await start()
    async with as_user(Level.OPERATE) as operator:
        with pytest.raises(Forbidden):
            await cancel_run(operator, run_id, "good reason")


async def test_an_admins_grants_suffice(as_user: AsUser, start: Start) -> None:
    run_id = await start()
    async with as_user(Level.ADMIN) as admin:
        assert (await cancel_run(admin, run_id, "good reason", settle_seconds=0)).outcome == "requested"


async def test_the_runs_below_are_canceled_too(
    context: OperationContext, start: Start, execute: Execute, query: Query
) -> None:
    parent, child, unknown = await start(), await start(), new_id()
    await execute("UPDATE workflow_runs SET parent_run_id = :parent WHERE run_id = :child", parent=parent, child=child)
    await execute(
        "INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, parent_run_id)"
        " VALUES (:unknown, 'orders', 1, 'RUNNING', 'temporal', :child)",
        unknown=unknown,
        child=child,
    )
    await cancel_run(context, parent, "all of it", settle_seconds=0)
    assert (await run_row(query, child))["cancel_requested_at"] is not None
    assert (await run_row(query, unknown))["status"] == "CANCELED"
    [line] = await query("SELECT context_json FROM workflow_run_logs WHERE run_id = :run AND level = 'WARN'", run=child)
    assert parent in line["context_json"]["reason"]


async def test_many_runs_are_settled_each_on_its_own(
    context: OperationContext, start: Start, execute: Execute, query: Query
) -> None:
    live, ended, missing = await start(), await start(), new_id()
    await execute("UPDATE workflow_runs SET status = 'SUCCEEDED' WHERE run_id = :run", run=ended)
    heard: list[tuple[int, int]] = []
    outcomes = await cancel_runs(
        context,
        [live, ended, missing, live, live.upper(), "garbage"],
        "clean up",
        settle_seconds=0,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert [(outcome.run_id, outcome.outcome) for outcome in outcomes] == [
        (live, "requested"),
        (ended, "refused"),
        (missing, "refused"),
        ("garbage", "refused"),
    ]
    codes = [outcome.error.code for outcome in outcomes if outcome.error is not None]
    assert codes == ["RUN_ENDED", "RUN_NOT_FOUND", "RUN_NOT_FOUND"]
    # The one that still cleans up is not done.
    assert heard == [(0, 4), (1, 4), (2, 4), (3, 4), (3, 4)]


async def test_who_is_no_admin_any_more_cancels_no_further_run(
    start: Start, as_user: AsUser, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await start() for _ in range(4)]
    monkeypatch.setattr(cancel, "_AT_ONCE", 1)
    request = cancel._request

    async def request_and_remove(*given: Any) -> Any:
        asked = await request(*given)
        await execute("DELETE FROM workflow_members")
        return asked

    monkeypatch.setattr(cancel, "_request", request_and_remove)
    async with as_user(Level.ADMIN) as admin:
        outcomes = await cancel_runs(admin, ids, "clean up", settle_seconds=0)
    assert [outcome.error and outcome.error.code for outcome in outcomes] == [None, *["LEVEL_TOO_LOW"] * 3]


async def test_the_answer_comes_as_soon_as_the_run_has_cleaned_up(
    context: OperationContext, start: Start, execute: Execute, query: Query
) -> None:
    run_id = await start()

    async def clean_up() -> None:
        async def requested() -> bool:
            return (await run_row(query, run_id))["cancel_requested_at"] is not None

        await until(requested)
        await execute("UPDATE workflow_runs SET status = 'CANCELED', completed_at = now()")

    heard: list[tuple[int, int]] = []
    [outcome], _ = await asyncio.gather(
        cancel_runs(
            context,
            [run_id],
            "stop it",
            settle_seconds=PATIENCE_SECONDS,
            progress=lambda done, total: heard.append((done, total)),
        ),
        clean_up(),
    )
    assert outcome.outcome == "canceled"
    assert (heard[0], heard[-1]) == ((0, 1), (1, 1))
