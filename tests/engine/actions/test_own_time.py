"""An action's time is its own: what somebody else holds it waits for, as it does for a database that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from engine.actions import own_time
from engine.actions.context import ActionContext
from engine.actions.invoke import invoke
from engine.actions.registry import ActionRegistry
from engine.errors import StepFailure, Unavailable
from engine.store.database.engine import create_store_engine
from tests.engine.workflow.harness import PATIENCE_SECONDS

OWN_SECONDS = 2.0
HELD = text("SELECT 1 FROM workflow_data_store WHERE key = 'SKU-1' FOR UPDATE")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
AT = {"namespace": "stock", "key": "SKU-1", "value": 1}


@pytest.fixture(params=["direct", "pooled"])
def database_way(request: pytest.FixtureRequest, database_url: str) -> str:
    """A URL of this test's database, through a pooler or not."""
    through: Callable[[str], str] = request.getfixturevalue("pooled") if request.param == "pooled" else str
    return through(database_url)


async def test_time_in_which_somebody_holds_what_it_needs_does_not_count(
    registry: ActionRegistry,
    database_url: str,
    database_way: str,
    make_context: Callable[..., ActionContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_time, "LOOK_EVERY_SECONDS", 0.02)
    known = registry.get("store.set", 1)
    hurried = replace(known, traits=replace(known.traits, timeout_seconds=OWN_SECONDS))
    workers, others = create_store_engine(database_way), create_store_engine(database_url)

    async def set_it() -> Any:
        async with workers.begin() as connection:
            return await invoke(hurried, AT, make_context(connection=connection))

    await set_it()
    async with others.begin() as holder, others.connect() as onlooker:
        await holder.execute(HELD)
        setting = asyncio.create_task(set_it())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await onlooker.execute(WAITING)).scalar_one():
                await asyncio.sleep(0.01)
                await onlooker.rollback()
        await asyncio.sleep(1.5 * OWN_SECONDS)
        assert not setting.done()
    assert await setting == {"revision": 2, "created": False}
    await workers.dispose()
    await others.dispose()


async def test_its_own_time_counts(
    registry: ActionRegistry, database_url: str, make_context: Callable[..., ActionContext]
) -> None:
    known = registry.get("store.set", 1)

    async def slow(_given: Any, ctx: ActionContext) -> Any:
        await ctx.transaction.execute(text("SELECT pg_sleep(30)"))

    hurried = replace(known, handler=slow, traits=replace(known.traits, timeout_seconds=0.5))
    store = create_store_engine(database_url)
    with pytest.raises(StepFailure) as failed:
        async with store.begin() as connection:
            await invoke(hurried, AT, make_context(connection=connection))
    assert failed.value.code == "ACTION_TIMEOUT"
    await store.dispose()


async def test_its_own_time_counts_where_nobody_can_tell_whether_the_database_goes_on(
    registry: ActionRegistry,
    database_url: str,
    make_context: Callable[..., ActionContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unforeseen(*_given: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(own_time, "LOOK_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(own_time, "until_it_goes_on", unforeseen)
    known = registry.get("store.set", 1)

    async def endless(_given: Any, _ctx: ActionContext) -> Any:
        await asyncio.Event().wait()

    hurried = replace(known, handler=endless, traits=replace(known.traits, timeout_seconds=0.2))
    store = create_store_engine(database_url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(StepFailure) as failed:
            async with store.begin() as connection:
                await invoke(hurried, AT, make_context(connection=connection))
    assert failed.value.code == "ACTION_TIMEOUT"
    await store.dispose()


async def test_a_lock_that_is_not_to_be_had_in_time_is_no_failure_of_the_step(
    registry: ActionRegistry, database_url: str, make_context: Callable[..., ActionContext]
) -> None:
    store = create_store_engine(database_url)
    async with store.begin() as connection:
        await invoke(registry.get("store.set", 1), AT, make_context(connection=connection))
    async with store.begin() as holder, store.connect() as connection:
        await holder.execute(HELD)
        await connection.execute(text("SET LOCAL lock_timeout = 20"))
        with pytest.raises(Unavailable, match="POSTGRES_LOCKED"):
            await invoke(registry.get("store.set", 1), AT, make_context(connection=connection))
    await store.dispose()
