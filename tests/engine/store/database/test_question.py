"""Questions asked in one round trip are as safe as those of a reader: one read-only moment, a time limit, a policy or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Select, Text, bindparam, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import Unavailable
from engine.store.database.engine import create_store_engine
from engine.store.database.question import ask, question
from engine.store.tables import workflow_settings
from engine.values.redaction.placeholder import PLACEHOLDER
from tests.engine.store.conftest import OTHER_TENANT, TENANT

SETTINGS = ("transaction_isolation", "transaction_read_only", "statement_timeout")
IN_A_TRANSACTION = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%transaction%'"
)

SLEEPING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active'"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)


def _settings() -> Select[Any]:
    return select(*(func.current_setting(name).label(name) for name in SETTINGS))


def _pid() -> Select[Any]:
    return select(func.pg_backend_pid().label("pid"))


async def _save(engine: AsyncEngine, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(workflow_settings.insert().values(**values))


async def test_a_question_is_asked_in_a_read_only_snapshot_with_a_time_limit_and_leaves_nothing(
    engine: AsyncEngine,
) -> None:
    for _ in range(10):
        _, [[inside], [pid]] = await ask(engine, TENANT, question(_settings()), question(_pid()))
        assert tuple(inside) == ("repeatable read", "on", "2s")
    async with engine.connect() as connection:
        assert (await connection.execute(_pid())).one().pid == pid.pid, "the same connection, as it was"
        assert (await connection.execute(_settings())).one() == ("read committed", "off", "0")
        assert await connection.scalar(text(IN_A_TRANSACTION)) == 0


async def test_the_policy_is_that_of_the_tenant(engine: AsyncEngine) -> None:
    await _save(engine, redaction_pointers=["/name"])
    value = {"name": "Ada", "token": "t"}
    own, _ = await ask(engine, TENANT)
    other, _ = await ask(engine, OTHER_TENANT)
    assert own.hide(value) == {"name": PLACEHOLDER, "token": PLACEHOLDER}
    assert other.hide(value) == {"name": "Ada", "token": PLACEHOLDER}
    assert own.server_now.utcoffset() is not None


async def test_a_policy_that_makes_no_sense_hides_everything(engine: AsyncEngine) -> None:
    await _save(engine, redaction_key_patterns=["("])
    reading, _ = await ask(engine, TENANT)
    assert reading.hide({"a": 1}) == PLACEHOLDER


async def test_a_policy_that_may_not_be_read_hides_everything_and_the_rows_are_found(database_url: str) -> None:
    owner = create_store_engine(database_url)
    async with owner.begin() as connection:
        await connection.execute(text("CREATE ROLE blindfolded LOGIN IN ROLE runstudio_service"))
        await connection.execute(text("REVOKE SELECT ON workflow_settings FROM runstudio_service"))
    blind = create_store_engine(database_url.replace("postgres@", "blindfolded@"))
    try:
        reading, [[row]] = await ask(blind, TENANT, question(select(literal(1).label("one"))))
        assert (reading.hide({"a": 1}), row.one) == (PLACEHOLDER, 1)
    finally:
        await blind.dispose()
        async with owner.begin() as connection:
            await connection.execute(text("DROP ROLE blindfolded"))
        await owner.dispose()


async def test_values_left_open_must_be_given(engine: AsyncEngine) -> None:
    open_ended = question(select(bindparam("word", type_=Text, required=False).label("word")))
    _, [[row]] = await ask(engine, TENANT, open_ended, parameters={"word": "a", "other": "b"})
    assert row.word == "a"
    with pytest.raises(KeyError, match="word"):
        await ask(engine, TENANT, open_ended)


async def test_a_slow_question_ends_with_advice(engine: AsyncEngine) -> None:
    with pytest.raises(Unavailable, match=r"QUERY_TOO_SLOW: .*2 s.* Narrow the filter"):
        await ask(engine, TENANT, question(select(func.pg_sleep(5))))
    _, [[row]] = await ask(engine, TENANT, question(_settings()))
    assert row.statement_timeout == "2s"


async def test_a_question_cannot_write(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SEQUENCE counted"))
    with pytest.raises(Exception, match="read-only transaction"):
        await ask(engine, TENANT, question(select(func.nextval(text("'counted'")))))


async def test_a_connection_the_server_ended_is_replaced(engine: AsyncEngine, database_url: str) -> None:
    _, [[lost]] = await ask(engine, TENANT, question(_pid()))
    other = create_store_engine(database_url)
    async with other.connect() as connection:
        await connection.execute(select(func.pg_terminate_backend(lost.pid, 10_000)))
    await other.dispose()
    _, [[found]] = await ask(engine, TENANT, question(_pid()))
    assert found.pid != lost.pid


async def test_a_server_that_ends_every_connection_is_said_to_be_unreachable(engine: AsyncEngine) -> None:
    with pytest.raises(Unavailable, match="POSTGRES_UNREACHABLE"):
        await ask(engine, TENANT, question(select(func.pg_terminate_backend(func.pg_backend_pid()))))


async def test_a_question_that_is_given_up_leaves_no_transaction(engine: AsyncEngine) -> None:
    asked = asyncio.create_task(ask(engine, TENANT, question(select(func.pg_sleep(60)))))
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await _until(connection, SLEEPING, 1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await _until(connection, SLEEPING, 0)
        assert await connection.scalar(text(IN_A_TRANSACTION)) == 0


async def _until(connection: AsyncConnection, counted: str, number: int) -> None:
    async with asyncio.timeout(20):
        while await connection.scalar(text(counted)) != number:
            await connection.execute(text("SELECT pg_sleep(0.01)"))


async def test_a_connection_that_does_not_become_free_is_said_to_be_busy(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.database.engine.CONNECT_TIMEOUT_SECONDS", 0.1)
    engine = create_store_engine(database_url, pool_size=1, max_overflow=0)
    async with engine.connect():
        with pytest.raises(Unavailable, match="POSTGRES_BUSY"):
            await ask(engine, TENANT)
    await engine.dispose()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "postgresql://postgres@no.such.host.invalid/x"])
async def test_a_server_that_is_not_there_is_said_not_to_be(url: str) -> None:
    engine = create_store_engine(url)
    with pytest.raises(Unavailable, match=r"POSTGRES_UNREACHABLE: .*DATABASE_URL"):
        await ask(engine, TENANT)
    await engine.dispose()
