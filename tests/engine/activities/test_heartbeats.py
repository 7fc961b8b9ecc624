"""A long action gives signs of life, from whatever thread it runs in, and learns that nobody wants it any more."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from engine.activities import heartbeats
from engine.store.database.transactions import Store
from tests.engine.activities.test_run_step import World, request
from tests.engine.workflow.harness import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat at once."""
    monkeypatch.setattr(heartbeats, "FIRST_AFTER_SECONDS", 0.02)
    monkeypatch.setattr(heartbeats, "EVERY_SECONDS", 0.02)


async def test_an_action_that_takes_long_beats_until_it_ends() -> None:
    beats: list[tuple[object, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    enough = asyncio.Event()

    async def long_action() -> None:
        async with heartbeats.beating():
            while len(beats) < 3:  # noqa: ASYNC110 - the beats are what is waited for
                await asyncio.sleep(0.005)
        enough.set()

    await asyncio.wait_for(environment.run(long_action), PATIENCE_SECONDS)
    seen = len(beats)
    await asyncio.sleep(0.1)
    assert enough.is_set()
    assert len(beats) == seen


async def test_a_plain_function_beats_from_its_thread() -> None:
    beats: list[tuple[object, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)

    async def threaded() -> None:
        async with heartbeats.beating() as beat:
            await asyncio.to_thread(beat, "42 of 100")
            await asyncio.sleep(0)

    await asyncio.wait_for(environment.run(threaded), PATIENCE_SECONDS)
    assert ("42 of 100",) in beats


async def test_what_is_told_is_json_that_can_be_written() -> None:
    """Temporal cancels an activity for details it cannot write, and the action would begin again, for ever."""
    beats: list[tuple[object, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)

    async def telling() -> None:
        async with heartbeats.beating() as beat:
            beat({"done": 1}, {2}, ValueError("three"), float("nan"), b"\xff")
            await asyncio.sleep(0)

    await asyncio.wait_for(environment.run(telling), PATIENCE_SECONDS)
    not_finite, not_text = {"$omitted": "JSON_NUMBER_NOT_FINITE"}, {"$omitted": "UnicodeDecodeError"}
    assert ({"done": 1}, [2], "three", not_finite, not_text) in beats


async def test_a_local_activity_has_no_heartbeat() -> None:
    beats: list[tuple[object, ...]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *details: beats.append(details)
    environment.info = dataclasses.replace(environment.info, is_local=True)

    async def quick() -> None:
        async with heartbeats.beating() as beat:
            beat("nobody listens")
            await asyncio.sleep(0.06)

    await environment.run(quick)
    assert beats == []


async def test_an_action_whose_claim_waits_for_postgres_beats(store: Store) -> None:
    world, beaten = World(store), asyncio.Event()
    what = request(await world.run(), "test.ordinary")
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_details: beaten.set()
    async with store.begin() as holder:
        await holder.execute(text("SELECT 1 FROM workflow_runs FOR UPDATE"))
        step = asyncio.create_task(environment.run(world.activity().run_step, what))
        await asyncio.wait_for(beaten.wait(), PATIENCE_SECONDS)
        assert world.counts.ran.total() == 0
    assert "ok" in await step
