"""A worker above its memory ceiling begins nothing, says so, and leaves nothing claimed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from engine.activities.memory_ceiling import MemoryCeiling, MemoryFull, resident_bytes
from engine.activities.run_step import RunStep
from engine.store.database.transactions import Store
from tests.engine.activities.test_run_step import World, request, run_step

MEGABYTE = 1024 * 1024


def test_this_process_knows_what_it_holds() -> None:
    assert 10 * MEGABYTE < resident_bytes() < 100_000 * MEGABYTE
    MemoryCeiling(None, lambda: 2**60).require_room("a.b")


async def test_an_action_is_not_begun_and_nothing_is_claimed(store: Store) -> None:
    world, used = World(store), [301]
    ceiling = MemoryCeiling(300, lambda: used[0] * MEGABYTE)
    activity = RunStep(replace(world.activity()._dependencies, memory=ceiling))
    what = request(await world.run(), value=7)
    with capture_logs() as logs, pytest.raises(MemoryFull, match=r"301 MB of the 300 MB .* test\.quick"):
        await run_step(activity, what)
    assert [(line["event"], line["refused"]) for line in logs] == [("worker.memory_full", "test.quick")]
    assert await world.tries() == []
    used[0] = 299
    assert await run_step(activity, what) == {"ok": {"value": 7}}
