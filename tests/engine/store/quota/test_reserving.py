"""Leases of quota units, also to a run whose rows are further than the task that asks."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from engine.definition.step_ref import StepRef
from engine.ids import new_id
from engine.store.database.transactions import Store
from engine.store.quota.quota import Reservation, reserve
from engine.store.trace.projection import Progress
from tests.engine.store.conftest import TENANT

STEP = StepRef("root.steps[0]", "", 1, "s", "action.call")
COUNTED, LIMIT = 6, 8


@pytest.mark.parametrize(
    ("started", "leased", "used", "expected", "used_then"),
    [
        pytest.param(COUNTED, 1, 7, Reservation(True, 1), 7, id="as far as its rows, with a lease"),
        pytest.param(COUNTED, 0, 6, Reservation(True, 1), 7, id="as far as its rows, with none"),
        pytest.param(COUNTED + 1, 1, 7, Reservation(True, 1), 8, id="further than its rows"),
        pytest.param(2, 1, 7, Reservation(True, 5), 7, id="a repeat, with a lease"),
        pytest.param(0, 0, 8, Reservation(True, 6), 8, id="a repeat, when nothing is left"),
        pytest.param(COUNTED, 0, 8, Reservation(False, None), 8, id="nothing is left"),
    ],
)
async def test_what_is_counted_is_paid(
    engine: Store, started: int, leased: int, used: int, expected: Reservation, used_then: int
) -> None:
    run_id = new_id()
    given = {"run": run_id, "tenant": TENANT, "counted": COUNTED, "leased": leased, "used": used, "limit": LIMIT}
    async with engine.begin() as connection:
        for statement in (
            "INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, engine, input_json,"
            " step_count, quota_leased) VALUES (CAST(:run AS uuid), CAST(:tenant AS uuid), 'wf', 1, 'RUNNING', 'temporal',"
            " '{}', :counted, :leased)",
            "INSERT INTO workflow_settings (tenant, quota_limit) VALUES (CAST(:tenant AS uuid), :limit)",
            "INSERT INTO workflow_step_usage_periods (tenant, period_start, period_end, used_count) VALUES"
            " (CAST(:tenant AS uuid), date_trunc('month', now(), 'UTC'),"
            " date_trunc('month', now(), 'UTC') + interval '1 month', :used)",
        ):
            await connection.execute(text(statement), given)
    assert await reserve(engine, Progress(run_id, (), 0, started), STEP, "2026-01-02T03:04:05Z") == expected
    async with engine.connect() as connection:
        [now_used] = (await connection.execute(text("SELECT used_count FROM workflow_step_usage_periods"))).scalars()
    assert now_used == used_then
