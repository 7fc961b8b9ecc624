"""Statements that Postgres would refuse every time fail the step, with a code, and are not repeated."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from engine.actions.registry import ActionRegistry
from engine.store.database.engine import create_store_engine
from engine.store.database.transactions import Store
from tests.engine.activities.test_run_step import World, registry_of, request, run_step

RANDOM = "".join(chr(number) for number in random.Random(1).choices(range(0x4E00, 0x9FFF), k=5_000))
"""No compression makes it short enough for an index."""


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest_asyncio.fixture
async def hurried(database_url: str, world: World) -> Any:
    """A store whose statements Postgres stops after 0.2 s."""
    async with world.store.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        name = (await autocommit.execute(text("SELECT current_database()"))).scalar_one()
        await autocommit.execute(text(f'ALTER DATABASE "{name}" SET statement_timeout = 200'))
    engine = create_store_engine(database_url)
    yield World(engine)
    await engine.dispose()


async def test_f2_an_attempt_that_no_row_can_hold_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    far = replace(registry_of(world.counts).get("test.quick", 1), version=2**40)
    monkeypatch.setattr(ActionRegistry, "find", lambda _self, _id, version: far if version == far.version else None)
    what = {**request(await world.run()), "version": far.version}
    answer = await run_step(world.activity(), what)
    assert answer["error"]["code"] == "DATABASE_VALUE_OUT_OF_RANGE"
    [step] = await world.rows("SELECT status, seq FROM workflow_run_steps")
    assert (step["status"], step["seq"]) == ("STARTED", 1), "the trace up to it is written all the same"
    assert world.counts.ran.total() == 0


async def test_f2_a_code_too_long_for_the_index_of_errors_is_cut(world: World) -> None:
    what = request(await world.run(), "test.fails", category="ActionError", message="no", code=RANDOM)
    answer = await run_step(world.activity(), what)
    assert answer["error"]["code"] == RANDOM[:200]
    [run] = await world.rows("SELECT last_error_code FROM workflow_runs")
    assert run["last_error_code"] == RANDOM[:200]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO workflow_data_store (tenant, namespace, key, value)"
         " VALUES (gen_random_uuid(), :text, 'k', '1')", "DATABASE_VALUE_TOO_LARGE"),
        ("SELECT CAST('99999999999' AS int)", "DATABASE_VALUE_OUT_OF_RANGE"),
        ("INSERT INTO deferred VALUES (1)", "DATABASE_CONSTRAINT"),
        ("SELECT CAST('\"a\\u0000\"' AS jsonb)", "DATABASE_TEXT_REFUSED"),
    ],
)  # fmt: skip
async def test_what_a_transactional_action_writes_is_refused(world: World, sql: str, code: str) -> None:
    async with world.store.begin() as connection:
        await connection.execute(text("CREATE TABLE deferred_of (n int PRIMARY KEY)"))
        await connection.execute(
            text("CREATE TABLE deferred (n int REFERENCES deferred_of DEFERRABLE INITIALLY DEFERRED)")
        )
    what = request(await world.run(), "test.executes", sql=sql, text=RANDOM)
    answer = await run_step(world.activity(), what)
    assert answer["error"]["code"] == code
    assert world.counts.ran["x"] == 1
    assert await world.tries() == [("root.steps[0]", 1, "FAILED")]


async def test_f3_a_statement_that_a_limit_stops_is_the_failure_of_its_action(hurried: World) -> None:
    what = request(await hurried.run(), "test.executes", sql="SELECT pg_sleep(5)", text="")
    answer = await run_step(hurried.activity(), what)
    assert (answer["error"]["category"], answer["error"]["code"]) == ("TimeoutError", "STATEMENT_LIMIT")
    assert hurried.counts.ran["x"] == 1
    assert await hurried.tries() == [("root.steps[0]", 1, "FAILED")]
