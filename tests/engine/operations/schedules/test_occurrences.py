"""Each occurrence of a schedule starts one run, queues it, or says why not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import (
    ScheduleHandle,
)

from engine.errors import Invalid, Unavailable
from engine.operations.catalog.publish import limit_concurrency, pause_workflow
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.queue import release_queued
from engine.operations.schedules import schedule_fires, schedules
from engine.operations.schedules.schedule_fires import fire_schedule
from engine.operations.schedules.schedules import set_schedule_payload, sync_schedule
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import Execute, Query, add_version
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.schedules.conftest import (
    EVERY_FIVE_MINUTES,
    EVERY_MORNING,
    SCHEDULE_ID,
    Row,
    at,
    described,
    soon,
)


async def fire_at(context: OperationContext, due: datetime, now: datetime | None = None) -> str:
    return await fire_schedule(context, SCHEDULE_ID, due, now or due + timedelta(seconds=1))


@pytest.fixture
async def due(context: OperationContext, store: Store) -> datetime:
    """The last occurrence of a schedule that Temporal has."""
    await add_version(store, trigger=EVERY_FIVE_MINUTES)
    assert (await sync_schedule(context, "orders")).state == "scheduled"
    now = datetime.now(UTC)
    return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)


async def test_the_same_occurrence_starts_one_run_however_often_it_is_repeated(
    context: OperationContext, due: datetime, query: Query, row: Row
) -> None:
    outcomes = await asyncio.gather(*(fire_at(context, due) for _ in range(4)))
    assert set(outcomes) == {"started"}
    assert await fire_at(context, due) == "started"
    assert await fire_at(context, due - timedelta(minutes=5)) == "started"
    runs = await query("SELECT trigger_type, trigger_fire_key FROM workflow_runs")
    assert len(runs) == 2
    assert {run["trigger_type"] for run in runs} == {"recurring"}
    found = await row()
    assert found["last_run_status"] == "success"
    assert found["next_fire_at"] is not None


async def test_a_crash_between_the_run_and_its_record_starts_no_second_run(
    context: OperationContext, due: datetime, query: Query, execute: Execute
) -> None:
    await fire_at(context, due)
    await execute("DELETE FROM workflow_schedule_fires")
    assert await fire_at(context, due) == "started"
    [run] = await query("SELECT run_id FROM workflow_runs")
    assert await query("SELECT run_id FROM workflow_schedule_fires") == [run]


async def test_of_missed_occurrences_only_the_last_is_made_up_for(
    context: OperationContext, due: datetime, query: Query
) -> None:
    now = due + timedelta(minutes=4)
    late = [await fire_at(context, due - timedelta(minutes=5 * n), now) for n in (3, 2, 1, 0)]
    assert late == ["skipped", "skipped", "skipped", "started"]
    reasons = {fire["reason"] for fire in await query("SELECT reason FROM workflow_schedule_fires")}
    assert reasons == {"It was missed, and a later occurrence has come due since.", None}


async def test_a_paused_workflow_skips_when_it_chose_so(
    context: OperationContext, due: datetime, query: Query, execute: Execute, row: Row
) -> None:
    await execute("UPDATE workflow_definitions SET is_paused = true, when_busy = 'skip'")
    assert await fire_at(context, due) == "skipped"
    [fire] = await query("SELECT reason FROM workflow_schedule_fires")
    assert fire["reason"].startswith("WORKFLOW_PAUSED: ")
    found = await row()
    assert (found["last_run_status"], found["last_error"], found["status"]) == ("skipped", None, "scheduled")


async def test_what_comes_due_during_a_pause_is_queued_and_starts_in_order_after_it(
    context: OperationContext, due: datetime, query: Query
) -> None:
    await pause_workflow(context, "orders", paused=True)
    times = [due - timedelta(minutes=5 * n) for n in (2, 1, 0)]
    assert [await fire_at(context, at) for at in times] == ["started"] * 3
    fires = await query("SELECT reason FROM workflow_schedule_fires")
    assert {fire["reason"].partition(":")[0] for fire in fires} == {"Queued"}
    waiting = "SELECT trigger_fire_key, launch_state FROM workflow_runs ORDER BY queue_place"
    queued = await query(waiting)
    assert {run["launch_state"] for run in queued} == {"queued"}
    assert [run["trigger_fire_key"] for run in queued] == [schedules.fire_key_of(SCHEDULE_ID, at) for at in times]
    assert await release_queued(context) == 0
    await pause_workflow(context, "orders", paused=False)
    assert await release_queued(context) == 3
    assert [run for run in await query(waiting) if run["launch_state"] == "queued"] == []


async def test_so_many_wait_and_no_more(
    context: OperationContext, due: datetime, query: Query, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule_fires, "MOST_QUEUED", 2)
    await pause_workflow(context, "orders", paused=True)
    times = [due - timedelta(minutes=5 * n) for n in (2, 1, 0)]
    assert [await fire_at(context, at) for at in times] == ["started", "started", "skipped"]
    [fire] = await query("SELECT reason FROM workflow_schedule_fires WHERE status = 'skipped'")
    assert fire["reason"] == "QUEUE_FULL: 2 runs of orders wait for their turn already."
    # A worker died between the run and its record: the run is that of its occurrence all the same.
    await execute("DELETE FROM workflow_schedule_fires")
    assert [await fire_at(context, at) for at in times] == ["started", "started", "skipped"]
    assert len(await query("SELECT 1 FROM workflow_runs")) == 2


async def test_f7_no_free_slot_queues(context: OperationContext, due: datetime, query: Query) -> None:
    await limit_concurrency(context, "orders", 1)
    await launch_published_run(context, LaunchRequest("orders"))
    assert await fire_at(context, due) == "started"
    [fire] = await query("SELECT reason FROM workflow_schedule_fires")
    assert fire["reason"].startswith("Queued: ")


async def test_a_payload_that_does_not_fit_fails_and_is_kept_to_be_looked_at(
    context: OperationContext, store: Store, query: Query, row: Row
) -> None:
    schema = {"type": "object", "required": ["region"]}
    await add_version(store, trigger=EVERY_FIVE_MINUTES, payload_schema=schema)
    await sync_schedule(context, "orders")
    due = datetime.now(UTC).replace(second=0, microsecond=0)
    assert await fire_at(context, due) == "failed"
    [fire] = await query("SELECT reason, run_id FROM workflow_schedule_fires")
    assert fire["reason"].startswith("PAYLOAD_REJECTED: ")
    assert await query("SELECT run_id, status FROM workflow_runs") == [{"run_id": fire["run_id"], "status": "FAILED"}]
    found = await row()
    assert (found["last_run_status"], found["status"]) == ("error", "scheduled")
    assert found["last_error"] == fire["reason"]

    with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
        await set_schedule_payload(context, "orders", {"regions": ["north"]})
    await set_schedule_payload(context, "orders", {"region": "north"})
    assert await fire_at(context, due + timedelta(minutes=5)) == "started"
    [run] = await query("SELECT input_json FROM workflow_runs WHERE status = 'RUNNING'")
    assert run["input_json"] == {"region": "north"}
    await add_version(store, trigger=EVERY_MORNING, payload_schema=schema)
    await sync_schedule(context, "orders")
    assert (await row())["payload_json"] == {"region": "north"}


async def test_a_one_time_schedule_that_fails_says_so(context: OperationContext, store: Store, row: Row) -> None:
    run_at = soon(hours=1)
    await add_version(store, trigger=at(run_at), payload_schema={"type": "object", "required": ["region"]})
    await sync_schedule(context, "orders")
    assert await fire_at(context, run_at) == "failed"
    found = await row()
    assert (found["status"], found["enabled"]) == ("failed", False)
    assert found["last_error"].startswith("PAYLOAD_REJECTED")


async def test_an_occurrence_of_an_older_version_is_judged_by_the_latest(
    context: OperationContext, due: datetime, store: Store, query: Query, schedule: ScheduleHandle
) -> None:
    await add_version(store, trigger=EVERY_FIVE_MINUTES)
    assert await fire_at(context, due) == "started"
    [run] = await query("SELECT workflow_version FROM workflow_runs")
    assert run["workflow_version"] == 2
    await add_version(store, trigger={"type": "recurring", "cron": "1 0 1 1 *", "timezone": "UTC"})
    assert await fire_at(context, due + timedelta(minutes=5)) == "skipped"
    await add_version(store)
    assert await fire_at(context, due + timedelta(minutes=10)) == "skipped"
    assert await described(schedule) is None
    fires = await query("SELECT reason FROM workflow_schedule_fires WHERE status = 'skipped' ORDER BY scheduled_for")
    assert [fire["reason"] for fire in fires] == [
        "Version 3 is started at another time.",
        "The latest version of orders is not started by time.",
    ]


async def test_a_one_time_schedule_that_was_moved_does_not_run_at_its_old_time(
    context: OperationContext, store: Store, query: Query, row: Row
) -> None:
    old, new = soon(minutes=10), soon(hours=2)
    await add_version(store, trigger=at(old))
    await sync_schedule(context, "orders")
    await add_version(store, trigger=at(new))
    assert await fire_at(context, old) == "skipped"
    assert (await row())["status"] == "scheduled"
    assert await fire_at(context, new) == "started"
    assert (await row())["status"] == "completed"
    assert len(await query("SELECT 1 FROM workflow_runs")) == 1


async def test_a_one_time_schedule_that_is_published_again_after_its_run_is_over(
    context: OperationContext, store: Store, query: Query, row: Row
) -> None:
    """Somebody has triggered it early in Temporal, say: its one occurrence is decided, whatever version asks for it."""
    moment = soon(minutes=10)
    await add_version(store, trigger=at(moment))
    await sync_schedule(context, "orders")
    assert await fire_at(context, moment) == "started"
    await add_version(store, trigger=at(moment))
    await sync_schedule(context, "orders")
    assert (await row())["status"] == "scheduled"
    assert await fire_at(context, moment) == "started"
    found = await row()
    assert (found["status"], found["enabled"], found["next_fire_at"]) == ("completed", False, None)
    assert len(await query("SELECT 1 FROM workflow_runs")) == 1


async def test_without_temporal_nothing_is_decided(
    context: OperationContext, due: datetime, store: Store, query: Query
) -> None:
    away = OperationContext(store, unreachable(), context.actor)
    with pytest.raises(Unavailable):
        await fire_at(away, due - timedelta(hours=1), due)
    await add_version(store, trigger=EVERY_MORNING)
    with pytest.raises(Unavailable, match="SCHEDULE_PENDING"):
        await fire_at(away, due)
    assert await query("SELECT 1 FROM workflow_schedule_fires") == []


async def test_a_schedule_that_is_gone_is_no_failure(context: OperationContext) -> None:
    assert await fire_at(context, datetime.now(UTC)) == "gone"
