"""Schedules and their occurrences as they are read: paged, redacted, along an index, one tenant's only."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, NotFound
from engine.store.database.engine import create_store_engine
from engine.store.schedules.reading import fires_page, schedule_detail, schedules_page, troubled_schedules
from engine.store.schedules.schedules import MISSED, schedule_id_of
from engine.store.tables import workflow_schedule_fires, workflow_schedules
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import OTHER_TENANT, TENANT
from tests.engine.store.rows import at, insert, insert_run
from tests.engine.store.wire import statements_sent

SCHEDULES, FIRES = 300, 3000
BUSY = schedule_id_of(TENANT, "wf-007")
SEED = """
INSERT INTO workflow_definitions (tenant, workflow_id, name, payload_schema_ref, draft_definition)
    SELECT tenant::uuid, 'wf-' || lpad(n::text, 3, '0'), 'x', 'payload.Any.v1', '{}'
    FROM generate_series(1, %(schedules)s) AS n, unnest(%(tenants)s::text[]) AS tenant;
INSERT INTO workflow_schedules (schedule_id, tenant, workflow_id, workflow_version, name, trigger_type, cron, payload_json,
        status, temporal_schedule_id, next_fire_at, last_run_status, last_error)
    SELECT id::uuid, tenant::uuid, workflow, 1, 'x', 'recurring', '0 9 * * *', '{"token": "canary-1", "n": 1}',
        CASE WHEN workflow = 'wf-002' THEN 'disabled' ELSE 'scheduled' END, CASE WHEN workflow <> 'wf-003' THEN 'told' END,
        now() + CASE WHEN workflow = 'wf-004' THEN interval '-61 seconds' ELSE interval '1 hour' END,
        CASE workflow WHEN 'wf-005' THEN 'error' END, CASE workflow WHEN 'wf-005' THEN 'PAYLOAD_REJECTED: canary' END
    FROM unnest(%(ids)s::text[], %(of)s::text[], %(workflows)s::text[]) AS t (id, tenant, workflow);
INSERT INTO workflow_schedule_fires (schedule_id, tenant, fire_key, scheduled_for, fired_at, status, reason)
    SELECT CASE WHEN n %% 30 = 0 THEN %(busy)s ELSE %(other)s END::uuid, %(tenant)s::uuid, 'k' || n, now(),
        now() - n / 60 * interval '1 minute', CASE WHEN n %% 60 = 0 THEN 'skipped' ELSE 'failed' END,
        CASE WHEN n %% 120 = 0 THEN %(missed)s ELSE 'FULL: canary' END
    FROM generate_series(1, %(fires)s) AS n;
ANALYZE workflow_schedules, workflow_schedule_fires
"""


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Two tenants with schedules, one of which has fired often."""
    workflows = [f"wf-{number:03d}" for number in range(1, SCHEDULES + 1)] * 2
    tenants = [TENANT] * SCHEDULES + [OTHER_TENANT] * SCHEDULES
    ids = [schedule_id_of(tenant, workflow) for tenant, workflow in zip(tenants, workflows, strict=True)]
    values = {
        "schedules": SCHEDULES, "tenants": [TENANT, OTHER_TENANT], "ids": ids, "of": tenants, "workflows": workflows,
        "busy": BUSY, "other": ids[0], "tenant": TENANT, "missed": MISSED, "fires": FIRES,
    }  # fmt: skip
    with psycopg.connect(
        database_url.replace("+psycopg", ""), autocommit=True, cursor_factory=psycopg.ClientCursor
    ) as c:
        c.execute(SEED, values)
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()


async def test_schedules_are_paged(store: AsyncEngine) -> None:
    first = await schedules_page(store, TENANT, limit=120)
    second = await schedules_page(store, TENANT, limit=120, cursor=first.next)
    third = await schedules_page(store, TENANT, limit=120, cursor=second.next)
    found = [row.workflow_id for page in (first, second, third) for row in page.rows]
    assert found == [f"wf-{number:03d}" for number in range(1, SCHEDULES + 1)]
    assert third.next is None
    with pytest.raises(Invalid, match="CURSOR_INVALID"):
        await schedules_page(store, OTHER_TENANT, cursor=first.next)


async def test_what_stands_in_a_row(store: AsyncEngine) -> None:
    rows = {row.workflow_id: row for row in (await schedules_page(store, TENANT)).rows}
    assert (rows["wf-001"].pending, rows["wf-001"].overdue, rows["wf-001"].last_outcome) == (False, False, None)
    assert (rows["wf-002"].status, rows["wf-002"].next_fire_at) == ("disabled", None)
    assert (rows["wf-003"].pending, rows["wf-004"].overdue) == (True, True)
    assert (rows["wf-005"].last_outcome, rows["wf-005"].last_error) == ("failed", "PAYLOAD_REJECTED: canary")


async def test_what_was_hidden_in_the_run_of_an_occurrence_is_hidden_in_what_is_told_of_it(store: AsyncEngine) -> None:
    secret, told = "Kanarie-4711-geheim", "PAYLOAD_REJECTED: no KANARIE 4711"
    run_id = await insert_run(store, input_json={"password": secret}, status="FAILED")
    fire = {"schedule_id": BUSY, "fire_key": "last", "scheduled_for": at(0), "fired_at": at(10**9)}
    await insert(store, workflow_schedule_fires, {**fire, "status": "failed", "reason": told, "run_id": run_id})
    async with store.begin() as connection:
        of_busy = update(workflow_schedules).where(workflow_schedules.c.schedule_id == BUSY)
        values = {"last_fire_key": "last", "last_error": told, "last_run_status": "error"}
        await connection.execute(of_busy.values(**values))
    shown = (
        next(row for row in (await schedules_page(store, TENANT)).rows if row.schedule_id == BUSY).last_error,
        (await schedule_detail(store, TENANT, BUSY)).row.last_error,
        next(row for row in await troubled_schedules(store, TENANT, 500) if row.schedule_id == BUSY).last_error,
        (await fires_page(store, TENANT, BUSY)).rows[0].reason,
    )
    assert set(shown) == {PLACEHOLDER}


async def test_everything_is_hidden_when_the_policy_cannot_be_read(store: AsyncEngine, database_url: str) -> None:
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("INSERT INTO workflow_settings (tenant, redaction_pointers) VALUES (%s, '[1]')", (TENANT,))
    told = (
        await schedules_page(store, TENANT),
        await schedule_detail(store, TENANT, "wf-005"),
        await fires_page(store, TENANT, BUSY),
    )
    assert "canary" not in repr(told)


async def test_a_schedule_is_found_by_its_id_or_its_workflow(store: AsyncEngine) -> None:
    by_workflow = await schedule_detail(store, TENANT, "wf-007")
    assert by_workflow == (await schedule_detail(store, TENANT, BUSY))
    assert by_workflow.payload.value == {"token": PLACEHOLDER, "n": 1}
    for named in ("wf-999", schedule_id_of(OTHER_TENANT, "wf-007"), "\0", "\ud800", ""):
        with pytest.raises(NotFound, match="SCHEDULE_NOT_FOUND"):
            await schedule_detail(store, TENANT, named)
    with pytest.raises(NotFound, match="SCHEDULE_NOT_FOUND"):
        await fires_page(store, OTHER_TENANT, BUSY)


async def test_fires_are_paged(store: AsyncEngine) -> None:
    first = await fires_page(store, TENANT, BUSY, limit=60)
    second = await fires_page(store, TENANT, BUSY, limit=60, cursor=first.next)
    found = [row for page in (first, second) for row in page.rows]
    assert len(found) == FIRES // 30
    assert [row.fired_at for row in found] == sorted((row.fired_at for row in found), reverse=True)
    assert {row.outcome: row.reason == MISSED for row in found} == {"failed": False, "skipped": False, "missed": True}
    assert second.next is None
    with pytest.raises(Invalid, match="LIMIT_INVALID"):
        await fires_page(store, TENANT, BUSY, limit=501)


@pytest.mark.parametrize(
    ("table", "index"),
    [
        ("workflow_schedules", "workflow_schedules_tenant_workflow"),
        ("workflow_schedule_fires", "workflow_schedule_fires_schedule_fired"),
    ],
)
async def test_a_page_is_an_index_range(
    store: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch, table: str, index: str
) -> None:
    every = statements_sent(monkeypatch, table)
    if table == "workflow_schedules":
        await schedules_page(store, TENANT, limit=5, cursor=(await schedules_page(store, TENANT, limit=5)).next)
    else:
        await fires_page(store, TENANT, BUSY, limit=5, cursor=(await fires_page(store, TENANT, BUSY, limit=5)).next)
    # What the page's runs hide is asked with the page in it.
    sent = [asked for asked in every if "ORDER BY" in asked[0] and "shown AS MATERIALIZED" not in asked[0]]
    assert len(sent) == 2
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        for statement, parameters in sent:
            rows = connection.execute("EXPLAIN (ANALYZE, TIMING OFF) " + statement, parameters).fetchall()
            plan = "\n".join(str(row[0]) for row in rows)
            assert f"using {index}" in plan, plan
            assert f"Seq Scan on {table}" not in plan
