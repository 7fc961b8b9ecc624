"""Schedules that somebody deletes, pauses or changes with Temporal's own tools: they become what the published version wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from engine.errors import Unavailable
from engine.operations.context import OperationContext
from engine.operations.schedules import schedules
from engine.operations.schedules.firing import coming_times
from engine.operations.schedules.schedules import (
    CHANGED,
    Compared,
    find_changed_schedules,
    sync_schedule,
    sync_schedules,
)
from engine.store.database.transactions import Store
from engine.store.schedules.schedules import schedules_after
from tests.engine.operations.conftest import Execute, Query, add_version, until
from tests.engine.operations.crashing import unreachable
from tests.engine.operations.schedules.conftest import EVERY_FIVE_MINUTES, EVERY_MORNING, Row, at, described, soon
from tests.engine.store.wire import statements_sent
from tests.engine.workflow.harness import Bench

Change = Callable[[ScheduleHandle], Awaitable[None]]


def edit(change: Callable[[Schedule], Schedule]) -> Change:
    async def make(schedule: ScheduleHandle) -> None:
        def changed(found: ScheduleUpdateInput) -> ScheduleUpdate:
            return ScheduleUpdate(change(found.description.schedule))

        await schedule.update(changed)

    return make


async def pause(schedule: ScheduleHandle) -> None:
    await schedule.pause()


async def delete(schedule: ScheduleHandle) -> None:
    await schedule.delete()


CHANGES: dict[str, Change] = {
    "deleted": delete,
    "paused": pause,
    "other times": edit(lambda found: replace(found, spec=ScheduleSpec(cron_expressions=["* * * * *"]))),
    "more times": edit(
        lambda found: replace(
            found, spec=replace(found.spec, intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
        )
    ),
    "another zone": edit(lambda found: replace(found, spec=replace(found.spec, time_zone_name="Asia/Tokyo"))),
    "no actions left": edit(
        lambda found: replace(found, state=replace(found.state, limited_actions=True, remaining_actions=0))
    ),
    "another workflow": edit(lambda found: replace(found, action=replace(found.action, workflow="Theirs"))),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_somebody_changed_in_temporal_is_put_right(
    context: OperationContext, store: Store, schedule: ScheduleHandle, query: Query, change: str
) -> None:
    await add_version(store, trigger=EVERY_MORNING)
    await sync_schedule(context, "orders")
    wanted = await described(schedule)
    assert wanted is not None
    await CHANGES[change](schedule)
    assert await find_changed_schedules(context, None) == Compared(1)
    assert await sync_schedules(context) == 1
    found = await described(schedule)
    assert found is not None
    assert (found.schedule.spec, found.schedule.state) == (wanted.schedule.spec, wanted.schedule.state)
    assert await find_changed_schedules(context, None) == Compared()
    reasons = await query("SELECT reason FROM workflow_audit_log WHERE reason IS NOT NULL")
    assert reasons == [{"reason": CHANGED}]


@pytest.mark.parametrize(
    "trigger",
    [
        EVERY_FIVE_MINUTES,
        at(soon(hours=3)),
        *(
            {"type": "recurring", "cron": cron, "timezone": zone}
            for cron, zone in (
                ("5/15 1,2,5-7 * 1-6/2 *", "Europe/Berlin"),
                ("0 0 * * 0,7", "UTC"),
                ("0 0 * * 5-7", "Etc/UTC"),
                ("0 0 * * 1-7", "UTC"),
                ("0 3 29 2 *", "America/New_York"),
                ("0,5 */3 1-31 * *", "Asia/Kolkata"),
                # From before such were refused.
                ("0 9 1 * 1", "UTC"),
                ("* * * * *", "UTC"),
            )
        ),
    ],
    # No times: every process that runs tests has to give one the same name.
    ids=lambda trigger: trigger.get("cron", "once"),
)
async def test_what_nobody_changed_is_left_alone(
    context: OperationContext, store: Store, query: Query, trigger: Any, execute: Execute
) -> None:
    await add_version(store, trigger=trigger)
    assert (await sync_schedule(context, "orders")).state == "scheduled"
    assert await find_changed_schedules(context, None) == Compared()
    await execute("UPDATE workflow_definitions SET is_paused = true, when_busy = 'skip'")
    assert (await sync_schedule(context, "orders")).state == "paused"
    assert await find_changed_schedules(context, None) == Compared()


async def test_one_that_was_deleted_is_said_until_a_worker_tells_it_again(
    context: OperationContext, store: Store, schedule: ScheduleHandle
) -> None:
    await add_version(store, trigger=EVERY_MORNING)
    await sync_schedule(context, "orders")
    await schedule.delete()
    with pytest.raises(Unavailable, match="somebody has deleted it there"):
        await coming_times(context, "orders", 1)


async def test_the_one_time_of_a_schedule_that_was_deleted_is_made_up_for(
    context: OperationContext, store: Store, temporal: Client, schedule: ScheduleHandle, query: Query, execute: Execute
) -> None:
    await add_version(store, trigger=at(soon(hours=1)))
    await sync_schedule(context, "orders")
    await schedule.delete()
    passed = soon(minutes=-1)
    await execute("UPDATE workflow_schedules SET run_at = :passed", passed=passed)
    assert (await find_changed_schedules(context, None)).changed == 1
    async with Bench(store, temporal).worker():
        assert await sync_schedules(context) == 1

        async def started() -> bool:
            return len(await query("SELECT 1 FROM workflow_runs")) == 1

        await until(started)


async def test_all_are_looked_at_a_page_at_a_time(
    context: OperationContext, store: Store, temporal: Client, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    monkeypatch.setattr(schedules, "WORKFLOWS_PER_PASS", 1)
    for workflow_id in ("orders", "other"):
        await add_version(store, workflow_id, trigger=EVERY_MORNING)
        await sync_schedule(context, workflow_id)
    told = await query("SELECT temporal_schedule_id AS id FROM workflow_schedules ORDER BY schedule_id")
    try:
        await temporal.get_schedule_handle(told[1]["id"]).delete()
        first = await find_changed_schedules(context, None)
        assert first.changed == 0
        second = await find_changed_schedules(context, first.next)
        assert second.changed == 1
        assert await find_changed_schedules(context, second.next) == Compared()
    finally:
        await temporal.get_schedule_handle(told[0]["id"]).delete()


async def test_a_temporal_that_is_away_has_changed_nothing(
    context: OperationContext, store: Store, schedule: ScheduleHandle, row: Row
) -> None:
    await add_version(store, trigger=EVERY_MORNING)
    await sync_schedule(context, "orders")
    before = await row()
    with pytest.raises(Unavailable):
        await find_changed_schedules(OperationContext(store, unreachable(), context.actor), None)
    assert await row() == before


async def test_a_page_is_an_index_range(
    store: Store, execute: Execute, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_version(store)
    await execute(
        "INSERT INTO workflow_schedules (schedule_id, workflow_id, tenant, workflow_version, name, trigger_type, cron,"
        " temporal_schedule_id) SELECT gen_random_uuid(), workflow_id, tenant, 1, 'n', 'recurring', '0 * * * *', 't'"
        " FROM workflow_definitions, generate_series(1, 10000)"
    )
    sent = statements_sent(monkeypatch, "workflow_schedules")
    async with store.connect() as connection:
        [*_, last] = await schedules_after(connection, None, 200)
        await schedules_after(connection, last.schedule_id, 200)
    assert len(sent) == 2
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection_of_its_own:
        for statement, parameters in sent:
            rows = connection_of_its_own.execute("EXPLAIN " + statement, parameters).fetchall()
            assert "Index Scan using workflow_schedules_pkey" in str(rows), rows
