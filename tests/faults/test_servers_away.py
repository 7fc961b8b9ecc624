"""Postgres and Temporal going away under load: runs are late, and nothing else."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError

from engine.devstack.fetching import ProgressLine
from engine.devstack.postgres import EmbeddedPostgres
from engine.devstack.temporal_cli import obtain_cli
from engine.devstack.temporal_server import TemporalServer
from engine.settings import Settings
from tests.conftest import migrate
from tests.engine.workflow.harness import Run
from tests.engine.workflow.steps import call, for_each, set_state, wait_time
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

STEPS = [
    call("a", "fault.quick"),
    call("b", "fault.inside"),
    wait_time("w", 500),
    call("o", "fault.ordinary", seconds=0.2),
    for_each("l", "[1,2,3,4,5]", [call("q", "fault.quick"), set_state("s"), call("i", "fault.inside")]),
]
EFFECTS = 7
INSIDE = 6


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short, because Unix socket paths have a limit."""
    with tempfile.TemporaryDirectory(prefix="rs-") as path:
        yield Path(path)


@pytest.fixture
def own_postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A server this test may kill."""
    server = EmbeddedPostgres(directory / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_temporal(directory: Path) -> Iterator[TemporalServer]:
    """A server this test may kill; its history is in a file."""
    progress = ProgressLine()
    program = obtain_cli(Settings.load(), progress).path
    progress.close()
    server = TemporalServer(program, directory / "temporal.db", log=directory / "temporal.log")
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def own_world(
    own_postgres: EmbeddedPostgres, own_temporal: TemporalServer, database_url: str
) -> AsyncIterator[World]:
    """A world on servers of its own; the system outside is on the session's."""
    url = own_postgres.create_database("faults")
    await asyncio.to_thread(migrate, url)
    world = await World.make(url, database_url, await Client.connect(own_temporal.address), own_temporal.address)
    yield world
    await world.dispose()


async def settled(world: World, runs: int) -> None:
    """Every effect is there once per key, whatever had to be repeated."""
    # The test's own connections broke too.
    await world.bench.store.dispose()
    assert len(await world.executions()) == runs * EFFECTS
    [inside] = await world.bench.rows("SELECT count(*) AS n FROM inside")
    assert inside["n"] == runs * INSIDE
    await world.balance()


async def test_postgres_dies_again_and_again_under_load(own_world: World, own_postgres: EmbeddedPostgres) -> None:
    chance = random.Random(11)
    world = own_world
    await world.bench.publish(STEPS)
    runs = [await world.start(task_timeout=10) for _ in range(20)]
    async with world.worker("worker"):
        for _ in range(4):
            await asyncio.sleep(chance.uniform(0.3, 2))
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.sleep(chance.uniform(0, 3))
            await asyncio.to_thread(own_postgres.start)
        await asyncio.gather(*(asyncio.wait_for(run.handle.result(), 200) for run in runs))
    await settled(world, len(runs))


async def test_postgres_is_away_for_longer_than_a_workflow_task(
    own_world: World, own_postgres: EmbeddedPostgres
) -> None:
    world = own_world
    await world.bench.publish(STEPS)
    runs = [await world.start(task_timeout=10) for _ in range(5)]
    async with world.worker("worker"):
        await asyncio.sleep(1)
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.sleep(25)
        await asyncio.to_thread(own_postgres.start)
        await asyncio.gather(*(asyncio.wait_for(run.handle.result(), 200) for run in runs))
    await settled(world, len(runs))
    for run in runs:
        assert sum((await run.events()).values()) < 250


async def test_temporal_dies_and_comes_back_with_its_data(own_world: World, own_temporal: TemporalServer) -> None:
    world = own_world
    await world.bench.publish(STEPS)
    runs = [await world.start(task_timeout=10) for _ in range(10)]
    async with world.worker("worker"):
        await asyncio.sleep(1.5)
        await asyncio.to_thread(own_temporal.kill)
        await asyncio.sleep(5)
        await asyncio.to_thread(own_temporal.start)
        await asyncio.gather(*(asyncio.wait_for(result_of(run), 200) for run in runs))
    await settled(world, len(runs))


async def result_of(run: Run) -> None:
    """The end of a run, asked for again when the connection was lost in between."""
    while True:
        try:
            await run.handle.result()
        except RPCError:
            await asyncio.sleep(0.5)
        else:
            return
