"""The clocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from runstudio_tui.clock import ManualClock, ServerTime, SystemClock

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


async def test_manual_clock_wakes_sleepers_in_order() -> None:
    clock = ManualClock(START)
    woken: list[tuple[str, datetime]] = []

    async def sleeper(name: str, seconds: float) -> None:
        assert not await clock.wait(asyncio.Event(), seconds)
        woken.append((name, clock.now()))

    tasks = [asyncio.create_task(sleeper("late", 5)), asyncio.create_task(sleeper("early", 2))]
    await asyncio.sleep(0)
    await clock.advance(1.9)
    assert woken == []
    await clock.advance(10)
    assert woken == [("early", START + timedelta(seconds=2)), ("late", START + timedelta(seconds=5))]
    await asyncio.gather(*tasks)


async def test_nothing_wakes_while_the_process_is_stopped() -> None:
    clock = ManualClock(START)
    sleeping = asyncio.create_task(clock.wait(asyncio.Event(), 5))
    await clock.advance(1)
    clock.stop_for(60)
    await clock.let_run()
    assert not sleeping.done()
    await clock.advance(0)
    assert sleeping.done()
    assert clock.now() == START + timedelta(seconds=61)


async def test_an_event_ends_the_waiting() -> None:
    for clock in (ManualClock(START), SystemClock()):
        event = asyncio.Event()
        waiting = asyncio.create_task(clock.wait(event, 3600))
        await asyncio.sleep(0)
        event.set()
        assert await waiting


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    clock = ManualClock(START)
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), 10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await clock.advance(20)
    assert waiting.cancelled()


async def test_server_time_runs_on_and_ignores_small_steps_back() -> None:
    clock = ManualClock(START)
    time = ServerTime(clock)
    assert time.now() == START
    ahead = START + timedelta(minutes=3)
    time.observe(ahead)
    await clock.advance(2)
    assert time.now() == ahead + timedelta(seconds=2)
    time.observe(ahead + timedelta(seconds=1))
    assert time.now() == ahead + timedelta(seconds=2)
    time.observe(ahead - timedelta(seconds=30))
    assert time.now() == ahead - timedelta(seconds=30)
