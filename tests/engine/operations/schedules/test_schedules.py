"""Schedules: Temporal has what the published version wants."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleHandle,
    ScheduleOverlapPolicy,
)

from engine.actions.registry import load_actions
from engine.contract import TASK_TIMEOUT
from engine.errors import Forbidden
from engine.operations.catalog.publish import PublishRequest, limit_concurrency, pause_workflow, publish_definition
from engine.operations.context import OperationContext
from engine.operations.schedules import schedules
from engine.operations.schedules.schedules import sync_schedule, sync_schedules
from engine.records import Level
from engine.settings import Settings
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version, definition, until
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.schedules.conftest import (
    CLOCK,
    EVERY_FIVE_MINUTES,
    EVERY_MORNING,
    SCHEDULE_ID,
    Row,
    at,
    described,
    soon,
)
from tests.engine.workflow.harness import Bench


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

    async def test_the_last_occurrence_that_temporal_missed_is_made_up_for_however_long_it_was_away(
        self, context: OperationContext, store: Store, schedule: ScheduleHandle
    ) -> None:
        """On a Sunday the one of Friday is the last; on the 30th that of the first of the month."""
        for cron, days in (("30 7 * * 1-5", 3), ("0 3 1 * *", 31)):
            await add_version(store, trigger={"type": "recurring", "cron": cron, "timezone": "UTC"})
            await sync_schedule(context, "orders")
            told = await described(schedule)
            assert told is not None
            assert told.schedule.policy.catchup_window == timedelta(days=days + 1)

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
