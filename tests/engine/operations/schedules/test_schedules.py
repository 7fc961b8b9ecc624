"""Schedules: Temporal has what the published version wants, and each occurrence starts one run or says why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleOverlapPolicy,
)
from temporalio.service import RPCError

from engine.actions.registry import load_actions
from engine.contract import TASK_TIMEOUT, temporal_schedule_id_for
from engine.errors import Forbidden, Invalid, Unavailable
from engine.operations.catalog.publish import PublishRequest, limit_concurrency, pause_workflow, publish_definition
from engine.operations.context import OperationContext
from engine.operations.runs.launch import LaunchRequest, launch_published_run
from engine.operations.runs.queue import release_queued
from engine.operations.schedules import schedule_fires, schedules
from engine.operations.schedules.schedule_fires import fire_schedule
from engine.operations.schedules.schedules import set_schedule_payload, sync_schedule, sync_schedules
from engine.records import Level
from engine.settings import DEFAULT_TENANT, Settings
from engine.store.database.transactions import Store
from engine.store.schedules.schedules import schedule_id_of
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version, definition, until
from tests.engine.operations.crashing import unreachable
from tests.engine.workflow.harness import Bench

SCHEDULE_ID = schedule_id_of(DEFAULT_TENANT, "orders")
EVERY_MORNING = {"type": "recurring", "cron": "30 7 * * 1-5", "timezone": "Europe/Berlin"}
EVERY_FIVE_MINUTES = {"type": "recurring", "cron": "*/5 * * * *", "timezone": "UTC"}
CLOCK = "payload.WorkflowClockTrigger.v1"


def at(moment: datetime) -> dict[str, str]:
    return {"type": "schedule", "runAt": moment.isoformat()}


def soon(**delta: float) -> datetime:
    return datetime.now(UTC) + timedelta(**delta)


@pytest.fixture
def schedule(temporal: Client) -> ScheduleHandle:
    """Temporal's, whether it exists or not."""
    return temporal.get_schedule_handle(temporal_schedule_id_for(SCHEDULE_ID))


@pytest_asyncio.fixture(autouse=True)
async def _no_schedule_is_left(schedule: ScheduleHandle, temporal: Client) -> AsyncIterator[None]:
    yield
    # The server is shared, and a worker of another test must not find these on the queue.
    with suppress(RPCError):
        await schedule.delete()
    async for execution in temporal.list_workflows(
        f"WorkflowId STARTS_WITH '{schedule.id}' AND ExecutionStatus = 'Running'"
    ):
        with suppress(RPCError):
            await temporal.get_workflow_handle(execution.id).terminate()


async def described(schedule: ScheduleHandle) -> ScheduleDescription | None:
    try:
        return await schedule.describe()
    except RPCError:
        return None


@pytest.fixture
def row(query: Query) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The schedule as it is in the table."""

    async def load() -> dict[str, Any]:
        [found] = await query("SELECT * FROM workflow_schedules")
        return found

    return load


Row = Callable[[], Awaitable[dict[str, Any]]]


class TestFollowingTheVersion:
    async def test_a_recurring_trigger_becomes_a_schedule(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, row: Row, query: Query
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        state = await sync_schedule(context, "orders")
        assert state.state == "scheduled"
        assert state.next_fire_at is not None
        assert state.next_fire_at > datetime.now(UTC)
        found = await row()
        assert (found["trigger_type"], found["cron"], found["timezone"]) == (
            "recurring",
            "30 7 * * 1-5",
            "Europe/Berlin",
        )
        assert (found["status"], found["enabled"], found["workflow_version"]) == ("scheduled", True, 1)
        assert (found["temporal_schedule_id"], found["next_fire_at"]) == (schedule.id, state.next_fire_at)
        told = await described(schedule)
        assert told is not None
        assert told.info.next_action_times[0] == state.next_fire_at
        assert told.schedule.spec.time_zone_name == "Europe/Berlin"
        assert told.schedule.state.note == "orders version 1"
        assert isinstance(told.schedule.action, ScheduleActionStartWorkflow)
        assert told.schedule.action.task_timeout == TASK_TIMEOUT
        [entry] = await query("SELECT target_id, workflow_id, details_json FROM workflow_audit_log")
        assert entry == {
            "target_id": SCHEDULE_ID,
            "workflow_id": "orders",
            "details_json": {"status": "scheduled", "workflowVersion": 1},
        }

    async def test_a_new_version_changes_it_and_one_without_a_trigger_ends_it(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, row: Row
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        await add_version(store, trigger=EVERY_FIVE_MINUTES)
        state = await sync_schedule(context, "orders")
        assert state.next_fire_at is not None
        assert state.next_fire_at - datetime.now(UTC) <= timedelta(minutes=5)
        assert (await row())["workflow_version"] == 2
        await add_version(store)
        assert (await sync_schedule(context, "orders")).state == "none"
        assert await described(schedule) is None
        found = await row()
        assert (found["status"], found["enabled"], found["next_fire_at"]) == ("disabled", False, None)
        await add_version(store, trigger=EVERY_MORNING)
        assert (await sync_schedule(context, "orders")).state == "scheduled"
        assert await described(schedule) is not None

    async def test_pausing_a_workflow_that_skips_at_such_times_pauses_it(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, row: Row
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        await limit_concurrency(context, "orders", 0, when_busy="skip")
        await pause_workflow(context, "orders", paused=True)
        told = await described(schedule)
        assert told is not None
        assert told.schedule.state.paused
        found = await row()
        assert (found["status"], found["enabled"], found["next_fire_at"]) == ("paused", False, None)
        await pause_workflow(context, "orders", paused=False)
        told = await described(schedule)
        assert told is not None
        assert not told.schedule.state.paused
        assert (await row())["next_fire_at"] is not None

    async def test_one_that_queues_goes_on_by_time_and_a_change_of_mind_is_told(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, row: Row
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        await pause_workflow(context, "orders", paused=True)
        for when_busy, rests in (("queue", False), ("skip", True), ("replace", False)):
            await limit_concurrency(context, "orders", 0, when_busy=when_busy)
            told = await described(schedule)
            assert told is not None
            assert told.schedule.state.paused is rests, when_busy
            found = await row()
            assert (found["status"], found["next_fire_at"] is None) == ("paused" if rests else "scheduled", rests)

    async def test_publishing_tells_temporal(
        self, context: OperationContext, schedule: ScheduleHandle, query: Query
    ) -> None:
        registry = load_actions((), Settings.load())
        base = definition(payloadSchemaRef=CLOCK, trigger=EVERY_MORNING)
        await publish_definition(context, PublishRequest(base), registry)
        assert await described(schedule) is not None
        await publish_definition(context, PublishRequest(definition(payloadSchemaRef=CLOCK)), registry)
        assert await described(schedule) is None

    async def test_a_workflow_that_is_not_started_by_time_costs_temporal_nothing(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store)
        away = OperationContext(store, unreachable(), context.actor)
        assert (await sync_schedule(away, "orders")).state == "none"
        assert await query("SELECT 1 FROM workflow_schedules") == []

    async def test_a_workflow_that_was_deleted_leaves_no_schedule(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, execute: Execute
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        await execute("DELETE FROM workflow_definitions")
        assert (await sync_schedule(context, "orders")).state == "none"
        assert await described(schedule) is None

    async def test_repeating_it_changes_nothing(self, context: OperationContext, store: Store, query: Query) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        states = await asyncio.gather(*(sync_schedule(context, "orders") for _ in range(4)))
        assert {state.state for state in states} <= {"scheduled", "pending"}
        before = await query("SELECT * FROM workflow_schedules")
        assert (await sync_schedule(context, "orders")).state == "scheduled"
        assert await query("SELECT * FROM workflow_schedules") == before
        assert len(await query("SELECT 1 FROM workflow_audit_log WHERE operation = 'workflow_schedule_sync'")) == 1

    async def test_what_temporal_does_not_take_is_told(self, context: OperationContext, store: Store, row: Row) -> None:
        await add_version(store, trigger={**EVERY_MORNING, "timezone": "Europe/Nowhere"})
        state = await sync_schedule(context, "orders")
        assert state.state == "failed"
        assert "Temporal refused the schedule" in state.message
        found = await row()
        assert (found["status"], found["last_error"]) == ("failed", state.message)
        assert await sync_schedules(context) == 0

    async def test_only_admins_may(self, store: Store, as_user: AsUser) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        async with as_user(Level.OPERATE) as operator:
            with pytest.raises(Forbidden):
                await sync_schedule(operator, "orders")


class TestMakingGood:
    async def test_what_temporal_could_not_be_told_is_told_later(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, row: Row
    ) -> None:
        away = OperationContext(store, unreachable(), context.actor)
        await add_version(store, trigger=EVERY_MORNING)
        state = await sync_schedule(away, "orders")
        assert (state.state, state.message) == ("pending", "Temporal does not answer.")
        assert (await row())["temporal_schedule_id"] is None
        with pytest.raises(Exception, match="SCHEDULES_PENDING"):
            await sync_schedules(away)
        assert await sync_schedules(context) == 1
        assert await described(schedule) is not None
        assert await sync_schedules(context) == 0

    async def test_a_publish_that_never_came_so_far_is_noticed(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle, execute: Execute, row: Row
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await add_version(store, "invoices")
        assert await sync_schedules(context) == 1
        await add_version(store, trigger=EVERY_FIVE_MINUTES)
        assert await sync_schedules(context) == 1
        assert (await row())["cron"] == "*/5 * * * *"
        await execute("UPDATE workflow_definitions SET is_paused = true")
        assert await sync_schedules(context) == 0
        await execute("UPDATE workflow_definitions SET when_busy = 'skip'")
        assert await sync_schedules(context) == 1
        assert (await row())["status"] == "paused"
        await add_version(store)
        assert await sync_schedules(context) == 1
        assert await described(schedule) is None
        assert await sync_schedules(context) == 0

    async def test_a_time_that_passed_before_temporal_was_told_is_made_up_for(
        self, context: OperationContext, store: Store, query: Query, temporal: Client
    ) -> None:
        await add_version(store, trigger=at(soon(minutes=-5)))
        async with Bench(store, temporal).worker():
            assert (await sync_schedule(context, "orders")).state == "scheduled"

            async def started() -> bool:
                return [run["trigger_type"] for run in await query("SELECT trigger_type FROM workflow_runs")] == [
                    "schedule"
                ]

            await until(started)

    async def test_a_time_that_passes_while_temporal_is_told_is_made_up_for(
        self, context: OperationContext, store: Store, query: Query, temporal: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def not_yet(*_: object) -> bool:
            return False

        monkeypatch.setattr(schedules, "_is_overdue", not_yet)
        await add_version(store, trigger=at(soon(minutes=-5)))
        async with Bench(store, temporal).worker():
            assert (await sync_schedule(context, "orders")).state == "scheduled"

            async def started() -> bool:
                return len(await query("SELECT 1 FROM workflow_runs")) == 1

            await until(started)

    async def test_a_time_that_passed_while_it_rested_is_skipped(
        self, context: OperationContext, store: Store, execute: Execute, query: Query, row: Row
    ) -> None:
        await add_version(store, trigger=at(soon(hours=1)))
        await execute("UPDATE workflow_definitions SET is_paused = true, when_busy = 'skip'")
        assert (await sync_schedule(context, "orders")).state == "paused"
        await execute("UPDATE workflow_definitions SET is_paused = false")
        passed = soon(minutes=-1)
        await execute("UPDATE workflow_schedules SET run_at = :passed", passed=passed)
        await execute(
            "UPDATE workflow_definition_versions SET trigger = jsonb_set(trigger, '{runAt}', to_jsonb(CAST(:passed AS text)))",
            passed=passed.isoformat(),
        )
        assert (await sync_schedule(context, "orders")).state == "completed"
        [fire] = await query("SELECT status, reason, run_id FROM workflow_schedule_fires")
        assert fire == {"status": "skipped", "reason": "The workflow was paused at that time.", "run_id": None}
        found = await row()
        assert (found["status"], found["last_run_status"], found["enabled"]) == ("completed", "skipped", False)
        assert await query("SELECT 1 FROM workflow_runs") == []


class TestOnTemporal:
    async def test_a_one_time_schedule_starts_one_run_at_its_time(
        self, context: OperationContext, store: Store, temporal: Client, query: Query, row: Row
    ) -> None:
        run_at = soon(seconds=2)
        await add_version(store, trigger=at(run_at), payloadSchemaRef=CLOCK)
        async with Bench(store, temporal).worker():
            await sync_schedule(context, "orders")

            async def over() -> bool:
                return (await row())["status"] == "completed"

            await until(over)
            [run] = await query("SELECT * FROM workflow_runs")
        assert run["started_at"] >= run_at
        assert run["trigger_type"] == "schedule"
        text = run_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert run["trigger_fire_key"] == f"workflow-schedule-fire:{SCHEDULE_ID}:{text}"
        assert run["input_json"] | {"firedAt": ""} == {
            "triggerType": "schedule",
            "scheduleId": SCHEDULE_ID,
            "scheduledFor": text,
            "firedAt": "",
            "timezone": "UTC",
            "workflowId": "orders",
            "workflowVersion": 1,
        }
        assert run["trigger_metadata_json"]["scheduleName"] == "Workflow orders"
        found = await row()
        assert (found["last_run_status"], found["enabled"], found["next_fire_at"]) == ("success", False, None)
        assert found["last_fire_key"] == run["trigger_fire_key"]
        [fire] = await query("SELECT status, run_id, scheduled_for FROM workflow_schedule_fires")
        assert fire == {"status": "started", "run_id": run["run_id"], "scheduled_for": run_at}

    async def test_each_occurrence_starts_one_run(
        self, context: OperationContext, store: Store, temporal: Client, schedule: ScheduleHandle, query: Query
    ) -> None:
        first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
        # Every five minutes, but in that hour only: no occurrence of today's may come among them.
        await add_version(store, trigger={**EVERY_FIVE_MINUTES, "cron": f"*/5 {first.hour} * * *"})
        async with Bench(store, temporal).worker():
            await sync_schedule(context, "orders")
            # What a schedule does when it comes due, without waiting five minutes for it.
            await schedule.backfill(
                ScheduleBackfill(first, first + timedelta(minutes=11), overlap=ScheduleOverlapPolicy.ALLOW_ALL)
            )

            async def recorded() -> bool:
                return len(await query("SELECT 1 FROM workflow_schedule_fires")) == 3

            await until(recorded)
        fires = await query("SELECT scheduled_for, status, reason FROM workflow_schedule_fires ORDER BY scheduled_for")
        assert [fire["scheduled_for"] for fire in fires] == [first + timedelta(minutes=5 * n) for n in range(3)]
        # They are hours late, and others have come due since.
        assert {fire["status"] for fire in fires} == {"skipped"}
        assert await query("SELECT 1 FROM workflow_runs") == []


class TestFiring:
    async def fire(self, context: OperationContext, due: datetime, now: datetime | None = None) -> str:
        return await fire_schedule(context, SCHEDULE_ID, due, now or due + timedelta(seconds=1))

    @pytest.fixture
    async def due(self, context: OperationContext, store: Store) -> datetime:
        """The last occurrence of a schedule that Temporal has."""
        await add_version(store, trigger=EVERY_FIVE_MINUTES)
        assert (await sync_schedule(context, "orders")).state == "scheduled"
        now = datetime.now(UTC)
        return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)

    async def test_the_same_occurrence_starts_one_run_however_often_it_is_repeated(
        self, context: OperationContext, due: datetime, query: Query, row: Row
    ) -> None:
        outcomes = await asyncio.gather(*(self.fire(context, due) for _ in range(4)))
        assert set(outcomes) == {"started"}
        assert await self.fire(context, due) == "started"
        assert await self.fire(context, due - timedelta(minutes=5)) == "started"
        runs = await query("SELECT trigger_type, trigger_fire_key FROM workflow_runs")
        assert len(runs) == 2
        assert {run["trigger_type"] for run in runs} == {"recurring"}
        found = await row()
        assert found["last_run_status"] == "success"
        assert found["next_fire_at"] is not None

    async def test_a_crash_between_the_run_and_its_record_starts_no_second_run(
        self, context: OperationContext, due: datetime, query: Query, execute: Execute
    ) -> None:
        await self.fire(context, due)
        await execute("DELETE FROM workflow_schedule_fires")
        assert await self.fire(context, due) == "started"
        [run] = await query("SELECT run_id FROM workflow_runs")
        assert await query("SELECT run_id FROM workflow_schedule_fires") == [run]

    async def test_of_missed_occurrences_only_the_last_is_made_up_for(
        self, context: OperationContext, due: datetime, query: Query
    ) -> None:
        now = due + timedelta(minutes=4)
        late = [await self.fire(context, due - timedelta(minutes=5 * n), now) for n in (3, 2, 1, 0)]
        assert late == ["skipped", "skipped", "skipped", "started"]
        reasons = {fire["reason"] for fire in await query("SELECT reason FROM workflow_schedule_fires")}
        assert reasons == {"It was missed, and a later occurrence has come due since.", None}

    async def test_a_paused_workflow_skips_when_it_chose_so(
        self, context: OperationContext, due: datetime, query: Query, execute: Execute, row: Row
    ) -> None:
        await execute("UPDATE workflow_definitions SET is_paused = true, when_busy = 'skip'")
        assert await self.fire(context, due) == "skipped"
        [fire] = await query("SELECT reason FROM workflow_schedule_fires")
        assert fire["reason"].startswith("WORKFLOW_PAUSED: ")
        found = await row()
        assert (found["last_run_status"], found["last_error"], found["status"]) == ("skipped", None, "scheduled")

    async def test_what_comes_due_during_a_pause_is_queued_and_starts_in_order_after_it(
        self, context: OperationContext, due: datetime, query: Query
    ) -> None:
        await pause_workflow(context, "orders", paused=True)
        times = [due - timedelta(minutes=5 * n) for n in (2, 1, 0)]
        assert [await self.fire(context, at) for at in times] == ["started"] * 3
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
        self, context: OperationContext, due: datetime, query: Query, execute: Execute, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(schedule_fires, "MOST_QUEUED", 2)
        await pause_workflow(context, "orders", paused=True)
        times = [due - timedelta(minutes=5 * n) for n in (2, 1, 0)]
        assert [await self.fire(context, at) for at in times] == ["started", "started", "skipped"]
        [fire] = await query("SELECT reason FROM workflow_schedule_fires WHERE status = 'skipped'")
        assert fire["reason"] == "QUEUE_FULL: 2 runs of orders wait for their turn already."
        # A worker died between the run and its record: the run is that of its occurrence all the same.
        await execute("DELETE FROM workflow_schedule_fires")
        assert [await self.fire(context, at) for at in times] == ["started", "started", "skipped"]
        assert len(await query("SELECT 1 FROM workflow_runs")) == 2

    async def test_f7_no_free_slot_queues(self, context: OperationContext, due: datetime, query: Query) -> None:
        await limit_concurrency(context, "orders", 1)
        await launch_published_run(context, LaunchRequest("orders"))
        assert await self.fire(context, due) == "started"
        [fire] = await query("SELECT reason FROM workflow_schedule_fires")
        assert fire["reason"].startswith("Queued: ")

    async def test_a_payload_that_does_not_fit_fails_and_is_kept_to_be_looked_at(
        self, context: OperationContext, store: Store, query: Query, row: Row
    ) -> None:
        schema = {"type": "object", "required": ["region"]}
        await add_version(store, trigger=EVERY_FIVE_MINUTES, payload_schema=schema)
        await sync_schedule(context, "orders")
        due = datetime.now(UTC).replace(second=0, microsecond=0)
        assert await self.fire(context, due) == "failed"
        [fire] = await query("SELECT reason, run_id FROM workflow_schedule_fires")
        assert fire["reason"].startswith("PAYLOAD_REJECTED: ")
        assert await query("SELECT run_id, status FROM workflow_runs") == [
            {"run_id": fire["run_id"], "status": "FAILED"}
        ]
        found = await row()
        assert (found["last_run_status"], found["status"]) == ("error", "scheduled")
        assert found["last_error"] == fire["reason"]

        with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
            await set_schedule_payload(context, "orders", {"regions": ["north"]})
        await set_schedule_payload(context, "orders", {"region": "north"})
        assert await self.fire(context, due + timedelta(minutes=5)) == "started"
        [run] = await query("SELECT input_json FROM workflow_runs WHERE status = 'RUNNING'")
        assert run["input_json"] == {"region": "north"}
        await add_version(store, trigger=EVERY_MORNING, payload_schema=schema)
        await sync_schedule(context, "orders")
        assert (await row())["payload_json"] == {"region": "north"}

    async def test_a_one_time_schedule_that_fails_says_so(
        self, context: OperationContext, store: Store, row: Row
    ) -> None:
        run_at = soon(hours=1)
        await add_version(store, trigger=at(run_at), payload_schema={"type": "object", "required": ["region"]})
        await sync_schedule(context, "orders")
        assert await self.fire(context, run_at) == "failed"
        found = await row()
        assert (found["status"], found["enabled"]) == ("failed", False)
        assert found["last_error"].startswith("PAYLOAD_REJECTED")

    async def test_an_occurrence_of_an_older_version_is_judged_by_the_latest(
        self, context: OperationContext, due: datetime, store: Store, query: Query, schedule: ScheduleHandle
    ) -> None:
        await add_version(store, trigger=EVERY_FIVE_MINUTES)
        assert await self.fire(context, due) == "started"
        [run] = await query("SELECT workflow_version FROM workflow_runs")
        assert run["workflow_version"] == 2
        await add_version(store, trigger={"type": "recurring", "cron": "1 0 1 1 *", "timezone": "UTC"})
        assert await self.fire(context, due + timedelta(minutes=5)) == "skipped"
        await add_version(store)
        assert await self.fire(context, due + timedelta(minutes=10)) == "skipped"
        assert await described(schedule) is None
        fires = await query(
            "SELECT reason FROM workflow_schedule_fires WHERE status = 'skipped' ORDER BY scheduled_for"
        )
        assert [fire["reason"] for fire in fires] == [
            "Version 3 is started at another time.",
            "The latest version of orders is not started by time.",
        ]

    async def test_a_one_time_schedule_that_was_moved_does_not_run_at_its_old_time(
        self, context: OperationContext, store: Store, query: Query, row: Row
    ) -> None:
        old, new = soon(minutes=10), soon(hours=2)
        await add_version(store, trigger=at(old))
        await sync_schedule(context, "orders")
        await add_version(store, trigger=at(new))
        assert await self.fire(context, old) == "skipped"
        assert (await row())["status"] == "scheduled"
        assert await self.fire(context, new) == "started"
        assert (await row())["status"] == "completed"
        assert len(await query("SELECT 1 FROM workflow_runs")) == 1

    async def test_without_temporal_nothing_is_decided(
        self, context: OperationContext, due: datetime, store: Store, query: Query
    ) -> None:
        away = OperationContext(store, unreachable(), context.actor)
        with pytest.raises(Unavailable):
            await self.fire(away, due - timedelta(hours=1), due)
        await add_version(store, trigger=EVERY_MORNING)
        with pytest.raises(Unavailable, match="SCHEDULE_PENDING"):
            await self.fire(away, due)
        assert await query("SELECT 1 FROM workflow_schedule_fires") == []

    async def test_a_schedule_that_is_gone_is_no_failure(self, context: OperationContext) -> None:
        assert await self.fire(context, datetime.now(UTC)) == "gone"
