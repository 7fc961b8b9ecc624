"""What the studio asks of Postgres: pages of runs, at any depth and through any filter, counters, and a run's steps."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import psycopg

from engine.records import RunFilter
from engine.settings import DEFAULT_TENANT
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.store.runs.listing import count_runs, runs_page
from engine.store.trace.reading_steps import steps_page
from tests.bench.measuring import Measurement, Verdict, percentile
from tests.bench.servers import Servers, libpq

NAME = "lists"

RUNS = 1_000_000
RUNS_QUICKLY = 100_000
STEPS_OF_ONE_RUN = 20_000
PAGES_BEFORE_THE_DEEP_ONE = 20
MOST_TYPICAL, MOST_AT_WORST = 5.0, 20.0
MOST_FOR_COUNTS = 20.0
MOST_FOR_A_LARGE_RUN = 50.0

FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "one status": {"statuses": frozenset({"FAILED"})},
    "one workflow": {"workflow": "wf-7"},
    "workflow and status": {"workflow": "wf-7", "statuses": frozenset({"WAITING"})},
    "version": {"workflow": "wf-3", "version": 2},
    "trigger": {"trigger": "event"},
    "waiting for a person": {"waiting_on": frozenset({"human"})},
    "error code": {"error_code": "CODE_1"},
    "part of a name": {"text": "number 1"},
    "stuck": {"stuck": True},
}
Ask = Callable[[], Awaitable[object]]


async def measure(servers: Servers, *, quick: bool) -> Measurement:
    """See the module."""
    runs, samples = (RUNS_QUICKLY, 20) if quick else (RUNS, 100)
    result = Measurement(
        NAME,
        "Lists",
        f"{runs:,} runs of one tenant and twenty workflows in one table, warm; pages of 50 rows as the studio asks for them"
        f" (a transaction in one round trip each), {samples} times each, in turns. The budgets are meant for ten million runs:"
        " plans are asserted to be index ranges by ordinary tests, and here is what they cost. Milliseconds.",
        ("", "p50", "p99"),
    )
    url = servers.database()
    _fill(libpq(url), runs)
    store = create_store_engine(url)
    try:
        asked = await _questions(store)
        times = await _in_turns(asked, samples)
    finally:
        await store.dispose()
        servers.drop(url)
    for name, found in times.items():
        result.rows.append((name, f"{percentile(found, 0.5):.1f}", f"{percentile(found, 0.99):.1f}"))
    result.verdicts = list(_verdicts(times))
    return result


async def _questions(store: Store) -> dict[str, Ask]:
    asked: dict[str, Ask] = {}
    for name, conditions in FILTERS.items():
        wanted = RunFilter(**conditions)
        asked[f"first page, {name}"] = _page(store, wanted, None)
        cursor = None
        for _ in range(PAGES_BEFORE_THE_DEEP_ONE):
            cursor = (await runs_page(store, DEFAULT_TENANT, wanted, cursor=cursor)).next or cursor
        asked[f"next page after {PAGES_BEFORE_THE_DEEP_ONE}, {name}"] = _page(store, wanted, cursor)
    for name in ("no filter", "one workflow", "error code"):
        asked[f"counters, {name}"] = _counts(store, RunFilter(**FILTERS[name]))
    newest = (await runs_page(store, DEFAULT_TENANT, RunFilter(), limit=1)).rows[0].run_id
    asked[f"first screen of a run with {STEPS_OF_ONE_RUN:,} steps"] = _steps(store, newest)
    return asked


def _page(store: Store, wanted: RunFilter, cursor: str | None) -> Ask:
    return lambda: runs_page(store, DEFAULT_TENANT, wanted, cursor=cursor)


def _counts(store: Store, wanted: RunFilter) -> Ask:
    return lambda: count_runs(store, DEFAULT_TENANT, wanted)


def _steps(store: Store, run_id: str) -> Ask:
    return lambda: steps_page(store, DEFAULT_TENANT, run_id, limit=100)


async def _in_turns(asked: dict[str, Ask], samples: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in asked}
    for turn in range(samples + 3):
        for name, ask in asked.items():
            began = time.perf_counter()
            await ask()
            if turn >= 3:
                times[name].append((time.perf_counter() - began) * 1000)
    return times


def _verdicts(times: dict[str, list[float]]) -> Iterable[Verdict]:
    def slowest(beginning: Iterable[str], share: float) -> tuple[str, float]:
        chosen = {name: percentile(found, share) for name, found in times.items() if name.startswith(tuple(beginning))}
        return max(chosen.items(), key=lambda item: item[1])

    for what, beginning, budgets in (
        ("first page, any filter", ("first page",), {0.5: MOST_TYPICAL, 0.99: MOST_AT_WORST}),
        ("next page at depth, any filter", ("next page",), {0.5: MOST_TYPICAL, 0.99: MOST_AT_WORST}),
        ("capped counters", ("counters",), {0.5: MOST_FOR_COUNTS}),
        (f"first screen of a run with {STEPS_OF_ONE_RUN:,} steps", ("first screen",), {0.5: MOST_FOR_A_LARGE_RUN}),
    ):
        for share, most in budgets.items():
            name, value = slowest(beginning, share)
            of = f" (the slowest: {name})" if len(beginning) > 1 or what.endswith("filter") else ""
            yield Verdict(f"{what}, p{share * 100:.0f}", f"at most {most:g} ms", f"{value:.1f} ms{of}", value <= most)


def _fill(url: str, runs: int) -> None:
    """A history of 400 days. Indexes are made afterwards, which takes a third of the time."""
    with psycopg.connect(url, autocommit=True) as connection:
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'workflow_runs' AND indexname NOT LIKE '%_pkey'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute("ALTER TABLE workflow_runs DISABLE TRIGGER USER")
        connection.execute(_SEED.replace(":runs", str(runs)).replace(":tenant", f"'{DEFAULT_TENANT}'").encode())
        connection.execute("SET maintenance_work_mem = '256MB'")
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("ALTER TABLE workflow_runs ENABLE TRIGGER USER")
        seed = _STEPS.replace(":steps", str(STEPS_OF_ONE_RUN)).replace(":others", str(runs // 20))
        connection.execute(seed.encode())
        connection.execute("VACUUM ANALYZE")


_SEED = """
INSERT INTO workflow_definitions (tenant, workflow_id, name, payload_schema_ref, status, draft_definition, draft_version)
    SELECT :tenant::uuid, 'wf-' || n, 'Workflow number ' || n, 'bench.Payload.v1', 'published', '{}', 1
    FROM generate_series(0, 19) AS n;
INSERT INTO workflow_runs (run_id, tenant, workflow_id, workflow_version, status, node_path, node_step_id, error_json,
    last_error_code, trigger_type, event_type, engine, waiting_on, waiting_since, attempt, step_count, started_at, updated_at,
    completed_at, input_json)
SELECT
    (lpad(to_hex((extract(epoch FROM started) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
        || '8' || lpad(to_hex(n), 15, '0'))::uuid,
    :tenant::uuid, 'wf-' || n % 20, 1 + n / 20 % 5, status,
    CASE WHEN status <> 'SUCCEEDED' THEN 'root.steps[0]' END, CASE WHEN status <> 'SUCCEEDED' THEN 'first' END,
    CASE status WHEN 'FAILED' THEN jsonb_build_object('category', 'ActionError', 'code', code, 'message', 'because ' || n) END,
    CASE status WHEN 'FAILED' THEN code END,
    CASE n % 4 WHEN 0 THEN 'event' WHEN 1 THEN 'schedule' END, CASE n % 4 WHEN 0 THEN 'order.placed' END,
    'temporal',
    CASE status WHEN 'WAITING' THEN (ARRAY['event', 'time', 'human'])[1 + n / 20 % 3] END,
    CASE status WHEN 'WAITING' THEN started + interval '1 minute' END,
    CASE WHEN n % 30 = 5 THEN 2 ELSE 1 END,
    CASE WHEN status = 'RUNNING' AND n % 1000 = 0 THEN 0 ELSE 3 END,
    started, started + (n::bigint * 7919 % 100000) * interval '1 second',
    CASE WHEN status NOT IN ('RUNNING', 'WAITING') THEN started + interval '5 minutes' END,
    jsonb_build_object('order', n)
FROM (SELECT n, now() - interval '400 days' + n * (interval '400 days' / :runs) AS started,
        CASE WHEN n % 100 = 0 THEN 'RUNNING' WHEN n % 20 = 7 THEN 'WAITING' WHEN n % 10 = 2 THEN 'FAILED' ELSE 'SUCCEEDED' END
            AS status,
        'CODE_' || n % 3 AS code
    FROM generate_series(1, :runs) AS n) AS made;
INSERT INTO workflow_run_waits (run_id, tenant, step_path, wait_type, key, status, visit, created_at)
    SELECT run_id, tenant, 'root.steps[0]', waiting_on, 'ORD-' || node_path, 'WAITING', 1, waiting_since
    FROM workflow_runs WHERE status = 'WAITING';
"""
_STEPS = """
INSERT INTO workflow_run_steps
    (run_id, tenant, step_path, iteration, visit, definition_step_id, step_type, status, seq, started_at, completed_at)
SELECT run_id, tenant, 'root.steps[' || n || ']', '', 1, 'step', 'action.call', 'SUCCEEDED', n, now(), now()
FROM (SELECT run_id, tenant FROM workflow_runs WHERE step_count > 0 ORDER BY started_at DESC LIMIT :others) AS newer,
    generate_series(0, 2) AS n;
INSERT INTO workflow_run_steps
    (run_id, tenant, step_path, iteration, visit, definition_step_id, step_type, status, seq, started_at, completed_at)
SELECT newest.run_id, newest.tenant, 'root.steps[0].body.steps[0]', n, 1, 'step', 'action.call', 'SUCCEEDED', n, now(), now()
FROM (SELECT run_id, tenant FROM workflow_runs ORDER BY started_at DESC, run_id DESC LIMIT 1) AS newest,
    generate_series(1, :steps) AS n;
UPDATE workflow_runs SET step_count = :steps
    WHERE run_id = (SELECT run_id FROM workflow_runs ORDER BY started_at DESC, run_id DESC LIMIT 1)
"""
