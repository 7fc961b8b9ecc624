"""A schedule that nobody could tell to Temporal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.client import ScheduleHandle

from engine.errors import EngineError, Unavailable
from engine.operations.context import OperationContext
from engine.operations.schedules.schedules import sync_schedules
from engine.store.database.engine import LOCKED
from engine.store.database.transactions import Connection, Store
from engine.store.schedules import schedules as stored
from engine.store.schedules.schedules import Wanted
from tests.engine.operations.conftest import Query, add_version
from tests.engine.operations.schedules.conftest import EVERY_MORNING, described


async def test_f15_f16_one_that_nobody_could_tell_leaves_the_others_alone(
    context: OperationContext, store: Store, schedule: ScheduleHandle, query: Query
) -> None:
    await add_version(store, "a-far-one", trigger={"type": "schedule", "runAt": "9999-12-31T23:59:59.999Z"})
    await add_version(store, "b-no-time", trigger={"type": "schedule", "runAt": "someday"})
    await add_version(store, trigger=EVERY_MORNING)
    with pytest.raises(EngineError, match=r"SCHEDULES_BROKEN.* b-no-time first"):
        await sync_schedules(context)
    assert await described(schedule) is not None
    rows = await query("SELECT workflow_id, status, last_error FROM workflow_schedules ORDER BY workflow_id")
    assert [(row["workflow_id"], row["status"]) for row in rows] == [
        ("a-far-one", "failed"),
        ("orders", "scheduled"),
    ]
    assert rows[0]["last_error"].startswith("The schedule is none that Temporal has: ")


async def test_one_whose_row_somebody_holds_leaves_the_others_alone(
    context: OperationContext, store: Store, schedule: ScheduleHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_version(store, "a-held-one", trigger=EVERY_MORNING)
    await add_version(store, trigger=EVERY_MORNING)

    async def unless_held(connection: Connection, tenant: str, workflow_id: str, wanted: Wanted) -> None:
        if workflow_id == "a-held-one":
            raise Unavailable(LOCKED, "Another transaction is in the way of this one.", "Look for long transactions.")
        await want_schedule(connection, tenant, workflow_id, wanted)

    want_schedule = stored.want_schedule
    monkeypatch.setattr(stored, "want_schedule", unless_held)
    await sync_schedules(context)
    assert await described(schedule) is not None


async def test_a_time_that_was_published_in_another_spelling_is_still_understood(
    context: OperationContext, store: Store, schedule: ScheduleHandle, query: Query
) -> None:
    await add_version(store, trigger={"type": "schedule", "runAt": "2099-W05-6 09:30"})
    await sync_schedules(context)
    assert await described(schedule) is not None
    [row] = await query("SELECT status, run_at FROM workflow_schedules")
    assert (row["status"], row["run_at"]) == ("scheduled", datetime(2099, 1, 31, 9, 30, tzinfo=UTC))
