"""F13: an engine and a worker whose DATABASE_URL leads to a pooler in transaction mode."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest

from engine import Engine
from engine.client.schema import migrate
from engine.errors import Invalid
from engine.records import Started
from engine.settings import Settings
from engine.store.database.connecting import libpq_url
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import writing
from tests.engine.client.conftest import ORDER, ORDER_SCHEMA
from tests.engine.operations.conftest import Query
from tests.engine.worker.hosts import ready, running, settings
from tests.not_run import needed

LAUNCHES = 100
AT_ONCE = 10
ADVISORY_LOCKS = """
    SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
LISTENING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
QUICK = {
    "id": "quick",
    "version": 1,
    "name": "Quick",
    "payloadSchemaRef": "payload.Any.v1",
    "steps": [{"id": "note", "type": "transform.assign", "config": {"assign": {"vars.n": {"$expr": "payload.n"}}}}],
}


@pytest.fixture(autouse=True)
def _not_without_a_pooler() -> None:
    needed("pgbouncer")


async def launch(engine: Engine, first: int) -> list[Started]:
    numbers = range(first, first + AT_ONCE)
    return await asyncio.gather(*(engine.runs.start("quick", {"n": number}) for number in numbers))


async def all_sessions(direct_url: str, sql: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(libpq_url(direct_url)) as direct:
        return await (await direct.execute(sql)).fetchall()


@pytest.mark.parametrize("direct", [False, True], ids=["polls", "listens on a direct URL"])
async def test_f13_everything_works_through_a_pooler(
    direct_database_url: str, database_url: str, temporal_address: str, query: Query, direct: bool
) -> None:
    given = settings(database_url, temporal_address, direct_database_url=direct_database_url if direct else None)
    async with running(given) as worker, Engine(given, actor="shop") as engine:
        await ready(worker)
        await engine.events.set_correlation_paths({"order.paid": ["orderId"]})
        await engine.workflows.publish(ORDER, payload_schema=ORDER_SCHEMA)
        await engine.workflows.publish(QUICK)
        paid = await engine.runs.start("order", {"orderId": "42"}, idempotency_key="42")
        left = await engine.runs.start("order", {"orderId": "43"})
        started = [run for first in range(0, LAUNCHES, AT_ONCE) for run in await launch(engine, first)]
        await engine.events.submit("order.paid", {"orderId": "42", "amount": 20})
        await engine.runs.cancel(left.run_id, reason="nobody pays")
        ends = await asyncio.gather(*(engine.runs.wait(run.run_id, timeout=120) for run in (paid, left, *started)))
        assert Counter(run.status for run in ends) == {"SUCCEEDED": LAUNCHES + 1, "CANCELED": 1}
        # Oftener than it takes for a statement to be prepared on a direct connection, in several sessions at once.
        pages = await asyncio.gather(*(engine.runs.list() for _ in range(50)))
        assert {page.rows[0].run_id for page in pages} == {pages[0].rows[0].run_id}
        parts = {part.name: part for part in (await engine.system.health()).parts}
        assert "through a pooler" in parts["postgres"].detail
        assert ("RUNSTUDIO_DIRECT_DATABASE_URL" in parts["postgres"].detail) is not direct
        assert bool(await all_sessions(direct_database_url, LISTENING)) is direct
    assert await all_sessions(direct_database_url, ADVISORY_LOCKS) == []
    failed = "SELECT error_json FROM workflow_runs WHERE status <> 'CANCELED' AND error_json IS NOT NULL"
    assert await query(failed) == []


async def test_a_wait_for_a_lock_ends_through_a_pooler_too(database_url: str) -> None:
    store = create_store_engine(database_url)
    async with writing(store) as connection:
        assert (await connection.exec_driver_sql("SHOW lock_timeout")).scalar_one() == "10s"
        assert (await connection.exec_driver_sql("SHOW timezone")).scalar_one() == "UTC"
    async with store.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        # Nothing of it stays with the session, which serves others next.
        assert (await connection.exec_driver_sql("SHOW lock_timeout")).scalar_one() == "0"
    await store.dispose()


def test_migrations_refuse_a_pooler_and_take_the_direct_url(database_url: str, direct_database_url: str) -> None:
    with pytest.raises(Invalid, match=r"CONNECTION_POOLED.*RUNSTUDIO_DIRECT_DATABASE_URL"):
        migrate(database_url)
    migrate(Settings.load(database_url=database_url, direct_database_url=direct_database_url).session_database_url)
