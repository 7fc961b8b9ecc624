"""What a launch, the reconciler and alerts ask is answered by an index, or by one look at each row, however many there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event, text

from engine.ids import new_id
from engine.settings import DEFAULT_TENANT
from engine.store.alerts import outbox
from engine.store.database.transactions import Connection, Store
from engine.store.runs import agreeing, reconciling, runs
from engine.store.runs.diagnosing import load_row_facts

FILL = """
INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, launch_state, next_launch_at,
    trigger_fire_key, idempotency_key, parent_run_id, input_json, updated_at)
SELECT gen_random_uuid(), 'wf-' || n % 20, 1, CASE WHEN n % 500 = 0 THEN 'RUNNING' ELSE 'SUCCEEDED' END, 'temporal',
    CASE WHEN n % 1000 = 0 THEN 'pending' ELSE 'started' END, CASE WHEN n % 1000 = 0 THEN now() - interval '1 hour' END,
    'fire-' || n, 'key-' || n, CASE WHEN n % 10 = 0 THEN gen_random_uuid() END, '{}', now() - n * interval '1 second'
FROM generate_series(1, 30000) AS n
"""


@pytest_asyncio.fixture
async def filled(store: Store) -> Store:
    """A store with 30,000 runs."""
    async with store.begin() as connection:
        await connection.execute(text(FILL))
    async with store.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE workflow_runs"))
    return store


Question = Callable[[Connection], Awaitable[Any]]

QUESTIONS: dict[str, tuple[Question, str]] = {
    "fire key": (
        lambda c: runs.runs_holding_keys(c, DEFAULT_TENANT, "fire-5", None, {}),
        "workflow_runs_tenant_fire_key_unique",
    ),
    "idempotency key": (
        lambda c: runs.runs_holding_keys(c, DEFAULT_TENANT, None, "key-5", {}),
        "workflow_runs_tenant_idempotency_key_unique",
    ),
    "both keys": (
        lambda c: runs.runs_holding_keys(c, DEFAULT_TENANT, "fire-5", "key-5", {}),
        "workflow_runs_tenant_fire_key_unique",
    ),
    "active runs of a workflow": (
        lambda c: runs.count_active(c, DEFAULT_TENANT, "wf-3"),
        "workflow_runs_list_workflow",
    ),
    "pending launches": (lambda c: reconciling.pending_launches(c, 100), "workflow_runs_launch_pending"),
    "open runs": (lambda c: reconciling.open_runs(c, None, 100, idle_seconds=10), "workflow_runs_active"),
    "runs below": (lambda c: runs.descendants(c, DEFAULT_TENANT, new_id()), "workflow_runs_list_parent"),
    "one run": (lambda c: load_row_facts(c, DEFAULT_TENANT, new_id()), "workflow_runs_pkey"),
}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


async def explained(store: Store, ask: Question, how: str = "FORMAT JSON", about: str = "workflow_runs") -> list[Any]:
    """The plans of the statements about runs, or of another table, that a question sends."""
    sent: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(store.sync_engine, "before_cursor_execute", record)
    async with store.connect() as connection:
        await ask(connection)
        await connection.rollback()
        asked = [(statement, parameters) for statement, parameters in sent if about in statement]
        return [
            (await connection.exec_driver_sql(f"EXPLAIN ({how}) {statement}", parameters)).scalar_one()
            for statement, parameters in asked
        ]


@pytest.mark.parametrize("name", QUESTIONS)
async def test_answered_by_an_index(filled: Store, name: str) -> None:
    ask, index = QUESTIONS[name]
    plans = await explained(filled, ask)
    used = [node for [plan] in plans for node in nodes(plan["Plan"]) if node.get("Relation Name") == "workflow_runs"]
    used += [node for [plan] in plans for node in nodes(plan["Plan"]) if "Index Name" in node]
    assert "Seq Scan" not in {node["Node Type"] for node in used}
    assert any(node.get("Index Name", "").startswith(index) for node in used)


QUEUED = """
INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, launch_state, next_launch_at, queue_place,
    input_json)
SELECT gen_random_uuid(), 'orders', 1, 'RUNNING', 'temporal', 'pending', now() - interval '1 hour', n, '{}'
FROM generate_series(1, 10000) AS n
"""


async def test_a_long_line_of_queued_runs_is_read_once_to_find_the_next(store: Store) -> None:
    """Also in the moment after they were let go, of which Postgres' statistics know nothing."""
    async with store.begin() as connection:
        await connection.execute(text(QUEUED))
    plans = await explained(
        store, lambda c: reconciling.claim_launches(c, 50, lease_seconds=30.0), "ANALYZE, FORMAT JSON"
    )
    for [plan] in plans:
        assert 10_000 <= rows_read(plan, "workflow_runs") <= 2 * 10_000
    assert plans


def rows_read(plan: dict[str, Any], table: str) -> float:
    """How many rows of a table a statement has looked at, the same ones again too."""
    scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == table]
    return sum(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) for node in scans)


ANSWERED = (
    """
    INSERT INTO workflow_runs (run_id, workflow_id, workflow_version, status, engine, launch_state, input_json)
    SELECT gen_random_uuid(), 'orders', 1, 'WAITING', 'temporal', 'started', '{}' FROM generate_series(1, 10000)
    """,
    """
    INSERT INTO workflow_run_waits (wait_id, run_id, tenant, step_path, iteration, visit, wait_type, key, status)
    SELECT gen_random_uuid(), run_id, tenant, 'a', '', 1, 'human', gen_random_uuid()::text, 'WAITING' FROM workflow_runs
    """,
    """
    INSERT INTO workflow_human_tasks (task_id, run_id, tenant, task_type, title, status, step_path, visit)
    SELECT key::uuid, run_id, tenant, 'x', 'x', 'completed', 'a', 1 FROM workflow_run_waits
    """,
    """
    INSERT INTO workflow_event_deliveries
        (delivery_id, tenant, target_kind, target, event_name, status, arrival, settled_at)
    SELECT gen_random_uuid(), tenant, 'task', gen_random_uuid()::text, '', 'done', 1, now() - interval '1 hour'
    FROM workflow_human_tasks
    """,
)


@pytest.mark.parametrize("counted", [False, True], ids=["before ANALYZE", "after ANALYZE"])
async def test_many_answers_are_read_once_to_find_those_no_run_has_taken(store: Store, counted: bool) -> None:
    async with store.begin() as connection:
        for statement in ANSWERED:
            await connection.execute(text(statement))
        if counted:
            await connection.execute(text("ANALYZE"))
    plans = await explained(
        store, lambda c: agreeing.send_unheard_again(c, 100), "ANALYZE, FORMAT JSON", "workflow_human_tasks"
    )
    for [plan] in plans:
        for table in ("workflow_run_waits", "workflow_human_tasks", "workflow_event_deliveries"):
            assert rows_read(plan, table) <= 2 * 10_000
    assert plans


MESSAGES = (
    """
    INSERT INTO workflow_alerts (alert_id, tenant, name, kind, conditions_json, target_kind, target, set_by)
    SELECT gen_random_uuid(), :tenant, 'rule-' || n, 'failed', '{}', 'webhook', 'https://h.example/', 'ada'
    FROM generate_series(1, 10) AS n
    """,
    """
    INSERT INTO workflow_alert_outbox (message_id, tenant, alert_id, group_key, hour, body_json)
    SELECT gen_random_uuid(), tenant, alert_id, 'run-' || n, now(), '{}'
    FROM workflow_alerts CROSS JOIN generate_series(1, 500) AS n
    """,
)


@pytest.mark.parametrize("counted", [False, True], ids=["before ANALYZE", "after ANALYZE"])
async def test_many_messages_are_read_once_to_find_whose_turn_it_is(store: Store, counted: bool) -> None:
    async with store.begin() as connection:
        for statement in MESSAGES:
            await connection.execute(text(statement), {"tenant": DEFAULT_TENANT} if ":tenant" in statement else {})
        if counted:
            await connection.execute(text("ANALYZE"))
    plans = await explained(
        store, lambda c: outbox.take_due(c, 10), "ANALYZE, FORMAT JSON", "UPDATE workflow_alert_outbox"
    )
    for [plan] in plans:
        read = [node["Actual Loops"] * node["Actual Rows"] for node in nodes(plan["Plan"])]
        assert max(read) <= 2 * 5_000
    assert plans
