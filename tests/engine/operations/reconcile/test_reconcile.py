"""Reconcile: pending launches are started, rows whose execution is over are closed honestly, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.converter import PayloadCodec

from engine.contract import workflow_id_for
from engine.errors import Unavailable
from engine.operations.context import OperationContext
from engine.operations.events.deliveries import make_due_deliveries
from engine.operations.events.events import EventRequest, submit_event
from engine.operations.events.routing import route_received
from engine.operations.reconcile import reconcile
from engine.operations.reconcile.reconcile import (
    Relaunched,
    close_leftovers,
    close_recently_ended,
    close_stranded,
    gaps,
    relaunch_pending,
)
from engine.operations.runs.cancel import cancel_run
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.starting import PendingRun, StartOutcome, hand_to_temporal
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import Store, writing
from engine.store.runs.reconciling import Leftovers
from engine.store.tenant.installation import replace_installation
from engine.temporal.connection import TemporalConnection, WrongTemporal
from engine.temporal.installation import identity_of, same_installation
from engine.temporal.payload_codec import ENCODING, ENCRYPTED
from tests.engine.operations.conftest import (
    Execute,
    Query,
    add_open_rows,
    add_version,
    age,
    open_rows,
    until,
)
from tests.engine.operations.crashing import Crash, crashing_after_start, crashing_before_start, refusing, unreachable
from tests.engine.operations.ending_workflow import end, ending_worker


async def test_a_launch_that_crashed_before_the_start_is_completed(
    context: OperationContext, store: Store, temporal: Client, execute: Execute, query: Query
) -> None:
    await add_version(store)
    with pytest.raises(Crash):
        await launch_published_run(replace(context, temporal=crashing_before_start()), LaunchRequest("orders"))
    assert await relaunch_pending(context) == Relaunched()  # Too young: its launcher may be at it.
    assert (await gaps(context)).pending_launches == 0
    await age(execute)
    assert (await gaps(context)).pending_launches == 1
    assert await relaunch_pending(context) == Relaunched(started=1)
    [row] = await query("SELECT run_id, launch_state, temporal_run_id FROM workflow_runs")
    described = await temporal.get_workflow_handle(workflow_id_for(row["run_id"])).describe()
    assert (row["launch_state"], row["temporal_run_id"]) == ("started", described.run_id)
    lines = await query("SELECT message FROM workflow_run_logs ORDER BY line_no")
    assert [line["message"] for line in lines] == ["Run started", "Launch completed by the reconciler"]
    assert await relaunch_pending(context) == Relaunched()


async def test_a_run_that_temporal_does_not_answer_for_keeps_no_other_from_being_started(
    context: OperationContext, store: Store, execute: Execute, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_version(store)
    away = replace(context, temporal=unreachable())
    ids = [(await launch_published_run(away, LaunchRequest("orders"))).run_id for _ in range(3)]

    async def start(own: OperationContext, run: PendingRun) -> StartOutcome:
        return StartOutcome("pending", "No answer.") if run.run_id == ids[0] else await hand_to_temporal(own, run)

    monkeypatch.setattr(reconcile, "hand_to_temporal", start)
    await age(execute)
    await execute("UPDATE workflow_runs SET next_launch_at = now() - interval '1 hour' WHERE run_id = :run", run=ids[0])
    assert await relaunch_pending(context) == Relaunched(started=2, pending=1)


async def test_a_run_whose_row_somebody_holds_keeps_no_other_from_being_started(
    context: OperationContext, store: Store, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres answers; it is that one row, and it comes first again and again."""
    await add_version(store)
    away = replace(context, temporal=unreachable())
    held, *others = [(await launch_published_run(away, LaunchRequest("orders"))).run_id for _ in range(3)]
    await execute("UPDATE workflow_runs SET next_launch_at = now() - interval '1 minute'")
    await execute("UPDATE workflow_runs SET next_launch_at = now() - interval '1 hour' WHERE run_id = :held", held=held)

    async def unless_held(own: OperationContext, run: PendingRun) -> StartOutcome:
        if run.run_id == held:
            raise Unavailable(LOCKED, "Another transaction is in the way of this one.", "Look for long transactions.")
        return await hand_to_temporal(own, run)

    monkeypatch.setattr(reconcile, "hand_to_temporal", unless_held)
    assert await relaunch_pending(context) == Relaunched(started=len(others), pending=1)


async def test_a_launch_that_crashed_after_the_start_is_recorded_and_not_repeated(
    context: OperationContext, store: Store, temporal: Client, temporal_address: str, execute: Execute, query: Query
) -> None:
    await add_version(store)
    with pytest.raises(Crash):
        await launch_published_run(
            replace(context, temporal=await crashing_after_start(temporal_address)), LaunchRequest("orders")
        )
    [row] = await query("SELECT run_id FROM workflow_runs")
    before = await temporal.get_workflow_handle(workflow_id_for(row["run_id"])).describe()
    await age(execute)
    assert await relaunch_pending(context) == Relaunched(started=1)
    [row] = await query("SELECT launch_state, temporal_run_id FROM workflow_runs")
    assert (row["launch_state"], row["temporal_run_id"]) == ("started", before.run_id)


async def test_a_launch_temporal_refuses_is_closed_with_stage_launch(
    context: OperationContext, store: Store, temporal_address: str, execute: Execute, query: Query
) -> None:
    await add_version(store)
    await launch_published_run(replace(context, temporal=unreachable()), LaunchRequest("orders"))
    await age(execute)
    assert await relaunch_pending(replace(context, temporal=await refusing(temporal_address))) == Relaunched(failed=1)
    [row] = await query("SELECT status, error_json FROM workflow_runs")
    assert (row["status"], row["error_json"]["stage"]) == ("FAILED", "launch")


async def test_an_unreachable_temporal_leaves_everything_pending(
    context: OperationContext, store: Store, execute: Execute, query: Query
) -> None:
    await add_version(store)
    away = replace(context, temporal=unreachable())
    for _ in range(3):
        await launch_published_run(away, LaunchRequest("orders"))
    await age(execute)
    assert await relaunch_pending(away) == Relaunched(pending=3)
    rows = await query("SELECT status, launch_state FROM workflow_runs")
    assert rows == [{"status": "RUNNING", "launch_state": "pending"}] * 3
    await age(execute)
    assert await relaunch_pending(context) == Relaunched(started=3)


async def test_an_open_execution_is_left_alone(
    context: OperationContext, start: Callable[[], Awaitable[str]], execute: Execute, query: Query
) -> None:
    await start()
    await age(execute)
    result = await close_stranded(context)
    assert (result.checked, result.closed, result.next) == (1, 0, None)
    assert [row["status"] for row in await query("SELECT status FROM workflow_runs")] == ["RUNNING"]


@pytest.mark.parametrize(("canceling", "status"), [(False, "FAILED"), (True, "CANCELED")])
async def test_a_terminated_execution_closes_the_row_with_the_reason(
    context: OperationContext,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
    canceling: bool,
    status: str,
) -> None:
    run_id = await start()
    if canceling:
        await execute("UPDATE workflow_runs SET cancel_requested_at = now()")
    await temporal.get_workflow_handle(workflow_id_for(run_id)).terminate(reason="by hand in Temporal")
    await add_open_rows(execute, run_id)
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    [row] = await query("SELECT * FROM workflow_runs")
    assert (row["status"], row["last_error_code"], row["waiting_on"]) == (status, "TEMPORAL_TERMINATED", None)
    assert row["error_json"]["stage"] == "reconcile"
    assert row["error_json"]["temporalStatus"] == "TERMINATED"
    assert row["error_json"]["reason"] == "by hand in Temporal"
    assert row["completed_at"] is not None
    assert await open_rows(query) == []
    [line] = await query("SELECT level, message FROM workflow_run_logs WHERE level = 'WARN'")
    assert "by hand in Temporal" in line["message"]
    [entry] = await query("SELECT reason FROM workflow_audit_log WHERE operation = 'workflow_run_reconcile'")
    assert "by hand in Temporal" in entry["reason"]
    assert (await close_stranded(context)).closed == 0


async def test_f42_a_row_that_cannot_be_compared_stops_no_other(
    context: OperationContext,
    temporal: Client,
    start: Callable[[], Awaitable[str]],
    execute: Execute,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd, even = await start(), await start()
    for run_id in (odd, even):
        await temporal.get_workflow_handle(workflow_id_for(run_id)).terminate("gone")
    ordinary = reconcile.end_of_execution

    async def end(client: Client, store: Store, run_id: str, *, cancel_requested: bool) -> object:
        if run_id == odd:
            raise ValueError("nobody thought of that")
        return await ordinary(client, store, run_id, cancel_requested=cancel_requested)

    monkeypatch.setattr(reconcile, "end_of_execution", end)
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    statuses = {row["run_id"]: row["status"] for row in await query("SELECT run_id, status FROM workflow_runs")}
    assert statuses == {odd: "RUNNING", even: "FAILED"}


async def test_leased_quota_units_are_given_back(
    context: OperationContext,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
) -> None:
    run_id = await start()
    await execute(
        "INSERT INTO workflow_step_usage_periods (period_start, period_end, used_count)"
        " VALUES ('2026-11-01Z', '2026-12-01Z', 50)"
    )
    await execute("UPDATE workflow_runs SET quota_leased = 20, quota_period_start = '2026-11-01Z'")
    await temporal.get_workflow_handle(workflow_id_for(run_id)).terminate(reason="x")
    await age(execute)
    await close_stranded(context)
    assert await query("SELECT used_count FROM workflow_step_usage_periods") == [{"used_count": 30}]
    assert await query("SELECT quota_leased FROM workflow_runs") == [{"quota_leased": 0}]


async def test_a_completed_execution_gives_its_result_to_the_row(
    context: OperationContext,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
) -> None:
    run_id = await start()
    async with ending_worker(temporal):
        await end(temporal, run_id, "complete")
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    [row] = await query("SELECT status, output_json, error_json, node_path FROM workflow_runs")
    assert row == {"status": "SUCCEEDED", "output_json": {"total": 3}, "error_json": None, "node_path": None}


async def test_a_failed_execution_gives_its_own_error_to_the_row(
    context: OperationContext,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
) -> None:
    run_id = await start()
    async with ending_worker(temporal):
        await end(temporal, run_id, "fail")
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    [row] = await query("SELECT status, last_error_code, error_json FROM workflow_runs")
    assert (row["status"], row["last_error_code"]) == ("FAILED", "SHOP_CLOSED")
    assert row["error_json"]["message"] == "The shop is closed."
    assert row["error_json"]["stage"] == "reconcile"


class Unreadable(PayloadCodec):
    """What it writes nobody can read: a value that is not there, of another run, or encrypted with a key that is gone."""

    def __init__(self, written: Payload) -> None:
        self._written = written

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._written for _ in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [*payloads]


@pytest.mark.parametrize(("how", "status"), [("complete", "SUCCEEDED"), ("fail", "FAILED")])
@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (ENCODING, b'{"payload_id": "00000000-0000-7000-8000-000000000009"}'),
        (ENCODING, b'{"payload_id": "no id"}'),
        (ENCRYPTED, b"not for us"),
    ],
    ids=["gone", "forged", "encrypted"],
)
async def test_an_execution_whose_last_words_cannot_be_read_is_closed_all_the_same(
    context: OperationContext,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
    how: str,
    status: str,
    encoding: bytes,
    data: bytes,
) -> None:
    """That it has ended, and how, is still true. Its row would be open for ever, and block whoever waits for it."""
    run_id = await start()
    config = temporal.config()
    codec = Unreadable(Payload(metadata={"encoding": encoding, "key": b"k1"}, data=data))
    config["data_converter"] = replace(config["data_converter"], payload_codec=codec)
    async with ending_worker(Client(**config)):
        handle = temporal.get_workflow_handle(workflow_id_for(run_id))
        await handle.signal("end", how)

        async def over() -> bool:
            return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING

        await until(over)
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    [row] = await query("SELECT status, output_json, last_error_code FROM workflow_runs")
    code = None if status == "SUCCEEDED" else "TEMPORAL_FAILED"
    assert row == {"status": status, "output_json": None, "last_error_code": code}


async def test_a_run_unknown_to_temporal_is_closed(
    context: OperationContext, start: Callable[[], Awaitable[str]], temporal: Client, execute: Execute, query: Query
) -> None:
    await start()
    await lose_in_temporal(execute, query, temporal)
    await age(execute)
    assert (await close_stranded(context)).closed == 1
    [row] = await query("SELECT status, last_error_code, node_path FROM workflow_runs")
    assert row == {"status": "FAILED", "last_error_code": "TEMPORAL_UNKNOWN", "node_path": "root.steps[0]"}


async def lose_in_temporal(execute: Execute, query: Query, temporal: Client) -> None:
    """Temporal forgets the runs: rows get ids it has never heard of."""
    for row in await query("SELECT run_id FROM workflow_runs"):
        # Nobody knows its id any more, and a worker of another test must not find it on the queue.
        await temporal.get_workflow_handle(workflow_id_for(row["run_id"])).terminate(reason="lost")
    await execute("DELETE FROM workflow_run_logs")
    await execute("UPDATE workflow_runs SET run_id = gen_random_uuid()")


async def test_unknown_runs_are_closed_by_the_right_temporal_alone_however_many(
    context: OperationContext,
    store: Store,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
) -> None:
    await remember(store, temporal, namespace_id="another")
    for _ in range(6):
        await start()
    await lose_in_temporal(execute, query, temporal)
    await age(execute)
    before = await query("SELECT * FROM workflow_runs ORDER BY run_id")
    checked = replace(context, temporal=TemporalConnection(lambda: given(temporal), check=same_installation(store)))
    with pytest.raises(WrongTemporal, match="INSTALLATION_OTHER"):
        await close_stranded(checked)
    assert await query("SELECT * FROM workflow_runs ORDER BY run_id") == before
    await remember(store, temporal)
    assert (await close_stranded(checked)).closed == 6


async def test_a_temporal_that_became_another_one_under_a_living_process_closes_nothing(
    context: OperationContext,
    store: Store,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    query: Query,
) -> None:
    await remember(store, temporal)
    checked = replace(context, temporal=TemporalConnection(lambda: given(temporal), check=same_installation(store)))
    await start()
    assert (await close_stranded(checked)).closed == 0
    await lose_in_temporal(execute, query, temporal)
    await add_open_rows(execute, (await query("SELECT run_id FROM workflow_runs"))[0]["run_id"])
    await execute("UPDATE workflow_run_waits SET wait_type = 'event', event_name = 'PAID', key = '42'")
    await age(execute)
    await remember(store, temporal, cluster_id="another")
    waits = await open_rows(query)
    [row] = await query("SELECT * FROM workflow_runs")
    with pytest.raises(WrongTemporal, match="another"):
        await close_stranded(checked)
    with pytest.raises(WrongTemporal):
        await cancel_run(checked, row["run_id"], "it is gone")
    await submit_event(context, EventRequest("PAID", {}, "42"))
    assert await route_received(checked) == 1
    assert await make_due_deliveries(checked) == 1
    [delivery] = await query("SELECT status, last_error FROM workflow_event_deliveries")
    assert delivery["status"] == "pending"
    assert "INSTALLATION_OTHER" in delivery["last_error"]
    assert await query("SELECT * FROM workflow_runs") == [row]
    assert await open_rows(query) == waits


async def given(client: Client) -> Client:
    return client


async def remember(store: Store, temporal: Client, **changes: str) -> None:
    async with writing(store) as connection:
        await replace_installation(connection, replace(await identity_of(temporal), **changes), "tester")


async def test_rows_from_before_the_cutover_are_never_touched(
    context: OperationContext, execute: Execute, query: Query
) -> None:
    await execute("ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal")
    for engine in ("'db'", "NULL"):
        for state in ("'pending'", "'started'"):
            await execute(
                "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine, launch_state, updated_at,"
                f" next_launch_at) VALUES ('old', 1, 'RUNNING', {engine}, {state}, '2020-01-01Z', '2020-01-01Z')"
            )
    before = await query("SELECT * FROM workflow_runs ORDER BY run_id")
    assert await relaunch_pending(context) == Relaunched()
    assert (await close_stranded(context)).checked == 0
    assert await close_leftovers(context) == Leftovers(0, 0, 0)
    assert await query("SELECT * FROM workflow_runs ORDER BY run_id") == before


async def test_the_walk_goes_on_where_it_stopped(
    context: OperationContext,
    start: Callable[[], Awaitable[str]],
    temporal: Client,
    execute: Execute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.operations.reconcile.reconcile.CHECKS_PER_PASS", 2)
    started = [await start() for _ in range(3)]
    await age(execute)
    await temporal.get_workflow_handle(workflow_id_for(started[2])).terminate(reason="x")
    first = await close_stranded(context)
    assert (first.checked, first.closed) == (2, 0)
    second = await close_stranded(context, first.next)
    assert (second.checked, second.closed, second.next) == (1, 1, None)


async def test_an_execution_that_ended_abnormally_is_found_by_asking_temporal(
    context: OperationContext, start: Callable[[], Awaitable[str]], temporal: Client, query: Query
) -> None:
    run_id = await start()
    await start()
    await temporal.get_workflow_handle(workflow_id_for(run_id)).terminate(reason="x")

    async def closed() -> bool:
        return (await close_recently_ended(context, timedelta(minutes=2))).closed == 1

    await until(closed)  # Temporal's list is a little behind.
    rows = await query("SELECT run_id FROM workflow_runs WHERE status = 'FAILED'")
    assert rows == [{"run_id": run_id}]


async def test_a_silent_temporal_closes_nothing(
    context: OperationContext, start: Callable[[], Awaitable[str]], execute: Execute, query: Query
) -> None:
    await start()
    await age(execute)
    with pytest.raises(Unavailable):
        await close_stranded(replace(context, temporal=unreachable()))
    assert [row["status"] for row in await query("SELECT status FROM workflow_runs")] == ["RUNNING"]
