"""The connection to Postgres: its settings, and how its troubles are told."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import Invalid, Unavailable
from engine.store.database.engine import PASSING, as_unavailable, create_store_engine, is_away
from engine.store.database.question import ask, question
from engine.store.database.reader import open_reader
from engine.store.database.refusals import DATABASE_ERRORS, as_refusal
from engine.store.database.schema_version import current_revision, require_current_schema
from engine.store.database.single_statement import execute_alone
from engine.store.database.transactions import writing
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


@pytest.mark.parametrize(
    ("state", "said", "code"),
    [
        ("57014", "canceling statement due to statement timeout", "POSTGRES_STOPPED_IT"),
        ("25P04", "terminating connection due to transaction timeout", "POSTGRES_STOPPED_IT"),
        ("40001", "could not serialize access due to concurrent update", "POSTGRES_LOCKED"),
        ("40P01", "deadlock detected", "POSTGRES_LOCKED"),
        ("53100", "could not extend file: No space left on device", "POSTGRES_FAILING"),
        ("53200", "out of memory", "POSTGRES_FAILING"),
        ("58030", "could not read block 7", "POSTGRES_FAILING"),
        ("53300", "sorry, too many clients already", "POSTGRES_UNREACHABLE"),
        ("57P01", "terminating connection due to administrator command", "POSTGRES_UNREACHABLE"),
        ("57P03", "the database system is starting up", "POSTGRES_UNREACHABLE"),
        ("25006", "cannot execute INSERT in a read-only transaction", "POSTGRES_READ_ONLY"),
    ],
)
async def test_what_keeps_postgres_from_writing_is_said_in_one_sentence(
    engine: AsyncEngine, state: str, said: str, code: str
) -> None:
    raised = f"DO $$ BEGIN RAISE EXCEPTION '{said}' USING ERRCODE = '{state}', DETAIL = 'row (4711)'; END $$"
    with pytest.raises(Unavailable) as told:
        async with writing(engine) as connection:
            await connection.execute(text(raised))
    assert (told.value.code, told.value.retryable) == (code, True)
    assert code in PASSING
    # Of one statement is what is in the way of this one; everything else every other would meet.
    assert is_away(told.value) is (code not in {"POSTGRES_STOPPED_IT", "POSTGRES_LOCKED"})
    assert said in told.value.message
    assert told.value.message.count(".") == 1
    assert "4711" not in str(told.value)


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("SELECT count(*) FROM workflow_runs", "POSTGRES_DENIED", "permission denied for table workflow_runs"),
        (
            "SELECT count(*) FROM workflow_nothing",
            "POSTGRES_TABLE_MISSING",
            'relation "workflow_nothing" does not exist',
        ),
    ],
)
async def test_what_the_login_may_not_do_or_does_not_find_is_said(
    engine: AsyncEngine, database_url: str, statement: str, code: str, said: str
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE ROLE stranger LOGIN"))
    stranger = create_store_engine(database_url.replace("postgres@", "stranger@"))
    try:
        with pytest.raises(Unavailable, match=said) as told:
            async with writing(stranger) as connection:
                await connection.execute(text(statement))
        assert (told.value.code, is_away(told.value), code in PASSING) == (code, True, False)
        with pytest.raises(Unavailable, match=said):
            async with open_reader(stranger, TENANT) as reader:
                await reader.rows(text(statement))
        with pytest.raises(Unavailable, match=said):
            await ask(stranger, TENANT, question(text(statement)))
    finally:
        await stranger.dispose()
        async with engine.begin() as connection:
            await connection.execute(text("DROP ROLE stranger"))


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "b\udfff"])
async def test_a_text_that_postgres_cannot_hold_is_refused_at_every_door(engine: AsyncEngine, bad: str) -> None:
    asked = text("SELECT CAST(:bad AS text)")
    with pytest.raises(Invalid, match="DATABASE_TEXT_REFUSED"):
        async with writing(engine) as connection:
            await connection.execute(asked, {"bad": bad})
    with pytest.raises(Invalid, match="DATABASE_TEXT_REFUSED"):
        async with open_reader(engine, TENANT) as reader:
            await reader.rows(asked, {"bad": bad})
    with pytest.raises(Invalid, match="DATABASE_TEXT_REFUSED"):
        await ask(engine, TENANT, question(asked), parameters={"bad": bad})
    with pytest.raises(DATABASE_ERRORS) as refused:
        await execute_alone(engine, asked, {"bad": bad})
    assert as_refusal(refused.value) is not None


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/x", "postgresql://postgres@no.such.host.invalid/x"])
async def test_a_server_that_is_not_there_is_said_not_to_be(url: str) -> None:
    engine: Any = create_store_engine(url)
    with pytest.raises(Unavailable, match=r"POSTGRES_UNREACHABLE: .*DATABASE_URL"):
        async with open_reader(engine, TENANT):
            pass
    await engine.dispose()


@pytest.mark.parametrize(
    "rest",
    ["one/x?schema=public", "one:5432,two:5433/x", "one:port/x", "one/x?sslmode=require&pgbouncer=true"],
)
def test_a_url_that_nobody_can_use_is_refused_and_not_repeated(rest: str) -> None:
    """As other tools of the same database write it; it was called a bug of ours."""
    url = f"postgresql://me:canary-4711@{rest}"
    for use in (create_store_engine, current_revision):
        with pytest.raises(Invalid, match="SETTING_INVALID: The database URL cannot be used") as refused:
            use(url)
        assert "canary" not in str(refused.value)


async def test_several_servers_are_tried_one_after_the_other(database_url: str) -> None:
    there = make_url(database_url)
    last = there.host or there.query["host"]
    several = there.set(host=None).update_query_dict({"host": f"/nonexistent,{last}"})
    engine: Any = create_store_engine(several.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()
