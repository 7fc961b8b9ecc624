"""A database with a long history of runs, shared by the tests that only read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.devstack.postgres import EmbeddedPostgres
from engine.ids import new_id
from engine.store.database.engine import create_store_engine

TENANT = "00000000-0000-0000-0000-000000000001"
OTHER_TENANT = "00000000-0000-0000-0000-000000000002"
RUNS = 60_000

# Ids begin with the millisecond of the start, as those of the engine do, and every tenth start is shared by two runs.
SEED = """
ALTER TABLE workflow_runs DROP CONSTRAINT workflow_runs_engine_is_temporal;
INSERT INTO workflow_definitions (tenant, workflow_id, name, payload_schema_ref, draft_definition)
    SELECT tenant, 'wf-' || n, CASE WHEN n < 3 THEN 'Billing ' ELSE 'Stock 100%_' END || n, 'payload.Any.v1', '{}'
    FROM generate_series(0, 19) AS n, unnest(ARRAY[:tenant, :other]::uuid[]) AS tenant;
CREATE TEMP TABLE seeds AS SELECT n, now() - interval '400 days' + (n - (n % 10 = 1)::int) * interval '9 minutes' AS started
    FROM generate_series(0, :runs - 1) AS n;
INSERT INTO workflow_runs (
    run_id, tenant, workflow_id, workflow_version, status, node_path, node_step_id, error_json, last_error_code,
    trigger_type, event_type, engine, parent_run_id, root_run_id, replay_of_run_id, waiting_on, waiting_since, attempt,
    step_count, launch_state, started_at, updated_at, completed_at, input_json)
SELECT
    (lpad(to_hex((extract(epoch FROM started) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
        || '8' || lpad(to_hex(n), 15, '0'))::uuid,
    CASE WHEN n % 10 = 9 THEN :other ELSE :tenant END::uuid,
    'wf-' || CASE WHEN n < 500 THEN 19 ELSE n % 19 END,
    1 + n % 5,
    status,
    CASE WHEN status NOT IN ('SUCCEEDED', 'CANCELED') THEN 'root.steps[0]' END,
    CASE WHEN status NOT IN ('SUCCEEDED', 'CANCELED') THEN 'first' END,
    CASE status WHEN 'FAILED' THEN jsonb_build_object('category', 'ActionError', 'code', code, 'message', 'because ' || n) END,
    CASE status WHEN 'FAILED' THEN code END,
    CASE n % 4 WHEN 0 THEN 'event' WHEN 1 THEN 'schedule' END,
    CASE n % 4 WHEN 0 THEN 'order.placed' END,
    CASE WHEN n < 2000 AND status NOT IN ('RUNNING', 'WAITING') THEN CASE n % 2 WHEN 0 THEN 'db' END ELSE 'temporal' END,
    CASE WHEN n % 20 = 3 THEN ('00000000-0000-7000-8000-0000000000' || CASE WHEN n % 7 = 0 THEN 'aa' ELSE 'ab' END)::uuid END,
    CASE WHEN n % 20 = 3 THEN '00000000-0000-7000-8000-0000000000bb'::uuid END,
    CASE WHEN n % 50 = 7 THEN '00000000-0000-7000-8000-0000000000cc'::uuid END,
    CASE status WHEN 'WAITING' THEN (ARRAY['event', 'time', 'human', 'quota', 'retry', 'child'])[1 + n / 25 % 6] END,
    CASE status WHEN 'WAITING' THEN started + interval '1 minute' END,
    CASE WHEN n % 30 = 5 THEN 2 + n % 4 ELSE 1 END,
    CASE WHEN status = 'RUNNING' AND n % 200 = 0 THEN 0 ELSE 3 END,
    CASE WHEN status = 'RUNNING' AND n % 400 = 0 THEN 'pending' WHEN status = 'FAILED' AND n % 70 = 2 THEN 'failed'
        ELSE 'started' END,
    started,
    started + (n * 7919 % 100000) * interval '1 second',
    CASE WHEN status NOT IN ('RUNNING', 'WAITING') THEN started + interval '5 minutes' END,
    '{}'
FROM (SELECT *, CASE
        WHEN n % 100 = 0 THEN 'RUNNING' WHEN n % 25 = 1 THEN 'WAITING' WHEN n % 10 = 2 THEN 'FAILED'
        WHEN n < 3000 AND n % 20 = 5 THEN 'CANCELED' ELSE 'SUCCEEDED' END AS status,
    CASE WHEN n < 1000 THEN 'OLD_CODE' ELSE 'CODE_' || n % 3 END AS code FROM seeds) AS s;
INSERT INTO workflow_run_waits (run_id, tenant, step_path, wait_type, key, event_name, timeout_at, status, visit, created_at)
    SELECT run_id, tenant, 'root.steps[0]', waiting_on, 'ORD-' || floor(extract(epoch FROM started_at))::bigint / 540 % 97,
        'carrier.picked_up',
        started_at + interval '1 day', 'WAITING', 1, waiting_since
    FROM workflow_runs WHERE status = 'WAITING';
ALTER TABLE workflow_runs ADD CONSTRAINT workflow_runs_engine_is_temporal
    CHECK (engine IS NOT NULL AND engine = 'temporal') NOT VALID;
"""


@pytest.fixture(scope="session")
def history_url(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """URL of a database with 60,000 runs of two tenants over 400 days. Nobody writes to it."""
    name = f"history_{new_id().replace('-', '')}"
    url = postgres.create_database(name, template=migrated_template)
    text = SEED.replace(":runs", str(RUNS)).replace(":tenant", f"'{TENANT}'").replace(":other", f"'{OTHER_TENANT}'")
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection:
        connection.execute(text)
        connection.execute("VACUUM ANALYZE")
    yield url
    postgres.drop_database(name)


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the history."""
    engine = create_store_engine(history_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[Any]:
    """An engine on an empty database of this test alone."""
    engine = create_store_engine(database_url)
    yield engine
    await engine.dispose()
