"""The sweep: removes what has expired in batches, passes over what others hold, and knows when to stop."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from engine.errors import Unavailable
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from engine.worker.parts import PartReport
from engine.worker.sweep import BATCH, Sweep, sweep_expired
from tests.engine.operations.conftest import Execute, Query, until


async def fill(execute: Execute, rows: int, expires: str) -> None:
    """Values of two tenants whose expiry is ``expires``, an SQL expression over ``n``."""
    await execute(
        "INSERT INTO workflow_data_store (tenant, namespace, key, value, expires_at)"
        " SELECT CAST('00000000-0000-0000-0000-00000000000' || n % 2 AS uuid), 'carts', CAST(gen_random_uuid() AS text),"
        f" 'null'::jsonb, {expires} FROM generate_series(1, :rows) AS n",
        rows=rows,
    )


async def left(query: Query) -> int:
    [row] = await query("SELECT count(*) AS n FROM workflow_data_store")
    return int(row["n"])


async def test_what_has_expired_goes_in_batches_and_the_rest_stays(
    store: Store, execute: Execute, query: Query
) -> None:
    await fill(execute, 2 * BATCH + 17, "now() - n * interval '1 second'")
    await fill(execute, 5, "now() + interval '1 hour'")
    await fill(execute, 3, "NULL::timestamptz")
    assert await sweep_expired(store) == 2 * BATCH + 17
    assert await left(query) == 8
    assert await sweep_expired(store) == 0


async def test_it_stops_when_its_time_is_over(store: Store, execute: Execute, query: Query) -> None:
    await fill(execute, 3 * BATCH, "now() - n * interval '1 second'")
    assert await sweep_expired(store, seconds=0.0) == BATCH
    assert await left(query) == 2 * BATCH


async def test_it_stops_with_the_worker(store: Store, execute: Execute) -> None:
    await fill(execute, 10, "now() - n * interval '1 second'")
    assert await sweep_expired(store, keep_on=lambda: False) == 0


async def test_rows_that_another_sweep_holds_are_passed_over(store: Store, execute: Execute, query: Query) -> None:
    await fill(execute, 10, "now() - n * interval '1 second'")
    async with store.begin() as other:
        await other.execute(
            text("SELECT 1 FROM workflow_data_store ORDER BY expires_at LIMIT 4 FOR UPDATE SKIP LOCKED")
        )
        assert await asyncio.wait_for(sweep_expired(store), 60) == 6
    assert await left(query) == 4


async def test_two_sweeps_share_the_work(store: Store, execute: Execute, query: Query) -> None:
    await fill(execute, 4 * BATCH, "now() - n * interval '1 second'")
    assert sum(await asyncio.gather(sweep_expired(store), sweep_expired(store))) == 4 * BATCH
    assert await left(query) == 0


async def test_an_unreachable_postgres_is_told_and_tried_again() -> None:
    away = create_store_engine("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="POSTGRES_UNREACHABLE"):
        await sweep_expired(away)
    stop = asyncio.Event()
    report = PartReport("dataStoreSweep", 1.0, stop)
    running = asyncio.create_task(Sweep(away, "w").run(report))

    async def told() -> bool:
        return report.state == "failing"

    await until(told)
    stop.set()
    await running
    await away.dispose()


async def test_the_part_sweeps_at_once(store: Store, execute: Execute, query: Query) -> None:
    await fill(execute, 10, "now() - n * interval '1 second'")
    stop = asyncio.Event()
    report = PartReport("dataStoreSweep", 1.0, stop)
    running = asyncio.create_task(Sweep(store, "w").run(report))

    async def swept() -> bool:
        return report.ready and await left(query) == 0

    await until(swept)
    stop.set()
    await running
