"""Revision 0002 on a database that is at work: nobody waits long, and an interrupted run is simply repeated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from engine.store.database.schema_version import migrate

Sql = psycopg.Connection[Any]
Upgrade = Callable[..., None]

OLD_INSERT = (
    "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine)"
    " VALUES ('order-fulfilment', 1, 'RUNNING', 'db') RETURNING run_id"
)
OLD_STEP = (
    "INSERT INTO workflow_run_steps (run_id, step_path, definition_step_id, status)"
    " VALUES (%s, 'root.steps[0]', 'a', 'STARTED')"
)


def test_readers_and_the_old_executor_go_on_while_it_waits_for_a_long_transaction(
    history_url: str, sql: Sql, upgrade_to: Upgrade
) -> None:
    """One transaction keeps a changed row for the whole time. Everybody else reads and writes at most a lock timeout later."""
    rounds = 0
    stop = threading.Event()

    def work() -> None:
        nonlocal rounds
        with psycopg.connect(sql.info.dsn, autocommit=True) as executor:
            # Each statement may queue behind an attempt that lasts one second; one that stays there fails the test.
            executor.execute("SET lock_timeout = '20s'")
            while not stop.is_set():
                run_id = executor.execute(OLD_INSERT).fetchone()[0]  # type: ignore[index] # RETURNING gives a row
                executor.execute(OLD_STEP, [run_id])
                executor.execute("UPDATE workflow_runs SET node_path = 'root.steps[0]' WHERE run_id = %s", [run_id])
                executor.execute("SELECT count(*) FROM workflow_run_waits WHERE run_id = %s", [run_id])
                rounds += 1

    blocked: list[str] = []
    holder = psycopg.connect(sql.info.dsn)
    holder.execute(
        "UPDATE workflow_runs SET node_path = 'held' WHERE run_id = (SELECT run_id FROM workflow_runs LIMIT 1)"
    )

    def let_go_after_a_while(line: str) -> None:
        if "somebody holds a lock" in line:
            blocked.append(line)
            # The long transaction is still there, and the executor gets its work done all the same.
            after = rounds + 6
            while rounds < after and not working.done():
                time.sleep(0.01)
            if len(blocked) == 2:
                holder.rollback()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            upgrade_to(history_url, "0002", let_go_after_a_while)
        finally:
            stop.set()
            holder.close()
    assert working.exception() is None
    assert blocked == [f"workflow_runs: somebody holds a lock, attempt {attempt}" for attempt in (1, 2)]
    assert rounds > 10


def test_an_index_that_was_interrupted_is_built_again(history_url: str, sql: Sql, upgrade_to: Upgrade) -> None:
    """A concurrent build that ends early leaves an invalid index behind; the next run drops and builds it."""

    def interrupt(line: str) -> None:
        if line == "index workflow_runs_list_workflow":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upgrade_to(history_url, "0002", interrupt)
    sql.execute("CREATE INDEX workflow_runs_list_workflow ON workflow_runs (workflow_id)")
    sql.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'workflow_runs_list_workflow'::regclass")

    migrate(history_url)

    assert sql.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
    definition = sql.execute(
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'workflow_runs_list_workflow'"
    ).fetchone()
    assert definition is not None
    assert "(tenant, workflow_id, status, started_at, run_id)" in definition[0]


def test_history_is_told_apart_and_published_triggers_are_filled_in(history_url: str, sql: Sql) -> None:
    migrate(history_url)
    assert sql.execute("SELECT DISTINCT visit, iteration FROM workflow_run_steps").fetchall() == [(0, "")]
    assert sql.execute("SELECT DISTINCT launch_state FROM workflow_runs").fetchall() == [("started",)]
    assert sql.execute("SELECT trigger FROM workflow_definition_versions").fetchall() == [
        ({"type": "event", "eventName": "order.placed"},)
    ]


def test_every_change_of_a_step_and_every_log_line_is_numbered(database_url: str) -> None:
    plain = database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, autocommit=True) as sql:
        run_id = sql.execute(OLD_INSERT.replace("'db'", "'temporal'")).fetchone()[0]  # type: ignore[index] # as above
        sql.execute(OLD_STEP, [run_id])
        sql.execute("INSERT INTO workflow_run_logs (run_id, level, message) VALUES (%s, 'INFO', 'one')", [run_id])
        first = sql.execute("SELECT change_no FROM workflow_run_steps").fetchone()
        line = sql.execute("SELECT line_no FROM workflow_run_logs").fetchone()
        sql.execute("UPDATE workflow_run_steps SET status = 'SUCCEEDED', change_no = 1")
        second = sql.execute("SELECT change_no FROM workflow_run_steps").fetchone()
    assert first is not None
    assert line is not None
    assert second is not None
    assert 0 < first[0] < line[0] < second[0]


def test_a_run_notifies_when_its_state_changes_and_not_at_every_step(database_url: str) -> None:
    plain = database_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, autocommit=True) as listener, psycopg.connect(plain, autocommit=True) as sql:
        listener.execute("LISTEN runstudio_runs")
        listener.execute("LISTEN runstudio_events")
        run_id = sql.execute(OLD_INSERT.replace("'db'", "'temporal'")).fetchone()[0]  # type: ignore[index] # as above
        sql.execute("UPDATE workflow_runs SET node_path = 'root.steps[1]', seq = 7, step_count = 3, updated_at = now()")
        sql.execute("UPDATE workflow_runs SET status = 'WAITING', waiting_on = 'event', waiting_since = now()")
        sql.execute("INSERT INTO workflow_runtime_events (event_id, event_name) VALUES ('old', 'routed by its writer')")
        sql.execute(
            "INSERT INTO workflow_runtime_events (event_id, event_name, state)"
            " SELECT 'e' || n, 'order.placed', 'received' FROM generate_series(1, 5) AS n"
        )
        sql.execute("NOTIFY runstudio_events, 'that was all'")
        notices = [(notice.channel, notice.payload) for notice in listener.notifies(timeout=250, stop_after=4)]
    tenant = "00000000-0000-0000-0000-000000000001"
    of_events = [("runstudio_events", tenant), ("runstudio_events", "that was all")]
    assert notices == [("runstudio_runs", f"{tenant}:{run_id}")] * 2 + of_events
