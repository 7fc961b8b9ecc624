"""The connection to Postgres: its settings, and how its troubles are told."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Unavailable
from engine.store.database.engine import as_unavailable, create_store_engine
from engine.store.database.reader import open_reader
from engine.store.database.schema_version import require_current_schema
from tests.engine.store.conftest import TENANT


async def test_a_connection_is_named_and_thinks_in_utc(database_url: str) -> None:
    engine = create_store_engine(database_url.replace("postgresql+psycopg", "postgresql"), application_name="a test")
    async with engine.connect() as connection:
        setting = [func.current_setting(name) for name in ("application_name", "timezone", "jit")]
        assert (await connection.execute(select(*setting))).one() == ("a test", "UTC", "off")
    await engine.dispose()


async def test_a_connection_the_server_ended_is_said_to_be_lost_and_the_next_one_works(engine: AsyncEngine) -> None:
    async def lose_it() -> None:
        async with open_reader(engine, TENANT) as reader:
            own = await reader.connection.scalar(select(func.pg_backend_pid()))
            async with engine.connect() as other:
                await other.execute(select(func.pg_terminate_backend(own)))
            await reader.rows(select(func.now()))

    with pytest.raises(Unavailable, match="POSTGRES_UNREACHABLE"):
        await lose_it()
    async with open_reader(engine, TENANT) as reader:
        assert len(await reader.rows(select(func.now()))) == 1


async def test_a_connection_that_does_not_become_free_is_said_to_be_busy(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.database.engine.CONNECT_TIMEOUT_SECONDS", 0.1)
    engine = create_store_engine(database_url, pool_size=1, max_overflow=0)
    async with engine.connect():
        with pytest.raises(Unavailable, match="POSTGRES_BUSY"):
            async with open_reader(engine, TENANT):
                pass
        with pytest.raises(Unavailable, match="POSTGRES_BUSY"):
            await require_current_schema(engine)
    await engine.dispose()


@pytest.mark.parametrize("statement", ["SELECT nothing", "SELECT 1/0", "SELECT * FROM nowhere"])
async def test_a_mistake_of_ours_is_not_called_unavailable(engine: AsyncEngine, statement: str) -> None:
    with pytest.raises(Exception, match=r"nothing|zero|nowhere") as mistake:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    assert as_unavailable(mistake.value) is None


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "postgresql://postgres@no.such.host.invalid/x"])
async def test_a_server_that_is_not_there_is_said_not_to_be(url: str) -> None:
    engine: Any = create_store_engine(url)
    with pytest.raises(Unavailable, match=r"POSTGRES_UNREACHABLE: .*DATABASE_URL"):
        async with open_reader(engine, TENANT):
            pass
    await engine.dispose()
