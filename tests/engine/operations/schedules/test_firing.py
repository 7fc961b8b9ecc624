"""A schedule fired by hand starts one run and leaves its own occurrences alone; and the times that are to come."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from engine.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from engine.operations.catalog.publish import limit_concurrency, pause_workflow
from engine.operations.context import OperationContext
from engine.operations.schedules.firing import coming_times, fire_now
from engine.operations.schedules.schedules import set_schedule_payload, sync_schedule
from engine.records import Level
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import Store
from tests.engine.operations.conftest import AsUser, Execute, Query, add_version
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.schedules.conftest import (
    CLOCK,
    EVERY_FIVE_MINUTES,
    EVERY_MORNING,
    SCHEDULE_ID,
    at,
    soon,
)


class TestFiringByHand:
    async def test_it_starts_a_run_with_the_schedules_payload_and_says_who_and_why(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        await set_schedule_payload(context, "orders", {"region": "north"})
        [before] = await query("SELECT next_fire_at, status FROM workflow_schedules")
        started = await fire_now(context, "orders", "  the morning run was lost ")
        assert (started.created, started.version, started.pending) == (True, 1, False)
        [run] = await query("SELECT * FROM workflow_runs")
        assert (run["run_id"], run["trigger_type"], run["input_json"]) == (
            started.run_id,
            "recurring",
            {"region": "north"},
        )
        assert run["trigger_metadata_json"]["scheduleId"] == SCHEDULE_ID
        [fire] = await query("SELECT * FROM workflow_schedule_fires")
        assert (fire["status"], fire["run_id"], fire["reason"]) == (
            "started",
            started.run_id,
            "Fired by tester: the morning run was lost",
        )
        [audit] = await query("SELECT * FROM workflow_audit_log WHERE operation = 'workflow_schedule_fire'")
        assert (audit["actor"], audit["reason"]) == ("tester", "the morning run was lost")
        assert audit["details_json"]["scheduleId"] == SCHEDULE_ID
        [after] = await query("SELECT next_fire_at, status, last_run_status FROM workflow_schedules")
        assert after == {**before, "last_run_status": "success"}

    async def test_the_same_key_starts_one_run(self, context: OperationContext, store: Store, query: Query) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        keyed = [fire_now(context, SCHEDULE_ID, "by hand", idempotency_key="k-1") for _ in range(4)]
        answers = await asyncio.gather(*keyed)
        assert len({answer.run_id for answer in answers}) == 1
        assert [answer.created for answer in answers].count(True) == 1
        other = await fire_now(context, SCHEDULE_ID, "by hand")
        assert other.created
        assert len(await query("SELECT 1 FROM workflow_schedule_fires")) == 2

    async def test_a_crash_between_the_run_and_its_record_is_made_good_by_repeating(
        self, context: OperationContext, store: Store, query: Query, execute: Execute
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        first = await fire_now(context, "orders", "by hand", idempotency_key="k-1")
        await execute("DELETE FROM workflow_schedule_fires")
        again = await fire_now(context, "orders", "by hand", idempotency_key="k-1")
        assert (again.run_id, again.created) == (first.run_id, False)
        assert await query("SELECT run_id FROM workflow_schedule_fires") == [{"run_id": first.run_id}]

    async def test_a_run_that_was_started_is_named_when_it_cannot_be_recorded(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        async with store.begin() as theirs:
            await theirs.execute(text("SELECT 1 FROM workflow_schedules FOR UPDATE"))
            with pytest.raises(Unavailable) as told:
                await fire_now(context, "orders", "by hand", idempotency_key="k-1")
        [run] = await query("SELECT run_id FROM workflow_runs")
        assert told.value.code == LOCKED
        assert told.value.message.startswith(f"Run {run['run_id']} was started, ")
        assert told.value.details["runId"] == run["run_id"]
        again = await fire_now(context, "orders", "by hand", idempotency_key="k-1")
        assert (again.run_id, again.created) == (run["run_id"], False)

    async def test_a_one_time_schedule_still_comes_at_its_time(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store, trigger=at(soon(hours=2)), payloadSchemaRef=CLOCK)
        await sync_schedule(context, "orders")
        await fire_now(context, "orders", "by hand")
        [found] = await query("SELECT status, enabled FROM workflow_schedules")
        assert found == {"status": "scheduled", "enabled": True}
        [run] = await query("SELECT input_json FROM workflow_runs")
        assert run["input_json"]["scheduledFor"] == run["input_json"]["firedAt"]

    async def test_the_latest_version_is_fired_and_none_that_is_not_timed(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        await add_version(store, trigger=EVERY_FIVE_MINUTES)
        assert (await fire_now(context, "orders", "by hand")).version == 2
        await add_version(store)
        with pytest.raises(Conflict, match="NOT_SCHEDULED"):
            await fire_now(context, "orders", "by hand")
        assert len(await query("SELECT 1 FROM workflow_runs")) == 1

    async def test_what_is_refused_leaves_nothing(
        self, context: OperationContext, store: Store, query: Query, as_user: AsUser
    ) -> None:
        schema = {"type": "object", "required": ["region"]}
        with pytest.raises(NotFound, match="SCHEDULE_NOT_FOUND"):
            await fire_now(context, "orders", "by hand")
        await add_version(store, trigger=EVERY_MORNING, payload_schema=schema)
        await sync_schedule(context, "orders")
        for reason, code in (("", "REASON_TOO_SHORT"), (" no ", "REASON_TOO_SHORT"), ("x" * 5000, "REASON_TOO_LONG")):
            with pytest.raises(Invalid, match=code):
                await fire_now(context, "orders", reason)
        with pytest.raises(Invalid, match="PAYLOAD_REJECTED"):
            await fire_now(context, "orders", "by hand")
        for key in ("", "k\0", "k\ud800", "k" * 1001):
            with pytest.raises(Invalid, match="KEY_INVALID"):
                await fire_now(context, "orders", "by hand", idempotency_key=key)
        await pause_workflow(context, "orders", paused=True)
        with pytest.raises(Conflict, match="WORKFLOW_PAUSED"):
            await fire_now(context, "orders", "by hand")
        async with as_user(Level.OPERATE) as operator:
            with pytest.raises(Forbidden):
                await fire_now(operator, "orders", "by hand")
        assert await query("SELECT 1 FROM workflow_runs") == []
        assert await query("SELECT 1 FROM workflow_schedule_fires") == []

    async def test_without_temporal_the_run_is_accepted(
        self, context: OperationContext, store: Store, query: Query
    ) -> None:
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(context, "orders")
        started = await fire_now(OperationContext(store, unreachable(), context.actor), "orders", "by hand")
        assert started.pending
        assert await query("SELECT run_id FROM workflow_schedule_fires") == [{"run_id": started.run_id}]


class TestTimesToCome:
    async def test_they_are_temporals(self, context: OperationContext, store: Store) -> None:
        await add_version(store, trigger=EVERY_FIVE_MINUTES)
        await sync_schedule(context, "orders")
        times = await coming_times(context, "orders", 5)
        assert [later - earlier for earlier, later in pairwise(times)] == [timedelta(minutes=5)] * 4
        assert (times[0].minute % 5, times[0].second, times[0].tzinfo) == (0, 0, UTC)
        assert len(await coming_times(context, SCHEDULE_ID, 10)) == 10
        await pause_workflow(context, "orders", paused=True)
        assert len(await coming_times(context, "orders", 5)) == 5, "what comes due is queued"
        await limit_concurrency(context, "orders", 0, when_busy="skip")
        assert await coming_times(context, "orders", 5) == ()

    @pytest.mark.parametrize("month", [3, 10])
    async def test_a_time_that_is_skipped_has_none_and_one_that_comes_twice_its_second(
        self, context: OperationContext, store: Store, month: int
    ) -> None:
        """As docs/cli.md says. In Berlin the clocks change on the last Sunday of March and of October."""
        trigger = {"type": "recurring", "cron": f"30 2 25-31 {month} *", "timezone": "Europe/Berlin"}
        await add_version(store, trigger=trigger)
        await sync_schedule(context, "orders")
        times = [at.astimezone(ZoneInfo("Europe/Berlin")) for at in await coming_times(context, "orders", 10)]
        assert {(at.hour, at.minute) for at in times} == {(2, 30)}
        since = [times[0].date() + timedelta(days=days) for days in range((times[-1] - times[0]).days + 2)]
        wanted = [day for day in since if day.month == month and day.day >= 25 and day <= times[-1].date()]
        assert [at.date() for at in times] == [day for day in wanted if month == 10 or day.weekday() != 6]
        # Half past two of winter is half past one UTC; the one of summer was an hour before.
        assert {at.astimezone(UTC).hour for at in times if at.weekday() == 6} == ({1} if month == 10 else set())

    @pytest.mark.parametrize(
        ("written", "days"), [("1-7", 7), ("1-7/1", 7), ("1-7/2", 4), ("5-7", 3), ("7", 1), ("0,6", 2)]
    )
    async def test_sunday_is_the_seventh_day_too(
        self, context: OperationContext, store: Store, written: str, days: int
    ) -> None:
        """Temporal itself reads 1-7 as a week without a Sunday."""
        trigger = {"type": "recurring", "cron": f"0 9 * * {written}", "timezone": "UTC"}
        await add_version(store, trigger=trigger)
        await sync_schedule(context, "orders")
        weekdays = {moment.isoweekday() for moment in await coming_times(context, "orders", 7)}
        assert (len(weekdays), 7 in weekdays) == (days, True)

    async def test_of_a_one_time_schedule_there_is_one(self, context: OperationContext, store: Store) -> None:
        run_at = soon(hours=2).replace(microsecond=0)
        await add_version(store, trigger=at(run_at))
        await sync_schedule(context, "orders")
        assert await coming_times(context, "orders", 5) == (run_at,)

    async def test_what_cannot_be_told_is_said(self, context: OperationContext, store: Store, execute: Execute) -> None:
        with pytest.raises(NotFound, match="SCHEDULE_NOT_FOUND"):
            await coming_times(context, "orders", 5)
        away = OperationContext(store, unreachable(), context.actor)
        await add_version(store, trigger=EVERY_MORNING)
        await sync_schedule(away, "orders")
        with pytest.raises(Unavailable, match="SCHEDULE_PENDING"):
            await coming_times(context, "orders", 5)
        await sync_schedule(context, "orders")
        with pytest.raises(Unavailable, match="TEMPORAL"):
            await coming_times(away, "orders", 5)
        for count in (0, 11):
            with pytest.raises(Invalid, match="LIMIT_INVALID"):
                await coming_times(context, "orders", count)
