"""Callers whose transactions stay open for long: what others may do meanwhile, and what becomes of the run at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import text

from engine.errors import Invalid, Unavailable
from engine.operations.context import OperationContext
from engine.operations.runs.hand_over import hand_over_due
from engine.operations.runs.launch import LaunchRequest, launch_in_transaction, launch_published_run
from engine.store.database import engine as store_engine
from engine.store.database.connecting import libpq_url
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store, writing
from tests.engine.operations.conftest import Execute, Query, add_version

KEYED = LaunchRequest("orders", {"order": {"id": 1}}, idempotency_key="k")


@pytest.mark.parametrize("limited", [False, True])
async def test_others_do_not_wait_for_ever(
    context: OperationContext,
    store: Store,
    database_url: str,
    execute: Execute,
    monkeypatch: pytest.MonkeyPatch,
    limited: bool,
) -> None:
    """Neither for the key nor for the slot: each that waits keeps a connection, and soon there would be none."""
    await add_version(store)
    if limited:
        await execute("UPDATE workflow_definitions SET concurrency_limit = 5")
    monkeypatch.setattr(store_engine, "LOCK_TIMEOUT_SECONDS", 1)
    other = create_store_engine(database_url)
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url)) as connection:
        first = await launch_in_transaction(context, KEYED, connection)
        request = replace(KEYED, idempotency_key=None) if limited else KEYED
        with pytest.raises(Unavailable, match="POSTGRES_LOCKED"):
            async with asyncio.timeout(60):
                await launch_published_run(replace(context, store=other), request)
    if not limited:
        assert (await launch_published_run(context, KEYED)).run_id == first.run_id
    await other.dispose()


async def test_a_deadlock_can_be_tried_again(store: Store, execute: Execute) -> None:
    await execute("CREATE TABLE counters (id int PRIMARY KEY, n int)")
    await execute("INSERT INTO counters VALUES (1, 0), (2, 0)")
    both = asyncio.Barrier(2)

    async def add(first: int, second: int) -> None:
        async with writing(store) as connection:
            await connection.execute(text("UPDATE counters SET n = n + 1 WHERE id = :id"), {"id": first})
            await both.wait()
            await connection.execute(text("UPDATE counters SET n = n + 1 WHERE id = :id"), {"id": second})

    ended = await asyncio.gather(add(1, 2), add(2, 1), return_exceptions=True)
    [refused] = [error for error in ended if error is not None]
    assert isinstance(refused, Unavailable)
    assert refused.code == "POSTGRES_LOCKED"


async def test_a_run_starts_with_the_commit_however_long_the_transaction_lasted(
    context: OperationContext, store: Store, database_url: str, query: Query
) -> None:
    """Dated when the transaction began it would be stuck at once, and below what was started before it in every list."""
    await add_version(store)
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url)) as connection:
        await connection.execute("SELECT 1")
        launched = await launch_in_transaction(context, LaunchRequest("orders"), connection)
        [before] = await query("SELECT clock_timestamp() AS commit")
    assert await hand_over_due(context) == 1
    [row] = await query("SELECT run_id, started_at, updated_at, launch_state FROM workflow_runs")
    assert (row["run_id"], row["launch_state"]) == (launched.run_id, "started")
    assert row["started_at"] >= before["commit"]
    assert row["updated_at"] >= before["commit"]


async def test_a_run_that_its_launcher_left_keeps_its_date(
    context: OperationContext, store: Store, execute: Execute, query: Query
) -> None:
    await add_version(store)
    launched = await launch_published_run(context, LaunchRequest("orders"))
    await execute(
        "UPDATE workflow_runs SET launch_state = 'pending', started_at = now() - interval '1 minute',"
        " next_launch_at = now() - interval '45 seconds'"
    )
    [before] = await query("SELECT started_at FROM workflow_runs")
    assert await hand_over_due(context) == 1
    assert await query("SELECT run_id, started_at FROM workflow_runs") == [
        {"run_id": launched.run_id, "started_at": before["started_at"]}
    ]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_connection_that_cannot_carry_every_text_is_refused(
    context: OperationContext, store: Store, database_url: str, query: Query, encoding: str
) -> None:
    await add_version(store)
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url), client_encoding=encoding) as connection:
        with pytest.raises(Invalid, match="CONNECTION_ENCODING") as refused:
            await launch_in_transaction(context, LaunchRequest("orders", {"name": "é"}), connection)
    assert encoding in refused.value.message
    assert await query("SELECT input_json FROM workflow_runs") == []
