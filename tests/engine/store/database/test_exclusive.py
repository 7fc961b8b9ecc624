"""Work that one process does at a time."""

from __future__ import annotations

import asyncio

from sqlalchemy import make_url

from engine.store.database.engine import create_store_engine
from engine.store.database.exclusive import only_one
from engine.store.database.transactions import Store


async def test_one_at_a_time_and_each_work_on_its_own(engine: Store, database_url: str) -> None:
    other = create_store_engine(make_url(database_url).render_as_string(False))
    async with only_one(engine, "reconciler") as first, only_one(other, "reconciler") as second:
        assert (first, second) == (True, False)
        async with only_one(other, "quota scan") as elsewhere:
            assert elsewhere
    async with only_one(other, "reconciler") as later:
        assert later
    await other.dispose()


async def test_the_lock_of_a_process_that_died_is_free(engine: Store, database_url: str) -> None:
    dying = create_store_engine(database_url)
    holding, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with only_one(dying, "reconciler"):
            holding.set()
            await done.wait()

    task = asyncio.create_task(hold())
    await holding.wait()
    async with engine.connect() as connection:
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    async with asyncio.timeout(60):
        free = False
        while not free:
            async with only_one(engine, "reconciler") as free:
                pass
    done.set()
    await asyncio.gather(task, return_exceptions=True)
    await dying.dispose()
