"""A database as it was before the cutover, full of history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

REPOSITORY = Path(__file__).parents[3]
RUNS_OF_EACH_KIND = 700
"""Five statuses times three engines times this: 10,500 runs."""

# `mod(n, 700)` numbers the runs within one combination; n itself names the run, so every table can be seeded by itself.
SEED = """
-- Autovacuum's locks would make a migration wait where no test meant it to.
ALTER TABLE workflow_runs SET (autovacuum_enabled = off);
ALTER TABLE workflow_run_steps SET (autovacuum_enabled = off);
ALTER TABLE workflow_run_waits SET (autovacuum_enabled = off);
ALTER TABLE workflow_action_invocations SET (autovacuum_enabled = off);
ALTER TABLE workflow_human_tasks SET (autovacuum_enabled = off);
ALTER TABLE workflow_run_snapshots SET (autovacuum_enabled = off);
INSERT INTO workflow_definitions (workflow_id, name, payload_schema_ref, draft_definition)
    VALUES ('order-fulfilment', 'Order fulfilment', 'payload.Any.v1', '{}');
INSERT INTO workflow_definition_versions (workflow_id, version, definition_json)
    VALUES ('order-fulfilment', 1, '{"id": "order-fulfilment", "trigger": {"type": "event", "eventName": "order.placed"}}');
CREATE TEMP TABLE kinds AS
    SELECT row_number() OVER () - 1 AS kind, status, engine
    FROM unnest(ARRAY['RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'CANCELED']) AS status
    CROSS JOIN unnest(ARRAY['db', NULL, 'temporal']) AS engine;
CREATE TEMP TABLE seeds AS
    SELECT kind * 1000000 + i AS n, status, engine, lpad(to_hex(kind * 1000000 + i), 8, '0') AS hex
    FROM kinds CROSS JOIN generate_series(1, :each) AS i;
INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, node_path, input_json, engine, error_json,
                           started_at, updated_at, completed_at, trigger_fire_key)
    SELECT (hex || '-0000-7000-8000-000000000001')::uuid, 'order-fulfilment', 1, status, 'root.steps[1]',
           jsonb_build_object('order', n, 'password', 'canary'), engine,
           CASE WHEN status = 'FAILED' THEN '{"message": "boom"}'::jsonb END,
           timestamptz '2025-01-01' + n * interval '1 ms', timestamptz '2025-01-02' + n * interval '1 ms',
           CASE WHEN status IN ('SUCCEEDED', 'FAILED', 'CANCELED') THEN timestamptz '2025-01-02' + n * interval '1 ms' END,
           CASE WHEN n % 7 = 0 THEN 'fire:' || n END
    FROM seeds;
INSERT INTO workflow_run_steps (step_id, run_id, step_path, definition_step_id, status, attempt, started_at)
    SELECT (hex || '-0000-7000-8000-00000000010' || s)::uuid, (hex || '-0000-7000-8000-000000000001')::uuid,
           'root.steps[' || s / 2 || ']', 'step-' || s, (ARRAY['SUCCEEDED', 'STARTED', 'RETRY_SCHEDULED'])[s + 1], 1,
           timestamptz '2025-01-01' + n * interval '1 ms'
    FROM seeds CROSS JOIN generate_series(0, 2) AS s;
INSERT INTO workflow_run_waits (wait_id, run_id, step_path, wait_type, key, event_name, status, payload, created_at)
    SELECT (hex || '-0000-7000-8000-00000000020' || w)::uuid, (hex || '-0000-7000-8000-000000000001')::uuid,
           'root.steps[1]', 'event', 'ORD-' || n, 'carrier.picked_up', (ARRAY['WAITING', 'RESOLVED'])[w + 1],
           '{"filters": []}', timestamptz '2025-01-01' + n * interval '1 ms'
    FROM seeds CROSS JOIN generate_series(0, 1) AS w;
INSERT INTO workflow_action_invocations (invocation_id, run_id, step_path, action_id, action_version, idempotency_key, status)
    SELECT (hex || '-0000-7000-8000-000000000301')::uuid, (hex || '-0000-7000-8000-000000000001')::uuid,
           'root.steps[0]', 'crm.note', 1, 'key-' || n, 'STARTED'
    FROM seeds;
INSERT INTO workflow_human_tasks (task_id, run_id, task_type, title, status)
    SELECT (hex || '-0000-7000-8000-00000000040' || t)::uuid, (hex || '-0000-7000-8000-000000000001')::uuid,
           'approval', 'Approve', (ARRAY['pending', 'claimed', 'completed'])[t + 1]
    FROM seeds CROSS JOIN generate_series(0, 2) AS t;
INSERT INTO workflow_run_snapshots (snapshot_id, run_id, step_path, envelope_json, size_bytes)
    SELECT (hex || '-0000-7000-8000-000000000501')::uuid, (hex || '-0000-7000-8000-000000000001')::uuid,
           'root.steps[0]', jsonb_build_object('vars', jsonb_build_object('n', n)), 20
    FROM seeds;
"""


def upgrade(url: str, revision: str, progress: Callable[[str], None] = lambda line: None) -> None:
    """Applies the migrations up to one revision."""
    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "migrations" / "runstudio_migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.attributes["progress"] = progress
    command.upgrade(config, revision)


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A plain connection in autocommit, as an administrator would use it."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


@pytest.fixture
def upgrade_to() -> Callable[..., None]:
    return upgrade


@pytest.fixture
def history_url(empty_database_url: str) -> str:
    """A database at revision 0001 with 10,500 runs: every status with every engine, each with steps, waits and tasks."""
    upgrade(empty_database_url, "0001")
    with connect(empty_database_url) as connection:
        connection.execute(SEED.replace(":each", str(RUNS_OF_EACH_KIND)))
    return empty_database_url


@pytest.fixture
def sql(empty_database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to the test's database."""
    with connect(empty_database_url) as connection:
        yield connection
