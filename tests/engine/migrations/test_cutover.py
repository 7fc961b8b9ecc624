"""Revision 0003: what the old executor left behind is closed, everything else stays as it was, and nothing else can come."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from engine.errors import Unavailable
from engine.store.database.schema_version import MigrationResult, current_revision, head_revision, migrate

Sql = psycopg.Connection[Any]
Upgrade = Callable[..., None]

STRANDED = 4 * 700
"""RUNNING and WAITING, with engine 'db' and NULL."""
CHILD_TABLES = (
    "workflow_run_steps",
    "workflow_run_waits",
    "workflow_action_invocations",
    "workflow_human_tasks",
    "workflow_run_snapshots",
)
UNTOUCHED = "NOT (status IN ('RUNNING', 'WAITING') AND engine IS DISTINCT FROM 'temporal')"


def fingerprints(sql: Sql, columns: dict[str, str] | None = None) -> dict[str, str]:
    """One hash per table over every byte of the runs that must not change, and of all that belongs to them."""
    columns = columns or dict.fromkeys(("workflow_runs", *CHILD_TABLES), "t.*")
    return {
        table: sql.execute(
            f"SELECT md5(string_agg(ROW({picked})::text, '|' ORDER BY t.{_key(table)})) FROM {table} t"
            f" WHERE t.run_id IN (SELECT run_id FROM workflow_runs WHERE {UNTOUCHED})"
        ).fetchone()[0]
        for table, picked in columns.items()
    }


def _key(table: str) -> str:
    return {
        "workflow_runs": "run_id",
        "workflow_run_steps": "step_id",
        "workflow_run_waits": "wait_id",
        "workflow_action_invocations": "invocation_id",
        "workflow_human_tasks": "task_id",
        "workflow_run_snapshots": "snapshot_id",
    }[table]


def _columns(sql: Sql) -> dict[str, str]:
    """The columns each table has now, so that a later schema can be asked for the same ones."""
    rows = sql.execute(
        "SELECT table_name, string_agg('t.' || quote_ident(column_name), ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_name = ANY(%s) GROUP BY 1",
        [["workflow_runs", *CHILD_TABLES]],
    ).fetchall()
    return dict(rows)


def _number(sql: Sql, query: str) -> int:
    return int(sql.execute(query).fetchone()[0])


def test_stranded_runs_are_closed_with_everything_open_in_them(history_url: str, sql: Sql) -> None:
    started = sql.execute("SELECT clock_timestamp()").fetchone()[0]
    lines: list[str] = []

    result = migrate(history_url, lines.append)

    assert result == MigrationResult(
        "0001",
        head_revision(),
        {"runs": STRANDED, "waits": STRANDED, "steps": 2 * STRANDED, "invocations": STRANDED, "tasks": 2 * STRANDED},
    )
    assert any("closed 1000 stranded runs" in line for line in lines)
    closed = sql.execute(
        "SELECT status, engine, error_json, completed_at, updated_at, input_json FROM workflow_runs"
        " WHERE error_json ->> 'stage' = 'migration'"
    ).fetchall()
    assert len(closed) == STRANDED
    assert {(status, engine) for status, engine, *_ in closed} == {("CANCELED", "db"), ("CANCELED", None)}
    for _, _, error, completed, updated, payload in closed:
        assert set(error) == {"message", "stage", "migration", "previousStatus"}
        assert error["migration"] == "0003_cutover"
        assert error["previousStatus"] in {"RUNNING", "WAITING"}
        assert "replay" in error["message"]
        assert completed == updated > started
        assert payload["password"] == "canary"
    of_closed = "run_id IN (SELECT run_id FROM workflow_runs WHERE error_json ->> 'stage' = 'migration')"
    assert (
        _number(sql, f"SELECT count(*) FROM workflow_run_waits WHERE {of_closed} AND status = 'CANCELED'") == STRANDED
    )
    assert (
        _number(sql, f"SELECT count(*) FROM workflow_run_waits WHERE {of_closed} AND status = 'RESOLVED'") == STRANDED
    )
    steps = sql.execute(f"SELECT status, count(*) FROM workflow_run_steps WHERE {of_closed} GROUP BY 1").fetchall()
    assert dict(steps) == {"SUCCEEDED": STRANDED, "CANCELED": 2 * STRANDED}
    tasks = sql.execute(f"SELECT status, count(*) FROM workflow_human_tasks WHERE {of_closed} GROUP BY 1").fetchall()
    assert dict(tasks) == {"completed": STRANDED, "canceled": 2 * STRANDED}


def test_ended_runs_and_temporal_runs_stay_as_they_are_to_the_byte(
    history_url: str, sql: Sql, upgrade_to: Upgrade
) -> None:
    columns = _columns(sql)
    at_0001 = fingerprints(sql, columns)
    upgrade_to(history_url, "0002")
    at_0002 = fingerprints(sql)
    assert fingerprints(sql, columns) == at_0001

    upgrade_to(history_url, "0003")

    # The closed runs fulfil the condition now, so they are taken out by what closed them.
    sql.execute(
        "CREATE VIEW kept AS SELECT * FROM workflow_runs WHERE error_json ->> 'stage' IS DISTINCT FROM 'migration'"
    )
    after = {
        table: sql.execute(
            f"SELECT md5(string_agg(ROW(t.*)::text, '|' ORDER BY t.{_key(table)})) FROM {table} t"
            " WHERE t.run_id IN (SELECT run_id FROM kept)"
        ).fetchone()[0]
        for table in at_0002
    }
    assert after == at_0002


def test_killed_between_chunks_it_goes_on_from_there(history_url: str, sql: Sql, upgrade_to: Upgrade) -> None:
    upgrade_to(history_url, "0002")
    program = (
        "import sys; from engine.store.database.schema_version import migrate;"
        "migrate(sys.argv[1], lambda line: print(line, flush=True))"
    )
    # The last run stays locked, so the last chunk cannot be closed while the process is being killed.
    with psycopg.connect(sql.info.dsn) as holder:
        holder.execute(
            "SELECT 1 FROM workflow_runs WHERE status = 'WAITING' AND engine IS NULL ORDER BY updated_at DESC LIMIT 1 FOR UPDATE"
        )
        process = subprocess.Popen([sys.executable, "-c", program, history_url], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        closed_before = 0
        for line in process.stdout:
            closed_before += line.startswith("closed 1000 stranded runs")
            if "somebody holds a lock" in line:
                break
        process.kill()
        process.wait()
        process.stdout.close()
        holder.rollback()

    assert closed_before == 2
    assert current_revision(history_url) == "0002"
    first = sql.execute(
        "SELECT run_id, completed_at FROM workflow_runs WHERE error_json ->> 'stage' = 'migration' ORDER BY run_id"
    ).fetchall()
    assert len(first) == 2000
    half_done = (
        "SELECT count(*) FROM {table} t JOIN workflow_runs r USING (run_id)"
        " WHERE r.error_json ->> 'stage' = 'migration' AND t.status = ANY(%s)"
    )
    for table in CHILD_TABLES[:4]:
        opened = ["WAITING", "STARTED", "RETRY_SCHEDULED", "pending", "claimed"]
        assert sql.execute(half_done.format(table=table), [opened]).fetchone() == (0,)

    result = migrate(history_url)

    assert result.counts["runs"] == STRANDED - 2000
    again = sql.execute(
        "SELECT run_id, completed_at FROM workflow_runs WHERE run_id = ANY(%s) ORDER BY run_id", [[r for r, _ in first]]
    ).fetchall()
    assert again == first, "what the first attempt closed was not touched again"
    assert _number(sql, "SELECT count(*) FROM workflow_runs WHERE error_json ->> 'stage' = 'migration'") == STRANDED
    assert migrate(history_url) == MigrationResult(head_revision(), head_revision())


def test_a_connection_cut_between_chunks_is_the_same(history_url: str, sql: Sql, upgrade_to: Upgrade) -> None:
    upgrade_to(history_url, "0002")

    def cut(line: str) -> None:
        if line.startswith("closed 1000"):
            sql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'runstudio migrate'"
            )

    with pytest.raises(Unavailable, match="POSTGRES_UNREACHABLE"):
        migrate(history_url, cut)
    assert current_revision(history_url) == "0002"
    assert migrate(history_url).counts["runs"] == STRANDED - 1000


def test_a_run_the_old_executor_starts_meanwhile_is_closed_too(history_url: str, sql: Sql, upgrade_to: Upgrade) -> None:
    upgrade_to(history_url, "0002")
    late: list[str] = []

    def start_one_more(line: str) -> None:
        if line.startswith("closed 800"):
            row = sql.execute(
                "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine)"
                " VALUES ('order-fulfilment', 1, 'RUNNING', 'db') RETURNING run_id"
            ).fetchone()
            late.append(row[0])

    assert migrate(history_url, start_one_more).counts["runs"] == STRANDED + 1
    assert sql.execute("SELECT status FROM workflow_runs WHERE run_id = %s", late).fetchone() == ("CANCELED",)


@pytest.mark.parametrize("engine", ["db", None, "other", "", "Temporal"])
def test_the_database_refuses_every_engine_but_temporal(empty_database_url: str, sql: Sql, engine: str | None) -> None:
    migrate(empty_database_url)
    insert = (
        "INSERT INTO workflow_runs (workflow_id, workflow_version, status, engine) VALUES ('w', 1, 'RUNNING', %s)"
        " RETURNING run_id"
    )
    with pytest.raises(errors.CheckViolation, match="workflow_runs_engine_is_temporal"):
        sql.execute(insert, [engine])
    run_id = sql.execute(insert, ["temporal"]).fetchone()[0]
    with pytest.raises(errors.CheckViolation, match="workflow_runs_engine_is_temporal"):
        sql.execute("UPDATE workflow_runs SET engine = %s WHERE run_id = %s", [engine, run_id])


def test_history_stays_readable_and_cannot_be_written(history_url: str, sql: Sql) -> None:
    migrate(history_url)
    kinds = sql.execute("SELECT status, engine, count(*) FROM workflow_runs GROUP BY 1, 2").fetchall()
    assert len(kinds) == 3 * 3 + 2
    assert sum(number for *_, number in kinds) == 15 * 700
    assert _number(sql, "SELECT count(*) FROM workflow_run_snapshots WHERE envelope_json -> 'vars' ? 'n'") == 15 * 700
    with pytest.raises(errors.CheckViolation):
        sql.execute("UPDATE workflow_runs SET updated_at = now() WHERE engine = 'db'")


def test_the_guard_waits_for_a_long_transaction_without_stopping_the_others(
    history_url: str, sql: Sql, upgrade_to: Upgrade
) -> None:
    """The guard needs a lock on the whole table; while it cannot have it, readers and writers go on."""
    upgrade_to(history_url, "0002")
    read = 0
    # Reading fails as soon as it has to wait for a lock.
    sql.execute("SET lock_timeout = 1")
    with psycopg.connect(sql.info.dsn) as holder:
        holder.execute("SELECT 1 FROM workflow_runs LIMIT 1")

        def look(line: str) -> None:
            nonlocal read
            if line.startswith("workflow_runs: somebody holds a lock"):
                read = _number(sql, "SELECT count(*) FROM workflow_runs WHERE status = 'FAILED'")
                holder.rollback()

        assert migrate(history_url, look).counts["runs"] == STRANDED
    assert read == 3 * 700


def test_a_lock_that_is_never_let_go_ends_the_migration_and_not_the_database(
    history_url: str, sql: Sql, upgrade_to: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade_to(history_url, "0002")
    with psycopg.connect(sql.info.dsn) as holder, monkeypatch.context() as impatient:
        impatient.setattr("runstudio_migrations.online.LOCK_ATTEMPTS", 1)
        holder.execute("SELECT 1 FROM workflow_runs LIMIT 1")
        with pytest.raises(Unavailable, match="MIGRATION_BLOCKED"):
            migrate(history_url)
        holder.rollback()
    assert _number(sql, "SELECT count(*) FROM workflow_runs WHERE error_json ->> 'stage' = 'migration'") == STRANDED
    assert migrate(history_url).after == head_revision()
